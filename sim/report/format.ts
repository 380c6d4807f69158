// Numbers and times as people read them; for the page and for what is written into it.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A moment of the run: "850 ms", "12.3 s"; in a run of minutes or more "0:12.3", "4:05", "1:02:03". */
export function moment(milliseconds: number, run: number): string {
  if (run < MINUTE)
    return milliseconds > 0 && milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : seconds(milliseconds);
  const tenths = Math.round(milliseconds / 100);
  const digits = (value: number): string => String(value).padStart(2, "0");
  const text = `${digits(Math.floor(tenths / 10) % 60)}${tenths % 10 > 0 ? `.${tenths % 10}` : ""}`;
  const minutes = Math.floor(tenths / 600);
  return minutes < 60 ? `${minutes}:${text}` : `${Math.floor(minutes / 60)}:${digits(minutes % 60)}:${text}`;
}

/** How long something took: "0 ms", "850 ms", "12.3 s", "4.5 min". */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 2 * MINUTE) return seconds(milliseconds);
  if (milliseconds < 2 * HOUR) return `${Math.round(milliseconds / 6000) / 10} min`;
  return `${Math.round(milliseconds / 360_000) / 10} h`;
}

function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 100) / 10} s`;
}

/** "1,234" in full. */
export function full(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 2 });
}

/** "1.2k", for axes and narrow places. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Math.round(value / 1e5) / 10}M`;
  if (size >= 1e4) return `${Math.round(value / 1e3)}k`;
  if (size >= 1e3) return `${Math.round(value / 100) / 10}k`;
  return String(Math.round(value * 10) / 10);
}

export function percent(value: number): string {
  return `${value > 0 && value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} %`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${full(count)} ${count === 1 ? one : many}`;
}
