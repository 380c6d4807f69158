export { SNTP as default } from "../network";
