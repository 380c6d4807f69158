// Storage of the Moddable SDK 8.2.3 that hosts/esp32 uses; see moddable.d.ts.

declare module "embedded:storage/flash" {
  /** A partition: NOR flash, without wear levelling. */
  export interface Partition {
    read(buffer: ArrayBufferView | ArrayBuffer, at: number): number;
    /** Clears bits and sets none. */
    write(buffer: ArrayBufferView | ArrayBuffer, at: number): void;
    /** Blocks by number, the last one not included; one block unless told. Takes tens of ms each. */
    eraseBlock(from: number, to?: number): void;
    status(): { readonly size: number; readonly blockLength: number; readonly blocks: number };
    close(): void;
  }

  const Flash: {
    /** A data partition by its label. Throws when there is none. */
    open(options: { path: string; mode?: "r" | "r+" }): Partition;
  };
  export default Flash;
}

declare module "embedded:storage/key-value" {
  export type Value = ArrayBuffer | ArrayBufferView | string | number;

  /** Each write and delete is committed to flash before it returns. */
  export interface Domain {
    /** Undefined for a key that is not there; throws for one that was written in another format. */
    read(key: string): ArrayBuffer | string | number | undefined;
    read(key: string, buffer: ArrayBufferView | ArrayBuffer): number | undefined;
    /** Keys have 1 to 15 characters. Delete a key before it is written in another format. */
    write(key: string, value: Value): void;
    delete(key: string): void;
    close(): void;
    [Symbol.iterator](): Iterator<string>;
  }

  const KeyValue: {
    /** `path` is a name of at most 15 characters. Opening to read throws when nothing was written to it. */
    open(options: {
      path: string;
      mode?: "r" | "r+";
      format?: "buffer" | "string" | "uint8" | "uint16" | "uint32";
    }): Domain;
  };
  export default KeyValue;
}
