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
  {
    seed: 6,
    world: "peers",
    options: {},
    was: "The client called a server silent whose PINGRESP was behind much else, and sent no PINGREQ while its application was paused.",
  },
  {
    seed: 20,
    world: "peers",
    options: {},
    was: "The same.",
  },
  {
    seed: 8,
    world: "peers",
    options: {},
    was: "The application stopped its client in `published`, and the client told `connected` afterwards.",
  },
  {
    seed: 12,
    world: "peers",
    options: {},
    was: "The same, and the client sent after it had closed the stream.",
  },
  {
    seed: 138,
    world: "peers",
    options: {},
    was: "The client sent PUBREC for a repeated PUBLISH that was still coming, and then gave it to its application again.",
  },
  {
    seed: 7,
    world: "peers",
    options: {},
    was: "The client sent a Subscription Identifier to a server that had said it knows none.",
  },
  {
    seed: 10,
    world: "peers",
    options: {},
    was: "The client sent a SUBSCRIBE above the Maximum Packet Size of the server [MQTT-3.2.2-15].",
  },
  {
    seed: 1,
    world: "peers",
    options: {},
    was: "A Topic Alias stood for the Topic Name before, when the client had refused the PUBLISH with the new one.",
  },
  {
    seed: 116,
    world: "peers",
    options: {},
    was: "The same: the message came with a wrong topic.",
  },
];
