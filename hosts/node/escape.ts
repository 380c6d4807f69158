// Anything that came from the network is escaped before it reaches a terminal or a log file: control characters move
// cursors and clear lines, direction marks reverse text, and separators forge lines.

const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

function escaped(character: string): string {
  const code = character.codePointAt(0) as number;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** Text for people: as it is when it is plain, otherwise in quotes with escapes. */
export function printable(text: string): string {
  if (/^[\w.:/@+-]+$/.test(text)) return text;
  return `"${escapeUnsafe(text.replace(/["\\]/g, "\\$&"))}"`;
}

/** Text with escapes for what would do something to a terminal. They can't be told from the same characters in the text. */
export function escapeUnsafe(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/** JSON on one line, with everything unsafe as the escapes that JSON has for it. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, (character) => {
    let text = "";
    for (let i = 0; i < character.length; i++) {
      text += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
    }
    return text;
  });
}
