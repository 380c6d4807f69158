// Text into HTML. Every name in a report comes from a seed or a network, so nothing gets in unescaped.

/** HTML that is finished: the only thing `html` does not escape. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Markup | readonly Markup[];

/** Tag of a template: escapes what is put in. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  let text = strings[0];
  parts.forEach((part, index) => {
    if (part instanceof Markup) text += part.text;
    else if (typeof part === "object") text += part.map((one) => one.text).join("");
    else text += escapeText(String(part));
    text += strings[index + 1];
  });
  return new Markup(text);
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]);
}

/** JSON that can stand in a script element. */
export function json(value: unknown): Markup {
  return new Markup(JSON.stringify(value).replaceAll("<", "\\u003c"));
}
