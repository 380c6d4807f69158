// All rules of a server, section by section.

import "./sections/connect";
import "./sections/connack";
import "./sections/publish";
import "./sections/qos";
import "./sections/subscribe";
import "./sections/unsubscribe";
import "./sections/ping";
import "./sections/disconnect";
import "./sections/errors";
import "./sections/session";
import "./sections/topics";
import "./sections/utf8";
import "./sections/properties";
import "./sections/retained";
import "./sections/will";

export { rules } from "./rules";
