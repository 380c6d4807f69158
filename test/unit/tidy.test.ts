import ts from "typescript";
import { describe, expect, test } from "vitest";
import {
  allocations,
  type Finding,
  filesOf,
  imports,
  lines,
  longFile,
  longFunctions,
  moduleState,
  parse,
  programOf,
  sourceOf,
} from "../support/syntax";

const FILE_LINES = 500;
const FUNCTION_LINES = 80;

const core = filesOf("src");
const all = [...core, ...filesOf("hosts", "sim")];

describe("the core", () => {
  const program = programOf(core);

  test("has files", () => expect(core.length).toBeGreaterThan(0));

  test("compiles without the types of any host", () => {
    const wrong = core.flatMap((path) => [
      ...program.getSyntacticDiagnostics(sourceOf(program, path)),
      ...program.getSemanticDiagnostics(sourceOf(program, path)),
    ]);
    expect(
      ts.formatDiagnostics(wrong, { ...ts.sys, getNewLine: () => "\n", getCanonicalFileName: (name) => name }),
    ).toBe("");
  });

  test("allocates only in constructors and where `allocates` says why", () => {
    expect(lines(core.flatMap((path) => allocations(program, sourceOf(program, path))))).toEqual([]);
  });

  test("has no state in module scope", () => {
    expect(lines(core.flatMap((path) => moduleState(sourceOf(program, path))))).toEqual([]);
  });

  test(`has no function over ${FUNCTION_LINES} lines`, () => {
    expect(lines(core.flatMap((path) => longFunctions(sourceOf(program, path), FUNCTION_LINES)))).toEqual([]);
  });
});

describe("core, hosts and simulator", () => {
  test("import only downwards, by name", () => {
    expect(lines(all.flatMap((path) => imports(parse(path))))).toEqual([]);
  });

  test(`have no file over ${FILE_LINES} lines`, () => {
    expect(lines(all.flatMap((path) => longFile(parse(path), FILE_LINES)))).toEqual([]);
  });
});

// ---- controls: what each rule must find, and what it must leave alone

function rules(findings: readonly Finding[]): string[] {
  return findings.map(({ rule }) => rule);
}

