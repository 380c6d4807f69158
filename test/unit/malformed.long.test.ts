import { malformed } from "./malformed";

malformed(1000);
