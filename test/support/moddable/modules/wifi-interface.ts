export { WiFi as default } from "../network";
