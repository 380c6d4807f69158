// Our own mistakes stop the program; a peer's mistake never comes here.

// allocates: only on the way out of a broken program
/**
 * An invariant does not hold. Call it behind the condition: in a preloaded module XS makes a new string each time that it
 * comes to a literal.
 */
export function broken(what: string): never {
  throw new Error(`broken invariant: ${what}`);
}
