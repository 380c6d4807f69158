// Topic Filters as section 4.7 of the standard describes them, in the plainest way: what the tree is compared with.

export { filterMatches } from "../../hosts/node/client/topic-filter";

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
