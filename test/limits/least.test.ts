// Each limit at its least: what is left is little, but it works.

import { describe, expect, test } from "vitest";
import { checkLimits, type Limits, limitRanges, presets } from "../../src/index";
import { PUBLISH, PUBREL, property, pubcomp, readAcknowledgement, readPublish } from "../support/packets";
import { rule } from "./scene";

/** The tiny limits with one at its least, and others so that all relations between them hold. */
function least(field: string): Partial<Limits> {
  const limits = { ...presets.tiny, [field]: limitRanges[field][0] };
  if (field === "sessions") limits.connections = 2;
  if (field === "payloadBytes") limits.payloadBytes = 512; // a quarter of it is the least stage
  if (field === "outputBytes") limits.outputBytes = limits.clientIdBytes + 64;
  const most = Math.min(Math.floor(limits.payloadBytes / 4), limits.packetBytes);
  limits.messageBytes = Math.min(limits.messageBytes, most);
  limits.stageBytes = Math.min(limits.stageBytes, most);
  limits.topicBytes = Math.min(limits.topicBytes, limits.stageBytes - 64);
  limits.subscriptionsPerSession = Math.min(limits.subscriptionsPerSession, limits.subscriptions);
  limits.queuePerSession = Math.min(limits.queuePerSession, limits.deliveries);
  limits.inflightPerSession = Math.min(limits.inflightPerSession, limits.queuePerSession);
  return limits;
}

for (const field of Object.keys(limitRanges)) {
  const limits = least(field);
  describe(`${field} = ${limits[field as keyof Limits]}`, () => {
    rule("a client gets what it sends", { limits }, (scene, { level }) => {
      // It is alone, as the least numbers of connections and sessions have it.
      const guest = scene.joinForLong(level, "g");
      guest.subscribe("t", 2);
      for (const qos of [0, 1, 2] as const) {
        const id = guest.publish("t", { qos, payload: `${qos}`, properties: property.user("a", "b") });
        const packets = guest.received();
        if (qos === 2) guest.releases(id);
        const got = packets.filter((packet) => packet[0] >> 4 === PUBLISH).map((packet) => readPublish(level, packet));
        expect(got.map((it) => [it.qos, it.payload])).toEqual([[qos, `${qos}`]]);
        guest.answer(got[0]);
        for (const packet of guest.received()) {
          guest.send(pubcomp(readAcknowledgement(level, PUBREL, packet).id));
        }
        scene.audit();
      }
      guest.quiet();
      guest.unsubscribes(["t"]);
      guest.tells("t", { retain: true, payload: "r" });
      scene.trouble();
    });
  });
}

test("less than that is no limit", () => {
  for (const field of Object.keys(limitRanges)) {
    const limits = { ...presets.tiny, [field]: limitRanges[field][0] - 1 };
    expect(() => checkLimits(limits), field).toThrow(`"${field}"`);
  }
});
