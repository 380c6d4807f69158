export { Time as default } from "../timer";
