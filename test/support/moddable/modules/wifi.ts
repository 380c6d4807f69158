export { OldWiFi as default } from "../network";
