// What runs inside a bundle with a defect.

import { audit } from "./audit";
import { draw, type World } from "./options";
import { simulate } from "./simulation";

/** The first seed from 1 on at which oracle or audit object; 0 when none of `seeds` does. */
export function hunt(world: World, seeds: number): { seed: number; kind: string; message: string } {
  for (let seed = 1; seed <= seeds; seed++) {
    const { failure } = simulate(seed, draw(seed, world), { audit, auditEvery: 10 });
    if (failure === undefined || failure.kind === "crash") continue;
    return { seed, kind: failure.kind, message: failure.message };
  }
  return { seed: 0, kind: "", message: "" };
}
