export { KeyValue as default } from "../storage";
