export { Timer as default } from "../timer";
