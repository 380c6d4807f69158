// What happened, in fixed columns, and a hash over all of it: two runs with the same hash did the same.

const COLUMNS = `    tick  conn  dir  ${"packet".padEnd(32)}     id  blocks  messages  deliveries`;

export interface FreePools {
  blocks: number;
  messages: number;
  deliveries: number;
}

export class Trace {
  count = 0;
  readonly #lines: string[] = [];
  readonly #most: number;
  readonly #print: ((line: string) => void) | undefined;
  #hash = 0x811c9dc5;
  #second = 0x1234567;

  /** @param most lines that are kept. @param print called with every line, when given. */
  constructor(most: number, print?: (line: string) => void) {
    this.#most = most;
    this.#print = print;
    print?.(COLUMNS);
  }

  get keeps(): boolean {
    return this.#most > 0 || this.#print !== undefined;
  }

  add(tick: number, connection: number, direction: string, packet: string, id: number, free: FreePools): void {
    this.count++;
    this.mix(tick);
    this.mix(connection);
    for (let i = 0; i < packet.length; i++) this.mix(packet.charCodeAt(i));
    this.mix(id);
    this.mix(free.blocks);
    this.mix(free.messages);
    this.mix(free.deliveries);
    if (!this.keeps) return;
    const line = [
      String(tick).padStart(8),
      String(connection || "").padStart(4),
      direction.padEnd(3),
      packet.padEnd(32),
      String(id || "").padStart(5),
      String(free.blocks).padStart(6),
      String(free.messages).padStart(8),
      String(free.deliveries).padStart(10),
    ].join("  ");
    this.#print?.(line);
    if (this.#most === 0) return;
    this.#lines.push(line);
    if (this.#lines.length > 2 * this.#most) this.#lines.splice(0, this.#most);
  }

  mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, 0x01000193);
    this.#second = Math.imul(this.#second ^ (this.#hash >>> 13), 0x85ebca6b) + value;
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
    return hex(this.#hash) + hex(this.#second);
  }

  /** The last lines, with their heading. */
  last(): string[] {
    return [COLUMNS, ...this.#lines.slice(-this.#most)];
  }
}
