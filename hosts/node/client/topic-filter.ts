// Topic Filters as section 4.7 of the standard describes them, in the plainest way. Tests compare the tree with it.

/** Whether the Topic Filter matches the Topic Name. Both are valid. */
export function filterMatches(filter: string, topic: string): boolean {
  const levels = topic.split("/");
  const wanted = filter.split("/");
  if (topic.startsWith("$") && (wanted[0] === "+" || wanted[0] === "#")) return false; // [MQTT-4.7.2-1]
  for (const [i, level] of wanted.entries()) {
    if (level === "#") return true;
    if (i >= levels.length || (level !== "+" && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}
