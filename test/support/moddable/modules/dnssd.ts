export { DNSSD as default } from "../network";
