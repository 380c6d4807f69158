// The first byte of a packet [5.0 section 2.1].

import { PacketType, PublishFlag, Version } from "./constants";

/** Whether a packet of this type may have these flags [MQTT-2.1.3-1]. */
export function hasValidFlags(type: PacketType, flags: number, version: Version | 0): boolean {
  switch (type) {
    case PacketType.PUBLISH:
      // QoS is 0, 1 or 2 [MQTT-3.3.1-4]; QoS 0 is never sent again [MQTT-3.3.1-2].
      return (flags & PublishFlag.QoS) !== PublishFlag.QoS && (flags & 14) !== PublishFlag.Dup;
    case PacketType.PUBREL:
    case PacketType.SUBSCRIBE:
    case PacketType.UNSUBSCRIBE:
      // MQTT 3.1 let clients set DUP on these.
      return flags === 2 || (version === Version.V3_1 && (flags & ~PublishFlag.Dup) === 2);
    default:
      return type >= PacketType.CONNECT && flags === 0;
  }
}