describe("what allocates", () => {
  const preamble = `
    declare const bytes: Uint8Array, list: number[], table: Table, text: string, view: DataView, known: Map<number, number>;
    declare const either: "a" | "b" | undefined, point: { x: number; y: number };
    declare function use(...all: unknown[]): void;
    declare function broken(what: string): never;
    declare class Table { from(a: number): number; match(a: number): number; slice(a: number): number; keys(): number }
  `;

  // The body of a function, and the rules it breaks.
  const bodies: readonly (readonly [string, ...string[]])[] = [
    ["use({ a: 1 });", "object literal"],
    ["return { a: 1 };", "object literal"],
    ["let a = 1, b = 2; [a, b] = [b, a];", "array literal", "array literal"],
    ["const [a] = list; use(a);", "array destructuring"],
    ["const { x, ...others } = point; use(x, others);", "rest"],
    ["use([1, 2]);", "array literal"],
    ["use(`a`);", "template literal"],
    [`use(\`a\${1}\`);`, "template literal"],
    ['use("a" + 1);', "string concatenation", "string literal"],
    ["use(text + text);", "string concatenation"],
    ['let a = text; a += "b"; use(a);', "string concatenation", "string literal"],
    ['use(text + "b" + 1);', "string concatenation", "string concatenation", "string literal"],
    ['use("text");', "string literal"],
    ['return text === "a" || either === "b";', "string literal", "string literal"],
    ["switch (either) { case 'a': return 1; default: return list[0] + 1; }", "string literal"],
    ["use(...list);", "spread"],
    ["use({ ...point });", "object literal", "spread"],
    ["function inner(...all: number[]) { return all; } inner(1);", "closure", "rest"],
    ["for (const a of list) use(a);", "for..of"],
    ["for (const a in point) use(a);", "for..in"],
    ["use(() => 1);", "closure"],
    ["use(function () { return 1; });", "closure"],
    ["function inner() { return 1; } inner();", "closure"],
    ["class Inner {} use(Inner);", "closure"],
    ["use(new Uint8Array(1));", "new"],
    ["use(new Table());", "new"],
    ["use(bytes.subarray(1));", "library call Uint8Array.subarray"],
    ["use(bytes.slice(1));", "library call Uint8Array.slice"],
    ["use(list.map(use));", "library call Array.map"],
    ["use(list.filter(use));", "library call Array.filter"],
    ["list.forEach(use);", "library call Array.forEach"],
    ["use(list.keys());", "library call Array.keys"],
    ["use(list.concat(list));", "library call Array.concat"],
    ["use(Object.keys(point));", "library call ObjectConstructor.keys"],
    ["use(Object.freeze(point));", "library call ObjectConstructor.freeze"],
    ["use(JSON.stringify(point));", "library call JSON.stringify"],
    ["use(String.fromCharCode(1));", "library call StringConstructor.fromCharCode"],
    ["use(String(1));", "library call StringConstructor"],
    ["use(list.length.toString());", "library call Number.toString"],
    ["use(use.bind(null));", "library call CallableFunction.bind"],
    ["use(view.getBigUint64(0));", "library call DataView.getBigUint64"],
    ["known.set(1, 2);", "library call Map.set"],
    ["use(Math.random());", "library call Math.random"],
    ["use(Date.now());", "library call DateConstructor.now"],
    ["use(text.length);", "string access"],
    ["use(text.charCodeAt(0));", "string access"],
    ["use(text[0]);", "string access"],
    ["use(either?.length);", "string access"],
    ["use(1n);", "BigInt"],
    ["try { use(); } finally { use(); }", "try"],
    ["throw point;", "throw"],
    ["throw new Error();", "throw", "new"],
    ["use(/a/);", "regular expression"],
    ["use(arguments);", "arguments"],
    ["use(arguments[0]);", "arguments"],
    ["\n// allocates: not here\nuse({});", "object literal", "misplaced `allocates`"],

    ["let sum = 0; for (let i = 0; i < list.length; i++) sum += list[i]; return sum;"],
    ["let x = 0, y = 0; ({ x, y } = point); const { x: z } = point; use(x, y, z);"],
    ["bytes.copyWithin(0, 1, 2); bytes.fill(0); bytes.set(bytes, 4); return bytes.indexOf(1);"],
    ["list.push(1); list.pop(); return list.includes(1) ? Math.imul(2, 3) : Number.isInteger(4);"],
    ["return table.from(1) + table.match(2) + table.slice(3) + table.keys();"],
    ["view.setUint32(0, view.getUint16(0)); return known.get(1) ?? (known.has(2) ? 1 : 0);"],
    ['if (list.length > 1) broken("text"); return text === either;'],
    ["type Inner = { a: [number, string] }; const a = point as unknown as Inner; return a;"],
  ];

  const moduleLevel: readonly (readonly [string, ...string[]])[] = [
    ["export async function f() { await use(); }", "async", "async"],
    ["export function* f() { yield 1; }", "generator", "generator"],
    ["export function f(...all: number[]) { return all; }", "rest"],
    ["export function f(a = {}) { return a; }", "object literal"],
    ["export class A { m() { return []; } }", "array literal"],
    ["export class A { get m() { return []; } }", "array literal"],
    ["export class A { async m() {} }", "async"],
    ["// allocates\nexport function f() { return {}; }", "allocates without a reason"],
    ["// allocates:\nexport function f() { return {}; }", "allocates without a reason"],
    ["// allocates: a report\n\nexport function f() { return {}; }", "object literal", "misplaced `allocates`"],
    ["// allocates: a report\nexport const a = 1;", "misplaced `allocates`"],
    [
      "// allocates: a report\nexport function f() { return {}; }\nexport function g() { return {}; }",
      "object literal",
    ],
    ["export class A {\n// allocates: a report\nm() { return []; }\nn() { return []; }\n}", "array literal"],

    ["export class A { a = [1]; constructor() { this.a = [2].map((x) => x); } }"],
    ["// allocates: a report\nexport function f() { return [`a`].map((x) => ({ x })); }"],
    ["/** What it is. */\n// allocates: a report\n// of two lines\nexport function f() { return {}; }"],
    ["// allocates: a report\n/** What it is. */\nexport function f() { return {}; }"],
    ["export class A {\n  a = 1; // one\n  // allocates: a report\n  m() { return []; }\n}"],
    ["// allocates: reports only\nexport class A { m() { return []; } }"],
    [
      "// allocates: a broken program\nfunction assert(a: boolean) { if (!a) throw new Error('broken'); }\nassert(true);",
    ],
    [`export interface A { m(...all: number[]): { a: [number] } }\nexport type B = [A, { b: \`a\${string}\` }];`],
    ["const enum A { One = 1, Two = One + 1 }\nexport function f() { return A.Two; }"],
  ];

  const fixtures = [
    ...bodies.map(([body, ...expected]) => ({
      text: `${preamble}\nexport function f(): unknown { ${body}\nreturn 0; }`,
      name: body,
      expected,
    })),
    ...moduleLevel.map(([text, ...expected]) => ({ text: `${preamble}\n${text}\nexport {};`, name: text, expected })),
  ].map((fixture, index) => ({
    ...fixture,
    path: `src/mqtt/fixture-${index}.ts`,
    title: `${fixture.expected.join(", ") || "nothing"}: ${fixture.name}`,
  }));
  const program = programOf([], Object.fromEntries(fixtures.map(({ path, text }) => [path, text])));

  test.each(fixtures)("$title", ({ path, expected }) => {
    expect(rules(allocations(program, sourceOf(program, path))).sort()).toEqual([...expected].sort());
  });

  test("a finding says where", () => {
    const path = "src/mqtt/fixture.ts";
    const one = programOf([], { [path]: "export function f() {\n  return {\n  };\n}\n" });
    expect(lines(allocations(one, sourceOf(one, path)))).toEqual([`${path}:2 object literal: {`]);
  });

  test("the names of hosts are unknown to the core", () => {
    const names = ["process", "Buffer", "console", "setTimeout", "TextEncoder"];
    const path = "src/mqtt/fixture.ts";
    const one = programOf([], { [path]: names.map((name, index) => `export const a${index} = ${name};`).join("\n") });
    expect(one.getSemanticDiagnostics(sourceOf(one, path))).toHaveLength(names.length);
  });
});

