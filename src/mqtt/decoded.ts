// What the decoder finds, what it waits for, and why it may not store a PUBLISH.

/** What `next` found. */
export const enum Decoded {
  /** All bytes are used up; `needed` more complete the next thing. */
  Nothing = 0,
  /** A fixed header: `type`, `flags`, `remaining`. Answer with `begin`, or ask again later. */
  Header = 1,
  /** A whole packet other than PUBLISH, SUBSCRIBE, UNSUBSCRIBE: its body is `length` bytes at `at`. */
  Packet = 2,
  /** A whole PUBLISH. Answer with `finish`, or ask again later. */
  Publish = 3,
  /** One Topic Filter of SUBSCRIBE or UNSUBSCRIBE: `length` bytes at `at`, `levels`, `options`. */
  Filter = 4,
  /** The end of a SUBSCRIBE or UNSUBSCRIBE of `count` Topic Filters. */
  FiltersEnd = 5,
  /** No blocks to carry an incomplete piece: ask again later. */
  Starved = 6,
  /** Malformed Packet or Protocol Error: `error`. */
  Error = 7,
  /** To a client: payload has come, in `input`. Answer with `take`. */
  Payload = 8,
}

/** What the decoder waits for next. */
export const enum Step {
  FixedHeader = 0,
  Admission = 1,
  Whole = 2,
  Topic = 3,
  SkipTopic = 4,
  PublishId = 5,
  PropertyLength = 6,
  Properties = 7,
  Payload = 8,
  Skip = 9,
  FiltersId = 10,
  Filter = 11,
  SkipFilter = 12,
  Complete = 13,
}

/** Why a PUBLISH is read but not stored. */
export const enum Refusal {
  None = 0,
  /** The caller of `begin` wants it so. */
  Caller = 1,
  TopicBytes = 2,
  TopicLevels = 3,
  StageBytes = 4,
}

/** Whether the body of a PUBLISH may be in the making, or be complete. */
export function isOfPublish(step: Step): boolean {
  switch (step) {
    case Step.Topic:
    case Step.SkipTopic:
    case Step.PublishId:
    case Step.PropertyLength:
    case Step.Properties:
    case Step.Payload:
    case Step.Skip:
    case Step.Complete:
      return true;
    default:
      return false;
  }
}

/** What is read of a packet that is refused: enough for the protocol name and version of a CONNECT. */
export const PREFIX = 12;

export interface DecoderLimits {
  connections: number;
  topicBytes: number;
  topicLevels: number;
  stageBytes: number;
  /** For a client: most bytes of the Topic Name and properties of a PUBLISH. */
  headBytes?: number;
}
