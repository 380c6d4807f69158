// All rules of a client, section by section.

import "./client-sections/connect";
import "./client-sections/connack";
import "./client-sections/keep-alive";
import "./client-sections/send";
import "./client-sections/receive";
import "./client-sections/limits";
import "./client-sections/subscribe";
import "./client-sections/errors";

export { clientRules } from "./rules";
