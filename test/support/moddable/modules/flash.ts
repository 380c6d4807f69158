export { Flash as default } from "../storage";
