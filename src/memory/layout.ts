// Problem: thousands of records of fixed shape, no object per record, an exact figure in bytes before start.
// Form: a table is a set of columns over one ArrayBuffer; a column is a base index into one of four shared views
// (bytes, 16 bits, 32 bits, and `index`, which is one of the last two). Row 0 is reserved, so that NONE = 0 ends a list
// and zeroed memory is empty memory. The same constructors run twice: once over no memory, which is the plan, and once
// over a buffer of exactly the planned size.
// Cost: 64 B a view on XS, four views in all. Rejected: a typed array per column, 64 B each on XS.

export const NONE = 0;

/** One line of the plan: `count` rows of `bytesEach`; `bytes` also holds the reserved row 0 and the alignment. */
export interface PlanRow {
  name: string;
  count: number;
  bytesEach: number;
  bytes: number;
}

export class Layout {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  /** The view that holds row numbers: 16 bits wide where every pool has fewer than 65,536 rows. */
  readonly index: Uint16Array | Uint32Array;
  readonly indexBytes: number;
  byteLength = 0;
  /** The tables, when this is a plan. */
  readonly rows: PlanRow[] = [];
  readonly #isPlan: boolean;
  #row: PlanRow | undefined;
  #start = 0;

  /** @param buffer the memory, or an empty buffer to plan only. @param indexBytes 2 or 4. */
  constructor(buffer: ArrayBuffer, indexBytes: number) {
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.index = indexBytes === 2 ? this.u16 : this.u32;
    this.indexBytes = indexBytes;
    this.#isPlan = buffer.byteLength === 0;
  }

  // allocates: start-up only
  /** Begins a table of `count` rows; the columns that follow belong to it. */
  table(name: string, count: number): void {
    this.end();
    this.#row = { name, count, bytesEach: 0, bytes: 0 };
    this.#start = this.byteLength;
  }

  /** A column of row numbers: the base index into `index`. */
  indexColumn(): number {
    return this.#column(this.indexBytes);
  }

  u8Column(): number {
    return this.#column(1);
  }

  u16Column(): number {
    return this.#column(2);
  }

  u32Column(): number {
    return this.#column(4);
  }

  /** A column of `size` bytes a row: the byte offset of row 0. */
  bytesColumn(size: number): number {
    const row = this.#row!;
    const at = this.byteLength;
    this.byteLength += (row.count + 1) * size;
    row.bytesEach += size;
    return at;
  }

  // allocates: start-up only
  /** A table of one row without row 0: `size` bytes, aligned to 4. Returns the byte offset. */
  area(name: string, size: number): number {
    this.end();
    const at = this.byteLength;
    this.byteLength = alignedUp(at + size, 4);
    if (this.#isPlan) this.rows.push({ name, count: 1, bytesEach: size, bytes: this.byteLength - at });
    return at;
  }

  /** Ends the last table; the total is `byteLength`, a multiple of 4. */
  end(): void {
    const row = this.#row;
    if (row === undefined) return;
    this.byteLength = alignedUp(this.byteLength, 4);
    row.bytes = this.byteLength - this.#start;
    if (this.#isPlan) this.rows.push(row);
    this.#row = undefined;
  }

  #column(size: number): number {
    this.byteLength = alignedUp(this.byteLength, size);
    return this.bytesColumn(size) / size;
  }
}

/** Without bit operations: a plan may be larger than anything that can be made. */
function alignedUp(at: number, size: number): number {
  return Math.ceil(at / size) * size;
}
