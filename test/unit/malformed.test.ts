import { malformed } from "./malformed";

malformed(150);
