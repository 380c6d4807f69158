// All rules of a client, section by section.

import "./client-sections/connect";
import "./client-sections/connack";
import "./client-sections/keep-alive";

export { clientRules } from "./rules";
