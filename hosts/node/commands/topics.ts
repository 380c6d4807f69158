// Topic Names and Topic Filters as people type them: what can't be is told before anything is sent.

import { ConfigError } from "../config";

const MOST_BYTES = 65_535;

/** @throws ConfigError when it is no Topic Name [5.0 section 4.7.3]. */
export function checkTopicName(topic: string, option: string): void {
  checkText(topic, option);
  if (/[+#]/.test(topic)) throw new ConfigError(`${option} "${topic}": a Topic Name has no "+" and no "#"`);
}

/** @throws ConfigError when it is no Topic Filter [5.0 section 4.7.1]. */
export function checkTopicFilter(filter: string, option: string): void {
  checkText(filter, option);
  const levels = filter.split("/");
  for (const [i, level] of levels.entries()) {
    if (level.includes("#") && (level !== "#" || i !== levels.length - 1)) {
      throw new ConfigError(`${option} "${filter}": "#" must be the last level, alone`);
    }
    if (level.includes("+") && level !== "+") throw new ConfigError(`${option} "${filter}": "+" must be a whole level`);
  }
}

function checkText(text: string, option: string): void {
  const length = Buffer.byteLength(text);
  if (length === 0) throw new ConfigError(`${option} is empty`);
  if (length > MOST_BYTES) throw new ConfigError(`${option} has ${length} bytes, at most ${MOST_BYTES}`);
}
