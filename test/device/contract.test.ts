import { deviceContract } from "./contract";

deviceContract();
