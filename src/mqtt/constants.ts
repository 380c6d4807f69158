// The numbers of MQTT 3.1, 3.1.1 and 5.0, with the standard's names.

/** MQTT Control Packet type, bits 7-4 of the fixed header [5.0 section 2.1.2]. */
export const enum PacketType {
  CONNECT = 1,
  CONNACK = 2,
  PUBLISH = 3,
  PUBACK = 4,
  PUBREC = 5,
  PUBREL = 6,
  PUBCOMP = 7,
  SUBSCRIBE = 8,
  SUBACK = 9,
  UNSUBSCRIBE = 10,
  UNSUBACK = 11,
  PINGREQ = 12,
  PINGRESP = 13,
  DISCONNECT = 14,
  AUTH = 15,
}

/** Protocol Version (5.0), Protocol Level (3.1.1). */
export const enum Version {
  V3_1 = 3,
  V3_1_1 = 4,
  V5_0 = 5,
}

/** Reason Codes [5.0 section 2.4]. */
export const enum ReasonCode {
  Success = 0x00,
  GrantedQoS1 = 0x01,
  GrantedQoS2 = 0x02,
  DisconnectWithWill = 0x04,
  NoMatchingSubscribers = 0x10,
  NoSubscriptionExisted = 0x11,
  ContinueAuthentication = 0x18,
  ReAuthenticate = 0x19,
  UnspecifiedError = 0x80,
  MalformedPacket = 0x81,
  ProtocolError = 0x82,
  ImplementationSpecificError = 0x83,
  UnsupportedProtocolVersion = 0x84,
  ClientIdentifierNotValid = 0x85,
  BadUserNameOrPassword = 0x86,
  NotAuthorized = 0x87,
  ServerUnavailable = 0x88,
  ServerBusy = 0x89,
  Banned = 0x8a,
  ServerShuttingDown = 0x8b,
  BadAuthenticationMethod = 0x8c,
  KeepAliveTimeout = 0x8d,
  SessionTakenOver = 0x8e,
  TopicFilterInvalid = 0x8f,
  TopicNameInvalid = 0x90,
  PacketIdentifierInUse = 0x91,
  PacketIdentifierNotFound = 0x92,
  ReceiveMaximumExceeded = 0x93,
  TopicAliasInvalid = 0x94,
  PacketTooLarge = 0x95,
  MessageRateTooHigh = 0x96,
  QuotaExceeded = 0x97,
  AdministrativeAction = 0x98,
  PayloadFormatInvalid = 0x99,
  RetainNotSupported = 0x9a,
  QoSNotSupported = 0x9b,
  UseAnotherServer = 0x9c,
  ServerMoved = 0x9d,
  SharedSubscriptionsNotSupported = 0x9e,
  ConnectionRateExceeded = 0x9f,
  MaximumConnectTime = 0xa0,
  SubscriptionIdentifiersNotSupported = 0xa1,
  WildcardSubscriptionsNotSupported = 0xa2,
}

/** CONNACK return codes of 3.1 and 3.1.1 [3.1.1 section 3.2.2.3]. */
export const enum ReturnCode {
  Accepted = 0,
  UnacceptableProtocolVersion = 1,
  IdentifierRejected = 2,
  ServerUnavailable = 3,
  BadUserNameOrPassword = 4,
  NotAuthorized = 5,
}

/** SUBACK failure of 3.1.1 [3.1.1 section 3.9.3]. */
export const SUBACK_FAILURE_311 = 0x80;

/** Property identifiers [5.0 section 2.2.2.2]. */
export const enum Property {
  PayloadFormatIndicator = 0x01,
  MessageExpiryInterval = 0x02,
  ContentType = 0x03,
  ResponseTopic = 0x08,
  CorrelationData = 0x09,
  SubscriptionIdentifier = 0x0b,
  SessionExpiryInterval = 0x11,
  AssignedClientIdentifier = 0x12,
  ServerKeepAlive = 0x13,
  AuthenticationMethod = 0x15,
  AuthenticationData = 0x16,
  RequestProblemInformation = 0x17,
  WillDelayInterval = 0x18,
  RequestResponseInformation = 0x19,
  ResponseInformation = 0x1a,
  ServerReference = 0x1c,
  ReasonString = 0x1f,
  ReceiveMaximum = 0x21,
  TopicAliasMaximum = 0x22,
  TopicAlias = 0x23,
  MaximumQoS = 0x24,
  RetainAvailable = 0x25,
  UserProperty = 0x26,
  MaximumPacketSize = 0x27,
  WildcardSubscriptionAvailable = 0x28,
  SubscriptionIdentifierAvailable = 0x29,
  SharedSubscriptionAvailable = 0x2a,
}

/** CONNECT flags [5.0 section 3.1.2.3]. */
export const enum ConnectFlag {
  Reserved = 0x01,
  CleanStart = 0x02,
  Will = 0x04,
  WillQoS = 0x18,
  WillRetain = 0x20,
  Password = 0x40,
  UserName = 0x80,
}

/** PUBLISH flags in the fixed header [5.0 section 3.3.1]. */
export const enum PublishFlag {
  Retain = 0x01,
  QoS = 0x06,
  Dup = 0x08,
}

/** Subscription Options [5.0 section 3.8.3.1]. */
export const enum SubscriptionOption {
  QoS = 0x03,
  NoLocal = 0x04,
  RetainAsPublished = 0x08,
  RetainHandling = 0x30,
  Reserved = 0xc0,
}

/** The largest Variable Byte Integer [5.0 section 1.5.5]. */
export const MAX_VARIABLE_BYTE_INTEGER = 268_435_455;