describe("module scope", () => {
  test.each([
    ["let a = 1;", "module state"],
    ["export var a = 1;", "module state"],
    ["const a = [1];", "module state"],
    ["const a = {};", "module state"],
    ["const a = new Map();", "module state"],
    ["const a = new Uint8Array(16);", "module state"],
    ["const a = f();", "module state"],
    ["const a = () => 1;", "module state"],
    ["const a = Object.freeze(f());", "module state"],
    ["const a = Object.freeze([() => 1]);", "module state"],
    ["const a = Object.freeze({ b: new Map() });", "module state"],
    ["class A { static count = 0; }", "module state"],
    ["class A { static readonly list = []; }", "module state"],
    ["class A { static { f(); } }", "module state"],
    ["enum A { One }", "enum that is not const"],
    ["f();", "module that does something"],
    ["if (a) f();", "module that does something"],
    ["namespace A { export let b = 1; }", "module that does something"],
  ])("%s must not be", (text, rule) => {
    expect(rules(moduleState(parse("src/a.ts", text)))).toEqual([rule]);
  });

  test.each([
    "const a = 1, b = -a * 2, c = a > b ? 3 : 4;",
    'export const a = "text";',
    "const a = Object.freeze([1, 2, [3, B], Code.One]);",
    "const a = Object.freeze({ ...b, c: 1, d, e: Object.freeze([]) }) as Limits;",
    "const a = new Uint8Array([1, 2, 3]);",
    "const enum A { One = 1 }",
    "export class A { b = []; static readonly c = 1; static readonly d = Object.freeze([1]); static e() {} }",
    'import { a } from "./a";\nexport { a };\nexport interface B {}\ntype C = B;\nexport function d() {}',
  ])("%s may be", (text) => {
    expect(rules(moduleState(parse("src/a.ts", text)))).toEqual([]);
  });
});

