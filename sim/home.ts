// The home: 20 Zigbee devices behind one bridge, 10 ESPHome and 10 Tasmota devices, one Home Assistant with 400
// subscriptions in one SUBSCRIBE. Sizes and intervals are those measured in the field.

import { Client, type Surroundings } from "./client";
import type { ConnectPacket, PublishPacket } from "./packets";
import { healed, type Personality, PLAIN, type Subscription } from "./personality";
import type { Random } from "./random";
import type { Workload } from "./workload";

const ZIGBEE_DEVICES = 20;
const ESPHOME_DEVICES = 10;
const TASMOTA_DEVICES = 10;
/** Retained discovery messages: of one Zigbee device, of one ESPHome device. */
const ZIGBEE_ENTITIES = 13;
const ESPHOME_ENTITIES = 5;
const SUBSCRIPTIONS = 400;
/** `bridge/devices`, bytes: 42,170 for 10 devices. */
const BRIDGE_DEVICES = 84_340;

interface Role {
  name: string;
  traits: string[];
  version: 4 | 5;
  clean: boolean;
  keepAlive: number;
  publishEvery: number;
  will?: string;
  greetings(random: Random): PublishPacket[];
  message(random: Random): PublishPacket;
  subscriptions: Subscription[];
}

export function homeClients(world: Surroundings, random: Random, workload: Workload): Client[] {
  const payload = (bytes: number): Buffer => workload.payload(bytes);
  const roles = [bridge(payload), assistant(payload)];
  for (let i = 1; i <= ESPHOME_DEVICES; i++) roles.push(espHome(i, payload));
  for (let i = 1; i <= TASMOTA_DEVICES; i++) roles.push(tasmota(i, payload));
  return roles.map((role) => {
    const own = random.fork();
    let hasSubscribed = false;
    const personality: Personality = {
      ...PLAIN,
      traits: role.traits,
      version: role.version,
      clientId: role.name,
      persists: !role.clean,
      keepAlive: role.keepAlive,
      publishEvery: role.publishEvery,
      subscribeEvery: 60_000,
      unsubscribes: 0,
      pause: 5000,
      window: 10,
      burst: 2,
      connect: (clientId, clean) => connect(role, clientId, clean, payload),
      greetings: (random) => {
        hasSubscribed = false;
        return role.greetings(random);
      },
      heal: healed,
    };
    const surroundings = {
      message: () => role.message(own),
      subscriptions: () => {
        if (hasSubscribed) return [];
        hasSubscribed = true;
        return role.subscriptions;
      },
    };
    return new Client(role.name, personality, bound(world, surroundings), own);
  });
}

/** The surroundings of one role: those of the world but for what it says and asks for. */
function bound(world: Surroundings, own: Pick<Surroundings, "message" | "subscriptions">): Surroundings {
  return {
    connect: (version) => world.connect(version),
    reset: (stream) => world.reset(stream),
    halfOpen: (stream) => world.halfOpen(stream),
    freed: (stream) => world.freed(stream),
    message: (client) => own.message(client),
    subscriptions: (client) => own.subscriptions(client),
    malformed: (client) => world.malformed(client),
    mayRepeat: (client, packet) => world.mayRepeat(client, packet),
    leftFor: (id) => world.leftFor(id),
    hasSession: (id) => world.hasSession(id),
    fault: (kind, client) => world.fault(kind, client),
  };
}

function connect(role: Role, clientId: string, clean: boolean, payload: (bytes: number) => Buffer): ConnectPacket {
  const packet: ConnectPacket = {
    cmd: "connect",
    clientId,
    clean,
    protocolVersion: role.version,
    protocolId: "MQTT",
    keepalive: role.keepAlive,
  };
  if (role.will !== undefined) packet.will = { topic: role.will, payload: payload(8), qos: 1, retain: true };
  if (role.version === 5) packet.properties = { sessionExpiryInterval: clean ? 0 : 300, maximumPacketSize: 1_048_576 };
  return packet;
}

function retained(topic: string, payload: Buffer, qos: 0 | 1): PublishPacket {
  return { cmd: "publish", topic, payload, qos, retain: true, dup: false };
}

/** Discovery payloads: 404 to 2,322 bytes, half of them below 797. */
function discoveryBytes(random: Random): number {
  return random.chance(1, 2) ? random.range(404, 797) : random.range(797, 2322);
}

