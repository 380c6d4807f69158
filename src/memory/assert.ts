// Our own mistakes stop the program; a peer's mistake never comes here.

// allocates: only on the way out of a broken program
export function assert(condition: boolean, what: string): void {
  if (!condition) throw new Error(`broken invariant: ${what}`);
}

// allocates: only on the way out of a broken program
export function unreachable(what: string): never {
  throw new Error(`unreachable: ${what}`);
}
