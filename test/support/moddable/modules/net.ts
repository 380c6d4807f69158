export { Net as default } from "../network";
