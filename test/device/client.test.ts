import { clientOnDevice } from "./client";

clientOnDevice("lwip");
clientOnDevice("lin");
