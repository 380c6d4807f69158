// Problem: packets arrive in any pieces, from thousands of connections, and may be larger than any buffer.
// Form: one decoder for all connections; its fields are the registers of the connection at hand, and `save` and `load`
// move them to a row when a turn ends. `next` works on whatever bytes came and says what they completed. Small things are
// looked at in one piece (input.ts); what a PUBLISH carries goes to the chain that will be the message (body.ts).
// Cost: 45 B a connection at 16-bit indices. Rejected: a buffer per connection (two packet buffers each), and a state
// machine by the byte (slow on XS).

import type { Blocks } from "../memory/blocks";
import type { Layout } from "../memory/layout";
import { Body } from "./body";
import { readU16 } from "./bytes";
import { PacketType, Property, PublishFlag, ReasonCode, Version } from "./constants";
import { Decoded, type DecoderLimits, isOfPublish, PREFIX, Refusal, Step } from "./decoded";
import { DecoderRow } from "./decoder-row";
import { hasValidFlags } from "./fixed-header";
import { Input } from "./input";
import { PropertyReader } from "./properties";
import { ILL_FORMED, topicFilterLevels, topicNameLevels } from "./utf8";

export class Decoder {
  // Registers of the connection at hand, the busiest first: XS finds a field by walking over those before it.
  step: Step = Step.FixedHeader;
  readonly input: Input;
  remaining = 0;
  type: PacketType = PacketType.PINGREQ;
  flags = 0;
  /** Where the packet or Topic Filter that was found lies, and its length. */
  at = 0;
  length = 0;
  packetId = 0;
  /** Protocol version; set by the owner after `load`. */
  version = 0;
  refusal: Refusal = Refusal.None;
  // PUBLISH
  readonly body: Body;
  topicLength = 0;
  /** Where the topic lies in one piece, or 0: then it is only in the chain. Valid until the next `next`. */
  topicAt = 0;
  levels = 0;
  propertiesLength = 0;
  /** Topic Alias, 0 for none; a broker offers none. -1: refused before it was known. */
  alias = 0;
  /** Message Expiry Interval; `hasExpiry` tells whether there was one. */
  expiry = 0;
  hasExpiry = false;
  // SUBSCRIBE, UNSUBSCRIBE
  options = 0;
  /** Topic Filters so far. */
  count = 0;
  subscriptionIdentifier = 0;
  // Everything
  error: ReasonCode = ReasonCode.Success;
  headerLength = 0;
  readonly properties: PropertyReader;
  /** Bytes left of the properties or of what is skipped; then the bytes of payload so far, in the end of all of it. */
  left = 0;
  #connection = 0;
  #keptOf = 0; // the connection whose topic is kept
  readonly #kept: number;
  readonly #aliases: number;
  readonly #isClient: boolean;
  readonly #headBytes: number;
  readonly #u8: Uint8Array;
  readonly #limits: DecoderLimits;
  readonly #layout: Layout;
  readonly #row: DecoderRow;
  /** What each connection that is not at hand waits for. */
  readonly steps: number;

  /**
   * @param stage offset of `stageBytes` bytes where pieces are put together; used until the next call of `next`.
   * @param aliases for a client, whose payloads are not stored: the Topic Alias Maximum that it announces; -1 for a server.
   */
  constructor(layout: Layout, blocks: Blocks, limits: DecoderLimits, stage: number, aliases = -1) {
    this.#aliases = aliases;
    this.#isClient = aliases >= 0;
    this.#headBytes = limits.headBytes ?? Number.MAX_SAFE_INTEGER;
    this.#kept = layout.area("topic of a refused PUBLISH", limits.topicBytes);
    layout.table("decoder, per connection", limits.connections);
    this.#row = new DecoderRow(layout);
    this.body = new Body(layout, blocks);
    this.input = new Input(layout, blocks, limits.connections, stage);
    this.steps = layout.u8Column();
    this.#layout = layout;
    this.#u8 = layout.u8;
    this.#limits = limits;
    this.properties = new PropertyReader(layout.u8);
  }

