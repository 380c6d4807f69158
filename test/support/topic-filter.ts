// Topic Filters as section 4.7 of the standard describes them, in the plainest way: what the tree is compared with.

/** Whether the Topic Filter matches the Topic Name. Both are valid. */
export function filterMatches(filter: string, name: string): boolean {
  const wanted = filter.split("/");
  const levels = name.split("/");
  if (name.startsWith("$") && (wanted[0] === "+" || wanted[0] === "#")) return false; // [MQTT-4.7.2-1]
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === "#") return levels.length >= i; // and the level above it
    if (i >= levels.length || (wanted[i] !== "+" && wanted[i] !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

/** All topics of 1 to `most` levels from an alphabet, without the empty one. */
export function topicsOf(alphabet: readonly string[], most: number): string[] {
  let longest: string[][] = [[]];
  const all: string[][] = [];
  for (let count = 1; count <= most; count++) {
    longest = longest.flatMap((levels) => alphabet.map((level) => [...levels, level]));
    all.push(...longest);
  }
  return all.map((levels) => levels.join("/")).filter((topic) => topic !== "");
}

/** All valid Topic Filters of 1 to `most` levels from an alphabet of names. */
export function filtersOf(alphabet: readonly string[], most: number): string[] {
  const plain = topicsOf([...alphabet, "+"], most);
  const above = ["", ...topicsOf([...alphabet, "+"], most - 1).map((topic) => `${topic}/`), "/"];
  return [...new Set([...plain, ...above.map((topic) => `${topic}#`)])];
}
