// The client's tests on XS: the same suite, run by suite.ts instead of vitest.

import { run } from "../xs/suite";
import { clientOnDevice } from "./client";

clientOnDevice("lwip");
clientOnDevice("lin");
(globalThis as unknown as { main: () => void }).main = () => void run();