describe("who may import whom", () => {
  test.each([
    ["src/memory/pool.ts", 'import { a } from "../ports";', "import of ports in memory"],
    ["src/memory/pool.ts", 'import { a } from "../mqtt/decoder";', "import of mqtt in memory"],
    ["src/ports.ts", 'import { a } from "./memory/pool";', "import of memory in ports"],
    ["src/mqtt/decoder.ts", 'import type { A } from "../session/outbox";', "import of session in mqtt"],
    ["src/session/outbox.ts", 'import { a } from "../broker/broker";', "import of broker in session"],
    ["src/broker/broker.ts", 'import { a } from "../client/client";', "import of client in broker"],
    ["src/client/client.ts", 'import { a } from "../bridge/bridge";', "import of bridge in client"],
    ["src/bridge/bridge.ts", 'import { a } from "../broker/broker";', "import of broker in bridge"],
    ["src/broker/broker.ts", 'import { a } from "../index";', "import of index in broker"],
    ["src/broker/broker.ts", 'import { a } from "../../hosts/node/tcp";', "import of hosts/node in broker"],
    ["src/broker/broker.ts", 'import { a } from "../../sim/world";', "import of sim in broker"],
    ["src/broker/broker.ts", 'import { a } from "../../test/support/a";', "import of no layer in broker"],
    ["hosts/node/tcp.ts", 'import { a } from "../../sim/world";', "import of sim in hosts/node"],
    ["hosts/node/tcp.ts", 'import { a } from "../esp32/tcp";', "import of hosts/esp32 in hosts/node"],
    ["sim/world.ts", 'import { a } from "../hosts/node/tcp";', "import of hosts/node in sim"],
    ["src/mqtt/decoder.ts", 'import { a } from "node:net";', "import of a package in the core"],
    ["src/mqtt/decoder.ts", 'import { a } from "mqtt-packet";', "import of a package in the core"],
    ["src/mqtt/decoder.ts", 'type A = import("../session/outbox").A;', "import of session in mqtt"],
    ["src/mqtt/decoder.ts", 'function f() { return import("../session/outbox"); }', "import of session in mqtt"],
    ["src/mqtt/decoder.ts", 'const a = require("node:net");', "import of a package in the core"],
    [
      "src/mqtt/decoder.ts",
      'export { a } from "../session/outbox";',
      "import of session in mqtt",
      "export on behalf of another",
    ],
    ["src/mqtt/decoder.ts", 'import { a } from "./bytes.js";', "import with extension"],
    ["src/mqtt/decoder.ts", 'import { a } from "./bytes.ts";', "import with extension"],
    ["src/mqtt/decoder.ts", 'import "./bytes";', "import that is not named"],
    ["src/mqtt/decoder.ts", 'import a from "./bytes";', "import that is not named"],
    ["src/mqtt/decoder.ts", 'import * as a from "./bytes";', "import that is not named"],
    ["src/index.ts", 'export * from "./mqtt/bytes";', "export of everything"],
    ["src/index.ts", 'export * as a from "./mqtt/bytes";', "export of everything"],
    ["src/mqtt/bytes.ts", "export default function f() {}", "default export"],
    ["src/mqtt/bytes.ts", "const a = 1;\nexport default a;", "default export"],
    ["src/mqtt/all.ts", 'export { a } from "./bytes";', "export on behalf of another"],
    ["src/other/a.ts", "export const a = 1;", "file of no layer"],
    ["hosts/a.ts", "export const a = 1;", "file of no layer"],
  ])("%s: %s must not be", (path, text, ...expected) => {
    expect(rules(imports(parse(path, text))).sort()).toEqual(expected.sort());
  });

  test.each([
    ["src/memory/pool.ts", 'import { type A, b } from "./layout";'],
    ["src/ports.ts", 'import type { Event } from "./events";'],
    ["src/mqtt/decoder.ts", 'import { a } from "../memory/blocks";\nimport { b } from "../ports";'],
    ["src/session/outbox.ts", 'import { a } from "../mqtt/decoder";\nimport { b } from "../memory/pool";'],
    ["src/broker/publish.ts", 'import { a } from "../session/outbox";\nimport { b } from "./broker";'],
    ["src/index.ts", 'export { a } from "./broker/broker";\nexport type { B } from "./memory/limits";'],
    [
      "hosts/node/tcp.ts",
      'import net from "node:net";\nimport { a } from "../../src/index";\nimport { b } from "./pool";',
    ],
    ["sim/world.ts", 'import * as packet from "mqtt-packet";\nimport { a } from "../src/memory/limits";'],
  ])("%s: %s may be", (path, text) => {
    expect(rules(imports(parse(path, text)))).toEqual([]);
  });
});

describe("size", () => {
  const body = (count: number): string => "  a();\n".repeat(count);

  test("of a function", () => {
    const longest = parse("src/a.ts", `function f() {\n${body(FUNCTION_LINES - 2)}}\n`);
    expect(longFunctions(longest, FUNCTION_LINES)).toEqual([]);
    const longer = parse("src/a.ts", `class A {\n  m() {\n${body(FUNCTION_LINES - 1)}  }\n}\n`);
    expect(rules(longFunctions(longer, FUNCTION_LINES))).toEqual([`function of ${FUNCTION_LINES + 1} lines`]);
  });

  test("of a file", () => {
    expect(longFile(parse("src/a.ts", body(FILE_LINES)), FILE_LINES)).toEqual([]);
    expect(rules(longFile(parse("src/a.ts", body(FILE_LINES + 1)), FILE_LINES))).toEqual([
      `file of ${FILE_LINES + 1} lines`,
    ]);
  });
});
