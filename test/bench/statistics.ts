// Few runs on a noisy machine: medians, and how far the runs lie apart.

export function median(values: readonly number[]): number {
  return quantile([...values].sort(ascending), 0.5);
}

/** Half the distance from lowest to highest, as a part of the median. */
export function spread(values: readonly number[]): number {
  const middle = median(values);
  return middle === 0 ? 0 : (Math.max(...values) - Math.min(...values)) / 2 / middle;
}

/** `values` in ascending order. */
export function quantile(values: readonly number[] | Float64Array, part: number): number {
  if (values.length === 0) return Number.NaN;
  const at = part * (values.length - 1);
  const low = values[Math.floor(at)];
  return low + (values[Math.ceil(at)] - low) * (at - Math.floor(at));
}

export function ascending(a: number, b: number): number {
  return a - b;
}

/** A table in fixed columns: the first to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  "),
    )
    .join("\n");
}

/** Three digits that count, with thousands separated. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const rounded = value >= 1000 ? Number(value.toPrecision(3)) : value;
  return rounded.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** The names that are one of `parts` or else contain one; all when there are no parts. */
export function choose(names: readonly string[], parts: readonly string[]): string[] {
  if (parts.length === 0) return [...names];
  const matches = (name: string, part: string): boolean => (names.includes(part) ? name === part : name.includes(part));
  return names.filter((name) => parts.some((part) => matches(name, part)));
}
