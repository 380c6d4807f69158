export { Instrumentation as default } from "../timer";