  /** Makes `connection` the one at hand, with no input yet. */
  load(connection: number): void {
    const { u8 } = this.#layout;
    const marks = u8[this.#row.marks + connection];
    const step: Step = u8[this.steps + connection];
    this.#connection = connection;
    this.step = step;
    this.topicAt = 0;
    this.error = ReasonCode.Success;
    this.input.load(connection, marks !== 0);
    this.body.load(connection, isOfPublish(step));
    if (marks !== 0) this.#row.load(this, connection, marks); // else between packets
  }

  /** Writes the registers to the connection's row; the input that is left has been given back before. */
  save(): void {
    const { u8 } = this.#layout;
    const connection = this.#connection;
    const step = this.step;
    u8[this.steps + connection] = step;
    if (step === Step.FixedHeader && this.input.carried === 0) {
      u8[this.#row.marks + connection] = 0;
      return;
    }
    this.#row.save(this, connection);
    this.input.save(connection);
    if (isOfPublish(step)) this.body.save(connection);
  }

  /** New input: `count` bytes at `from`. What came before is used up. */
  feed(from: number, count: number): void {
    this.input.position = from;
    this.input.end = from + count;
    this.topicAt = 0;
  }

  /**
   * How many bytes to ask for where none can be given back: what the packet still lacks, but no more than could be carried
   * if only a part of it came; 0 when there is no room to carry.
   */
  get wanted(): number {
    const { input, step } = this;
    if (step <= Step.Whole || input.isPassing) return input.wanted;
    const rest = this.remaining - input.carried;
    if (input.carried === 0 && rest <= input.blockBytes) return rest;
    const { room } = input;
    return rest < room ? rest : room;
  }

  /** Whether a packet has begun on the connection at hand and is not complete. */
  get inPacket(): boolean {
    return this.step !== Step.FixedHeader || this.input.carried !== 0;
  }

  /** Whether a packet has begun on a connection that is not at hand. */
  hasBegun(connection: number): boolean {
    return this.#layout.u8[this.#row.marks + connection] !== 0;
  }

  /**
   * Answers `Decoded.Header`: the packet is to be read. A PUBLISH is stored unless `refuse`; the caller has found
   * `promise` blocks available, enough for the whole packet, and they are promised to it here. Of another packet that is
   * refused only the beginning is read; what follows makes no sense any more.
   */
  begin(refuse: boolean, promise: number): void {
    this.properties.seen = 0;
    switch (this.type) {
      case PacketType.PUBLISH:
        this.step = Step.Topic;
        this.body.begin(promise);
        this.propertiesLength = 0;
        this.packetId = 0;
        this.alias = 0;
        this.topicLength = 0;
        this.topicAt = 0;
        this.left = 0;
        this.hasExpiry = false;
        this.refusal = refuse ? Refusal.Caller : Refusal.None;
        return;
      case PacketType.SUBSCRIBE:
      case PacketType.UNSUBSCRIBE:
        this.step = Step.FiltersId;
        this.count = 0;
        this.subscriptionIdentifier = 0;
        return;
      default:
        this.step = Step.Whole;
        this.refusal = refuse ? Refusal.Caller : Refusal.None;
    }
  }

  /** Answers `Decoded.Payload`: of the payload that has come, from `input.position` on, `count` bytes are used. */
  take(count: number): void {
    this.left += count;
    this.remaining -= count;
    this.input.position += count;
  }

  /** Answers `Decoded.Publish`: what is still in `body` is given back. */
  finish(): void {
    if (this.#keptOf === this.#connection) this.#keptOf = 0;
    this.body.drop();
    this.step = Step.FixedHeader;
  }

  /** Forgets what `connection` had begun and gives everything back. */
  release(connection: number): void {
    const { u8 } = this.#layout;
    if (this.#keptOf === connection) this.#keptOf = 0;
    if (connection === this.#connection) {
      this.body.drop();
      this.input.drop();
      this.input.position = this.input.end;
      this.step = Step.FixedHeader;
    } else if (u8[this.#row.marks + connection] !== 0) {
      this.input.release(connection);
      if (isOfPublish(u8[this.steps + connection])) this.body.release(connection);
    }
    u8[this.#row.marks + connection] = 0;
    u8[this.steps + connection] = Step.FixedHeader;
  }

  /** Works on the input until something is complete. */
  next(): Decoded {
    for (;;) {
      switch (this.step) {
        case Step.FixedHeader:
          return this.#fixedHeader();
        case Step.Admission:
          return Decoded.Header;
        case Step.Whole:
          return this.#whole();
        case Step.Topic:
          if (!this.#topic()) return this.#waiting();
          break;
        case Step.PublishId:
        case Step.FiltersId:
          if (!this.#packetIdentifier()) return this.#waiting();
          break;
        case Step.PropertyLength:
          if (!this.#propertyLength()) return this.#waiting();
          break;
        case Step.Properties:
          if (!this.#property()) return this.#waiting();
          break;
        case Step.Payload:
          if (this.#isClient && this.remaining > 0 && this.input.left > 0) return Decoded.Payload;
          if (!this.#payload()) return this.#waiting();
          this.step = Step.Complete;
          return Decoded.Publish;
        case Step.SkipTopic:
          if (!this.#skipped()) return this.#waiting();
          this.#afterTopic();
          break;
        case Step.Skip:
          if (!this.#skipped()) return this.#waiting();
          this.step = Step.Complete;
          return Decoded.Publish;
        case Step.Complete:
          return Decoded.Publish;
        case Step.Filter:
          if (this.remaining === 0) {
            this.step = Step.FixedHeader;
            if (this.count === 0) return this.#fail(ReasonCode.ProtocolError); // [MQTT-3.8.3-2], [MQTT-3.10.3-2]
            return Decoded.FiltersEnd;
          }
          if (!this.#filter()) return this.#waiting();
          if (this.step === Step.Filter) return Decoded.Filter;
          break;
        case Step.SkipFilter:
          if (!this.#skipped()) return this.#waiting();
          this.step = Step.Filter;
          this.levels = this.#limits.topicLevels + 1; // as one with too many levels: valid, and beyond our limits
          this.length = 0;
          this.options = 0;
          return Decoded.Filter;
      }
    }
  }

  #whole(): Decoded {
    // Of a packet that is refused its beginning is enough.
    const length = this.refusal !== Refusal.None && this.remaining > PREFIX ? PREFIX : this.remaining;
    if (!this.input.gather(length)) return this.#waiting();
    this.at = this.input.at;
    this.length = length;
    this.#consume(length);
    this.step = Step.FixedHeader;
    return Decoded.Packet;
  }

  #fixedHeader(): Decoded {
    const integer = this.input.gatherVariable(1, 5);
    if (integer === 0) return this.#waiting();
    if (integer < 0) return this.#fail(ReasonCode.MalformedPacket);
    const header = this.#u8[this.input.at];
    this.headerLength = 1 + (integer & 7);
    this.input.consume(this.headerLength);
    this.remaining = integer >> 3;
    this.type = header >>> 4;
    this.flags = header & 15;
    this.step = Step.Admission;
    if (!hasValidFlags(this.type, this.flags, this.version)) return this.#fail(ReasonCode.MalformedPacket); // [MQTT-2.1.3-1]
    return Decoded.Header;
  }

  // Each step below returns false when it needs more input, or sets `error`.

  #topic(): boolean {
    if (this.remaining < 2) return this.#wrong(ReasonCode.MalformedPacket);
    if (!this.input.gather(2)) return false;
    const length = readU16(this.#u8, this.input.at);
    if (length + 2 > this.remaining) return this.#wrong(ReasonCode.MalformedPacket);
    if (length > this.#limits.topicBytes) {
      this.#refuse(Refusal.TopicBytes);
      this.topicLength = length; // not empty: no Topic Alias is asked for
      this.#consume(2);
      this.left = length;
      this.step = Step.SkipTopic;
      return true;
    }
    if (!this.input.gather(length + 2)) return false;
    const at = this.input.at + 2;
    const levels = topicNameLevels(this.#u8, at, length);
    if (levels === ILL_FORMED) return this.#wrong(ReasonCode.MalformedPacket); // [MQTT-3.3.2-1]
    // [MQTT-3.3.2-2], [MQTT-4.7.3-1]; in 5.0 an empty one may stand for a Topic Alias, which is among the properties.
    if (levels === 0 && length > 0) return this.#wrong(ReasonCode.TopicNameInvalid);
    if (length === 0 && this.version !== Version.V5_0) return this.#wrong(ReasonCode.ProtocolError);
    if (levels > this.#limits.topicLevels) this.#refuse(Refusal.TopicLevels);
    const fits = levels <= this.#limits.topicLevels;
    this.topicAt = fits && this.input.carried === 0 ? at : 0;
    this.topicLength = length;
    this.levels = levels;
    this.#store(at, length);
    if ((this.flags & PublishFlag.Retain) !== 0) {
      // Properties and payload begin a block of their own: what is retained gives those of its topic back.
      if (this.refusal === Refusal.None) this.body.endBlock();
      else if (fits && this.#keptOf === 0) {
        this.#keptOf = this.#connection; // it may clear a retained message all the same; there is room for one such topic
        this.#u8.copyWithin(this.#kept, at, at + length);
      }
    }
    this.#consume(length + 2);
    this.#afterTopic();
    return true;
  }

  #afterTopic(): void {
    if ((this.flags & PublishFlag.QoS) !== 0) this.step = Step.PublishId;
    else this.step = this.version === Version.V5_0 ? Step.PropertyLength : Step.Payload;
  }

  #packetIdentifier(): boolean {
    if (this.remaining < 2) return this.#wrong(ReasonCode.MalformedPacket);
    if (!this.input.gather(2)) return false;
    this.packetId = readU16(this.#u8, this.input.at);
    if (this.packetId === 0) return this.#wrong(ReasonCode.ProtocolError); // [MQTT-2.2.1-3]
    this.#consume(2);
    if (this.version === Version.V5_0) this.step = Step.PropertyLength;
    else this.step = this.step === Step.PublishId ? Step.Payload : Step.Filter;
    return true;
  }

  #propertyLength(): boolean {
    const integer = this.input.gatherVariable(0, this.remaining);
    if (integer === 0) return false;
    if (integer < 0) return this.#wrong(ReasonCode.MalformedPacket);
    this.left = integer >> 3;
    this.#consume(integer & 7);
    if (this.left > this.remaining) return this.#wrong(ReasonCode.MalformedPacket);
    if (this.topicLength + this.left > this.#headBytes) return this.#propertyTooLong();
    this.step = Step.Properties;
    return true;
  }

  #property(): boolean {
    if (this.left === 0) {
      const isPublish = this.type === PacketType.PUBLISH;
      if (isPublish && this.topicLength === 0 && this.alias === 0) return this.#wrong(ReasonCode.ProtocolError);
      this.step = isPublish ? Step.Payload : Step.Filter;
      return true;
    }
    const { input, properties } = this;
    let size = 1;
    for (let known = 0; size !== known; size = properties.need(input.at, known)) {
      if (size > this.left) return this.#wrong(ReasonCode.MalformedPacket);
      if (size > this.#limits.stageBytes) return this.#propertyTooLong();
      if (!input.gather(size)) return false;
      known = size;
    }
    if (properties.read(input.at, input.at + size, this.type) === 0) return this.#wrong(properties.error);
    let keep = this.type === PacketType.PUBLISH;
    switch (properties.id) {
      case Property.MessageExpiryInterval:
        this.expiry = properties.value;
        this.hasExpiry = true;
        keep = false;
        break;
      case Property.TopicAlias:
        if (properties.value > this.#aliases) return this.#wrong(ReasonCode.TopicAliasInvalid); // [MQTT-3.3.2-9]
        this.alias = properties.value;
        keep = false;
        break;
      case Property.SubscriptionIdentifier:
        if (keep && !this.#isClient) return this.#wrong(ReasonCode.ProtocolError); // [MQTT-3.3.4-6]
        this.subscriptionIdentifier = properties.value;
        break;
    }
    if (keep) {
      this.#store(input.at, size);
      this.propertiesLength += size;
    }
    this.left -= size;
    this.#consume(size);
    return true;
  }

  #propertyTooLong(): boolean {
    if (this.type !== PacketType.PUBLISH) return this.#wrong(ReasonCode.PacketTooLarge);
    this.#refuse(Refusal.StageBytes);
    if (this.#isClient && this.alias === 0) this.alias = -1;
    this.remaining -= this.input.carried;
    this.input.drop();
    this.left = this.remaining;
    this.step = Step.Skip;
    return true;
  }

  #payload(): boolean {
    const input = this.input;
    const count = input.left < this.remaining ? input.left : this.remaining;
    this.#store(input.position, count);
    this.left += count;
    input.position += count;
    this.remaining -= count;
    input.pass(this.remaining);
    if (this.remaining !== 0) return false;
    this.body.end();
    if (this.topicAt === 0 && this.#keptOf === this.#connection) this.topicAt = this.#kept;
    return true;
  }

  #skipped(): boolean {
    const input = this.input;
    const count = input.left < this.left ? input.left : this.left;
    input.position += count;
    this.remaining -= count;
    this.left -= count;
    input.pass(this.left);
    return this.left === 0;
  }

  #filter(): boolean {
    const tail = this.type === PacketType.SUBSCRIBE ? 1 : 0;
    if (this.remaining < 2 + tail) return this.#wrong(ReasonCode.MalformedPacket);
    if (!this.input.gather(2)) return false;
    const length = readU16(this.#u8, this.input.at);
    const size = 2 + length + tail;
    if (size > this.remaining) return this.#wrong(ReasonCode.MalformedPacket);
    this.count++;
    if (length > this.#limits.topicBytes) {
      this.#consume(2);
      this.left = size - 2;
      this.step = Step.SkipFilter;
      return true;
    }
    if (!this.input.gather(size)) {
      this.count--;
      return false;
    }
    const at = this.input.at + 2;
    this.levels = topicFilterLevels(this.#u8, at, length);
    if (this.levels === ILL_FORMED) return this.#wrong(ReasonCode.MalformedPacket); // [MQTT-3.8.3-1]
    this.options = tail === 1 ? this.#u8[at + length] : 0;
    this.at = at;
    this.length = length;
    this.#consume(size);
    return true;
  }

  #fail(error: ReasonCode): Decoded {
    this.error = error;
    return Decoded.Error;
  }

  #wrong(error: ReasonCode): boolean {
    this.error = error;
    return false;
  }

  #waiting(): Decoded {
    if (this.error !== ReasonCode.Success) return Decoded.Error;
    return this.input.left > 0 ? Decoded.Starved : Decoded.Nothing;
  }

  /** Stops storing this PUBLISH; it is read to its end, so that its Packet Identifier is known. */
  #refuse(refusal: Refusal): void {
    if (this.refusal === Refusal.None) this.refusal = refusal;
    this.body.drop();
  }

  #store(from: number, count: number): void {
    if (this.refusal === Refusal.None) this.body.append(from, count);
  }

  /** The piece of `count` bytes that was gathered is used. */
  #consume(count: number): void {
    this.remaining -= count;
    this.input.consume(count);
  }
}
