// Runs in which the simulator found a defect, kept for ever: each must pass now.

import type { Options, World } from "../../sim/options";

export interface Regression {
  seed: number;
  world: World;
  /** What differs from the options that the seed draws. */
  options: Partial<Options>;
  /** What it was. */
  was: string;
}

export const regressions: readonly Regression[] = [
  {
    seed: 12,
    world: "tiny",
    options: {},
    was: "A Packet Identifier was given again while a delivery had it, when two in flight were not adjacent [MQTT-2.2.1-4].",
  },
  {
    seed: 12,
    world: "flaky",
    options: {},
    was: "The same, over lost connections.",
  },
  {
    seed: 1,
    world: "tiny",
    options: {},
    was: "A PUBLISH of 5.0 that was too large and had too long a topic was called a Protocol Error instead of being refused.",
  },
  {
    seed: 1249,
    world: "flood",
    options: {},
    was: "PUBREL was answered with Packet Identifier not found while PUBACK was owed for the same identifier, used twice.",
  },
  {
    seed: 1273,
    world: "flood",
    options: {},
    was: "A repeated QoS 2 PUBLISH was routed again while PUBCOMP was owed for the same Packet Identifier [MQTT-4.3.3-10].",
  },
  {
    seed: 176,
    world: "flaky",
    options: {},
    was: "The same, and a second PUBREC went out.",
  },
];
