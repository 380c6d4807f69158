// What is used of vitest by suites that also run on XS: the bundle takes this in its place. Tests run one after the other;
// `run` prints the name and the error of each that fails, and how many passed. Buffer, TextEncoder and
// TextDecoder as far as they use them, too.

import { bytesOf, textOf } from "../../hosts/ecma419/text";
import { host } from "./host";

type Body = () => void | Promise<void>;

interface Test {
  name: string;
  body: Body;
  before: Body[];
  after: Body[];
}

const tests: Test[] = [];
let names: string[] = [];
let before: Body[] = [];
let after: Body[] = [];

export function describe(name: string, body: () => void): void {
  const outer = { names, before, after };
  names = [...names, name];
  before = [...before];
  after = [...after];
  body();
  ({ names, before, after } = outer);
}

export function test(name: string, body: Body): void {
  tests.push({ name: [...names, name].join(" > "), body, before, after });
}

export function beforeEach(body: Body): void {
  before.push(body);
}

export function afterEach(body: Body): void {
  after.push(body);
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || ArrayBuffer.isView(value);
}

function equals(a: unknown, b: unknown): boolean {
  if (!isList(a) || !isList(b)) return Object.is(a, b);
  if (a.length !== b.length || a.constructor !== b.constructor) return false;
  for (let i = 0; i < a.length; i++) if (!equals(a[i], b[i])) return false;
  return true;
}

function text(value: unknown): string {
  return isList(value) ? `[${Array.from(value).slice(0, 20).map(text).join(", ")}]` : String(value);
}

function thrownBy(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
}

export function expect(value: unknown) {
  const check = (holds: boolean, what: string, other: unknown): void => {
    if (!holds) throw new Error(`expected ${text(value)} ${what} ${text(other)}`);
  };
  return {
    toBe: (other: unknown) => check(Object.is(value, other), "to be", other),
    toEqual: (other: unknown) => check(equals(value, other), "to equal", other),
    toBeGreaterThan: (other: number) => check((value as number) > other, "to be greater than", other),
    toThrow: (other: string | (new () => Error)) => {
      const error = thrownBy(value as () => unknown);
      const isIt = typeof other === "string" ? String(error).includes(other) : error instanceof other;
      check(isIt, "to throw", other);
    },
  };
}

export async function run(): Promise<void> {
  let failed = 0;
  for (const { name, body, before, after } of tests) {
    try {
      for (const each of before) await each();
      await body();
      for (const each of after) await each();
    } catch (error) {
      failed++;
      host.print(`failed: ${name}: ${error}`);
    }
  }
  host.print(`passed ${tests.length - failed}, failed ${failed}`);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

class TextEncoder {
  encode(text: string): Uint8Array {
    return bytesOf(text);
  }
}

class TextDecoder {
  decode(bytes: Uint8Array): string {
    return textOf(bytes, 0, bytes.length);
  }
}

Object.assign(globalThis, { Buffer: { concat, compare }, TextEncoder, TextDecoder });
