// What the core tells its host: numbers only. The host turns them into text, with names from the reports of the role
// that logged (`Broker.clientId` …), which it may ask for while it is being told.

export const enum Event {
  /** A stream was opened. a: connection, b: listener. */
  Opened = 1,
  /** CONNECT accepted. a: connection, b: 1 when the session was present. */
  Connected = 2,
  /** CONNECT refused. a: connection, b: Reason Code of MQTT 5.0, or a `Cause`. */
  ConnectRefused = 3,
  /** A Network Connection that had been accepted ended. a: connection, b: Reason Code of MQTT 5.0 or a `Cause`. */
  Disconnected = 4,
  /** A stream ended before its CONNECT was accepted or refused. a: connection, b: Reason Code or `Cause`. */
  Abandoned = 5,
  /** A session ended: expired, or clean. a: session, b: 1 when it expired. */
  SessionEnded = 6,
  /** A PUBLISH was refused; nobody got it. a: connection, b: `Limit`. */
  PublishRefused = 7,
  /** A subscription was refused. a: connection, b: `Limit`. */
  SubscribeRefused = 8,
  /** A message was dropped for one session. a: session, b: `Drop`. */
  Dropped = 9,
  /** A QoS 0 PUBLISH was dropped for everybody. a: connection, b: `Limit`. */
  PublishDropped = 10,
  /** Delivered but not retained. a: connection, b: `Limit`. */
  RetainRefused = 11,
  /** A Will Message was published. a: session, b: 0. */
  WillPublished = 12,
  /** A Will Message could not be published. a: session, b: `Limit`. */
  WillDropped = 13,
  /** A connection is not read until there is room. a: connection, b: `Hold` bits. */
  Held = 14,
  /** A limit refused a CONNECT; follows or precedes `ConnectRefused`. a: connection, b: `Limit`. */
  LimitReached = 15,
}

/** Why a Network Connection ended, where no Reason Code of the protocol says it. */
export const enum Cause {
  /** The peer closed the stream, or it broke. */
  Lost = 0x100,
  /** No CONNECT within `connectMilliseconds`. */
  ConnectTimeout = 0x101,
  /** A packet took longer than `packetMilliseconds` to arrive. */
  PacketTimeout = 0x102,
  /** The last free connection was wanted by somebody else before this one had sent its CONNECT. */
  Evicted = 0x103,
}

/** Why one session did not get one message. */
export const enum Drop {
  /** `queuePerSession` reached. */
  QueueFull = 1,
  /** Larger than the Maximum Packet Size of the client. */
  TooLarge = 2,
  /** Message Expiry Interval passed. */
  Expired = 3,
  /** Replaced by a later message on the same topic. */
  Superseded = 4,
}

/** The limit that was reached; `limitNames` has their names in `Limits`. */
export const enum Limit {
  connections = 1,
  sessions = 2,
  clientIdBytes = 3,
  stageBytes = 4,
  packetBytes = 5,
  messageBytes = 6,
  receiveMaximum = 7,
  topicBytes = 8,
  topicLevels = 9,
  subscriptions = 10,
  subscriptionsPerSession = 11,
  filtersPerSubscribe = 12,
  topicNodes = 13,
  topicLabels = 14,
  labelBytes = 15,
  payloadBytes = 16,
  messages = 17,
  deliveries = 18,
  retained = 19,
  queuePerSession = 20,
}

/** Names of `Limit`, by number. */
export const limitNames: readonly string[] = Object.freeze([
  "",
  "connections",
  "sessions",
  "clientIdBytes",
  "stageBytes",
  "packetBytes",
  "messageBytes",
  "receiveMaximum",
  "topicBytes",
  "topicLevels",
  "subscriptions",
  "subscriptionsPerSession",
  "filtersPerSubscribe",
  "topicNodes",
  "topicLabels",
  "labelBytes",
  "payloadBytes",
  "messages",
  "deliveries",
  "retained",
  "queuePerSession",
]);

/** Why a connection is not read, as bits. */
export const enum Hold {
  /** `receiveMaximum` acknowledgements are owed and can't be sent yet. */
  Window = 1,
  /** No blocks, messages or deliveries. */
  Room = 2,
  /** A receiver's queue is over half full. */
  Receiver = 4,
  /** The SUBACK of an earlier SUBSCRIBE is not sent yet. */
  Subscribe = 8,
}