function bridge(payload: (bytes: number) => Buffer): Role {
  return {
    name: "zigbee2mqtt",
    traits: ["Zigbee2MQTT"],
    version: 5,
    clean: true,
    keepAlive: 60,
    publishEvery: 1500,
    will: "zigbee2mqtt/bridge/state",
    greetings: (random) => {
      const messages = [
        retained("zigbee2mqtt/bridge/state", payload(18), 1),
        retained("zigbee2mqtt/bridge/info", payload(3800), 0),
        retained("zigbee2mqtt/bridge/devices", payload(BRIDGE_DEVICES), 0),
      ];
      for (let device = 1; device <= ZIGBEE_DEVICES; device++) {
        for (let entity = 1; entity <= ZIGBEE_ENTITIES; entity++) {
          const topic = `homeassistant/sensor/0x00158d0001${1000 + device}/entity_${entity}/config`;
          messages.push(retained(topic, payload(discoveryBytes(random)), 1));
        }
      }
      return messages;
    },
    message: (random) => {
      const topic = `zigbee2mqtt/device ${random.range(1, ZIGBEE_DEVICES)}`;
      return { cmd: "publish", topic, payload: payload(random.range(80, 350)), qos: 0, retain: false, dup: false };
    },
    subscriptions: [{ topic: "zigbee2mqtt/#", qos: 1, nl: true, rap: false, rh: 0 }],
  };
}

function espHome(i: number, payload: (bytes: number) => Buffer): Role {
  const name = `esphome-${i}`;
  return {
    name,
    traits: ["ESPHome"],
    version: 4,
    clean: false,
    keepAlive: 15,
    publishEvery: 10_000,
    will: `${name}/status`,
    greetings: () => {
      const messages = [retained(`${name}/status`, payload(8), 0)];
      for (let entity = 1; entity <= ESPHOME_ENTITIES; entity++) {
        messages.push(retained(`homeassistant/sensor/${name}/entity_${entity}/config`, payload(400), 0));
      }
      return messages;
    },
    message: (random) => retained(`${name}/sensor/${random.range(1, ESPHOME_ENTITIES)}/state`, payload(8), 0),
    subscriptions: [{ topic: `${name}/+/+/command`, qos: 0 }],
  };
}

function tasmota(i: number, payload: (bytes: number) => Buffer): Role {
  const name = `tasmota-${i}`;
  return {
    name,
    traits: ["Tasmota"],
    version: 4,
    clean: true,
    keepAlive: 30,
    publishEvery: 15_000,
    will: `tele/${name}/LWT`,
    greetings: () => [
      retained(`tele/${name}/LWT`, payload(8), 0),
      retained(`tasmota/discovery/${name}/config`, payload(870), 0),
      retained(`tasmota/discovery/${name}/sensors`, payload(235), 0),
    ],
    message: (random) => ({
      cmd: "publish",
      topic: `tele/${name}/${random.pick(["STATE", "SENSOR"])}`,
      payload: payload(random.range(150, 400)),
      qos: 0,
      retain: false,
      dup: false,
    }),
    subscriptions: [
      { topic: `cmnd/${name}/#`, qos: 0 },
      { topic: "cmnd/tasmotas/#", qos: 0 },
    ],
  };
}

function assistant(payload: (bytes: number) => Buffer): Role {
  const subscriptions: Subscription[] = [
    { topic: "homeassistant/+/+/config", qos: 0 },
    { topic: "homeassistant/+/+/+/config", qos: 0 },
    { topic: "tasmota/discovery/#", qos: 0 },
  ];
  for (let i = 1; i <= ZIGBEE_DEVICES; i++) subscriptions.push({ topic: `zigbee2mqtt/device ${i}`, qos: 0 });
  for (let i = 1; i <= ESPHOME_DEVICES; i++) {
    subscriptions.push({ topic: `esphome-${i}/status`, qos: 0 });
    for (let j = 1; j <= 20; j++) subscriptions.push({ topic: `esphome-${i}/sensor/${j}/state`, qos: 0 });
  }
  for (let i = 1; i <= TASMOTA_DEVICES; i++) {
    for (const topic of ["LWT", "STATE", "SENSOR"]) subscriptions.push({ topic: `tele/tasmota-${i}/${topic}`, qos: 0 });
  }
  while (subscriptions.length < SUBSCRIPTIONS)
    subscriptions.push({ topic: `stat/room ${subscriptions.length}`, qos: 1 });
  return {
    name: "home-assistant",
    traits: ["Home Assistant"],
    version: 5,
    clean: true,
    keepAlive: 60,
    publishEvery: 5000,
    will: "homeassistant/status",
    greetings: () => [retained("homeassistant/status", payload(8), 0)],
    message: (random) => ({
      cmd: "publish",
      topic: random.chance(1, 2)
        ? `cmnd/tasmota-${random.range(1, TASMOTA_DEVICES)}/POWER`
        : `zigbee2mqtt/device ${random.range(1, ZIGBEE_DEVICES)}/set`,
      payload: payload(20),
      qos: random.pick([0, 1] as const),
      retain: false,
      dup: false,
    }),
    subscriptions,
  };
}
