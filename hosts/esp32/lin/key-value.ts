// Instead of the SDK's `embedded:storage/key-value` on Linux: nothing is kept.

class Domain {
  readonly #entries = new Map<string, unknown>();

  read(key: string): unknown {
    return this.#entries.get(key);
  }

  write(key: string, value: unknown): void {
    this.#entries.set(key, value);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  close(): void {}
}

function open(): Domain {
  return new Domain();
}

export default Object.freeze({ open });
