// The contract of the transport on XS: the same suite, run by suite.ts instead of vitest.

import { run } from "../xs/suite";
import { deviceContract } from "./contract";

deviceContract();
(globalThis as unknown as { main: () => void }).main = () => void run();
