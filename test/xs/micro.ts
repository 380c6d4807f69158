// What the constructs cost that a data layout is made of: nanoseconds each, on XS and on Node, from the same text.
//
// A case is a piece of source text put into a loop, so that what the table shows is what was measured, and so that V8
// sees every variant as code of its own (closures of one function would share type feedback). `row` runs from 0 to 63.
// Subtracted is the same loop with `row` in place of the expression.

import { host } from "./host";

interface Case {
  group: string;
  name: string;
  /** Source before the function: its module scope. */
  scope?: string;
  /** Fields of a class, in order; the loop is then a method, and `this` an instance. */
  fields?: string[];
  /** Other members of that class. */
  members?: string;
  /** Before the loop. */
  before?: string;
  /** Summed in each turn: the thing to measure. */
  expression?: string;
  /** Or statements that end up in `value`. */
  statements?: string;
}

const cases: Case[] = [];

/** `count` padding fields or members, as text. */
function padding(count: number, text: (index: number) => string): string[] {
  const list: string[] = [];
  for (let index = 0; index < count; index++) list.push(text(index));
  return list;
}

const VIEWS = "const bytes = new Uint8Array(4096), u16 = new Uint16Array(2048), u32 = new Uint32Array(1024);";
const FIELDS = ["this.u16 = new Uint16Array(2048)", "this.at = 64"];

function withFields(count: number, place: "first" | "last", fields = FIELDS): string[] {
  const rest = padding(count - fields.length, (index) => `this.field${index} = ${index}`);
  return place === "first" ? [...fields, ...rest] : [...rest, ...fields];
}

// 1. Columns and calls.
for (const count of [4, 12, 24, 48]) {
  for (const place of ["first", "last"] as const) {
    cases.push({
      group: "column",
      name: `this.u16[this.at + row], ${count} fields, these ${place}`,
      fields: withFields(count, place),
      expression: "this.u16[this.at + row]",
    });
  }
}
cases.push(
  {
    group: "column",
    name: "module const: u16[at + row]",
    scope: `${VIEWS} const at = 64;`,
    expression: "u16[at + row]",
  },
  {
    group: "column",
    name: "module let: u16[at + row]",
    scope: `let u16 = new Uint16Array(2048), at = 64;`,
    expression: "u16[at + row]",
  },
  {
    group: "column",
    name: "local copies: u16[at + row]",
    fields: withFields(12, "first"),
    before: "const u16 = this.u16, at = this.at;",
    expression: "u16[at + row]",
  },
  {
    group: "column",
    name: "this.u16[64 + row] (const enum), 12 fields, first",
    fields: withFields(12, "first"),
    expression: "this.u16[64 + row]",
  },
  {
    group: "column",
    name: "this.u16[row * 8 + 3] (rows), 12 fields, first",
    fields: withFields(12, "first"),
    expression: "this.u16[row * 8 + 3]",
  },
  {
    group: "column",
    name: "this.u16[(row << 3) + 3] (rows), 12 fields, first",
    fields: withFields(12, "first"),
    expression: "this.u16[(row << 3) + 3]",
  },
  {
    group: "column",
    name: "this.u16[row + 3] (row is the offset of a row), 12 fields, first",
    fields: withFields(12, "first"),
    expression: "this.u16[row + 3]",
  },
  {
    group: "column",
    name: "this.view.getUint16(row + 3), DataView, 12 fields, first",
    fields: withFields(12, "first", ["this.view = new DataView(new ArrayBuffer(256))"]),
    expression: "this.view.getUint16(row + 3)",
  },
  {
    group: "column",
    name: "this.arena.u16[this.at + row], 12 fields, first",
    fields: withFields(12, "first", ["this.arena = { u8: 0, u16: new Uint16Array(2048) }", "this.at = 64"]),
    expression: "this.arena.u16[this.at + row]",
  },
  {
    group: "column",
    name: "write this.u16[this.at + row] = row, 12 fields, first",
    fields: withFields(12, "first"),
    expression: "(this.u16[this.at + row] = row)",
  },
);

// 2. A view for each column.
for (const count of [4, 12, 24, 48]) {
  for (const place of ["first", "last"] as const) {
    cases.push({
      group: "view per column",
      name: `this.next[row], ${count} fields, this ${place}`,
      fields: withFields(count, place, ["this.next = new Uint16Array(64)"]),
      expression: "this.next[row]",
    });
  }
}
cases.push({
  group: "view per column",
  name: "module const: next[row]",
  scope: "const next = new Uint16Array(64);",
  expression: "next[row]",
});

// Calls.
function methodCase(methods: number, fields: number, place: "first" | "last"): void {
  const list = padding(methods - 1, (index) => `other${index}() { return ${index} }`);
  const wanted = "wanted(row) { return row }";
  const members = place === "first" ? [wanted, ...list] : [...list, wanted];
  const assignments = padding(fields, (index) => `this.field${index} = ${index}`);
  cases.push({
    group: "call",
    name: `table.wanted(row): ${methods} methods, ${place}; ${fields} fields`,
    scope: `class Table { constructor() { ${assignments.join("; ")} } ${members.join(" ")} } const table = new Table();`,
    expression: "table.wanted(row)",
  });
}
for (const methods of [5, 20, 60]) {
  methodCase(methods, 4, "first");
  methodCase(methods, 4, "last");
}
for (const fields of [0, 24, 48]) methodCase(5, fields, "first");
cases.push(
  {
    group: "call",
    name: "module function: wanted(row)",
    scope: "function wanted(row) { return row }",
    expression: "wanted(row)",
  },
  {
    group: "call",
    name: "module function, 4 arguments",
    scope: "function wanted(row, a, b, c) { return row }",
    expression: "wanted(row, 1, 2, 3)",
  },
  {
    group: "call",
    name: "this.wanted(row), 12 fields, 5 methods",
    fields: withFields(12, "first"),
    members: `wanted(row) { return row } ${padding(4, (index) => `other${index}() {}`).join(" ")}`,
    expression: "this.wanted(row)",
  },
  {
    group: "call",
    name: "function in an array: list[row & 3](row)",
    scope: "const list = [(row) => row, (row) => row + 1, (row) => row + 2, (row) => row + 3];",
    expression: "list[row & 3](row)",
  },
);
for (const count of [1, 8, 32]) {
  const names = padding(count, (index) => `v${index}`);
  cases.push({
    group: "call",
    name: `module function that mentions ${count} module variables`,
    scope: `${padding(count, (index) => `let v${index} = ${index};`).join(" ")} function wanted(row) { if (row < 0) return ${names.join(" + ")}; return row }`,
    expression: "wanted(row)",
  });
}

// 3. Moving bytes.
for (const length of [2, 4, 8, 16, 24, 32, 64, 128, 256, 1024]) {
  const scope = `${VIEWS} let length = ${length};`;
  const before = "const to = bytes, count = length;";
  cases.push(
    {
      group: "move",
      name: `${length} bytes: copyWithin`,
      scope,
      before,
      statements: "to.copyWithin(row, 2048, 2048 + count); const value = row;",
    },
    {
      group: "move",
      name: `${length} bytes: loop`,
      scope,
      before,
      statements: "for (let index = 0; index < count; index++) to[row + index] = to[2048 + index]; const value = row;",
    },
    {
      group: "move",
      name: `${length} bytes: fill`,
      scope,
      before,
      statements: "to.fill(0, row, row + count); const value = row;",
    },
  );
}

// 4. Numbers and decisions. `kinds` holds one value, read from memory so that no compiler can know it.
for (const count of [4, 16, 32]) {
  for (const hit of [0, count - 1]) {
    const branches = padding(count, (index) => `case ${index}: value = row + ${index * 3}; break;`).join(" ");
    cases.push({
      group: "decide",
      name: `switch of ${count} cases, ${hit === 0 ? "first" : "last"} (with reading a byte)`,
      scope: `const kinds = new Uint8Array(64).fill(${hit});`,
      before: "const kind = kinds;",
      statements: `let value; switch (kind[row]) { ${branches} default: value = 0 }`,
    });
  }
}
cases.push(
  { group: "decide", name: "enum inlined: row === 7 ? 1 : 2", expression: "(row === 7 ? 1 : 2)" },
  {
    group: "decide",
    name: "enum object: row === Kind.Seven ? 1 : 2",
    scope: "const Kind = { One: 1, Two: 2, Seven: 7 };",
    expression: "(row === Kind.Seven ? 1 : 2)",
  },
  {
    group: "decide",
    name: "module const: row === SEVEN ? 1 : 2",
    scope: "const SEVEN = 7;",
    expression: "(row === SEVEN ? 1 : 2)",
  },
  { group: "decide", name: "row < 5 ? row : 5", expression: "(row < 5 ? row : 5)" },
  { group: "decide", name: "Math.min(row, 5)", expression: "Math.min(row, 5)" },
  {
    group: "decide",
    name: "module const { min } = Math: min(row, 5)",
    scope: "const { min } = Math;",
    expression: "min(row, 5)",
  },
);
const LOCAL = {
  scope: `${VIEWS} bytes.fill(0x55); u16.fill(0x5555); u32.fill(0x55555555);`,
  before: "const b = bytes, h = u16, w = u32;",
};
const LARGE = { scope: `${VIEWS} u32.fill(0x95555555);`, before: "const w = u32;" };
cases.push(
  { group: "read", name: "u8, local view", ...LOCAL, expression: "b[row]" },
  { group: "read", name: "u16, local view", ...LOCAL, expression: "h[row]" },
  { group: "read", name: "u32 below 2^31, local view", ...LOCAL, expression: "w[row]" },
  { group: "read", name: "u32 above 2^31 (a double), local view", ...LARGE, expression: "(w[row] & 255)" },
  {
    group: "read",
    name: "i32, local view",
    scope: "const i32 = new Int32Array(64).fill(-5);",
    before: "const w = i32;",
    expression: "w[row]",
  },
  {
    group: "read",
    name: "time passed, u32 below 2^31: (now - w[row]) >>> 0",
    scope: "const u32 = new Uint32Array(64);",
    before: "const w = u32;",
    expression: "((row - w[row]) >>> 0)",
  },
  {
    group: "read",
    name: "time passed, u32 above 2^31: (now - w[row]) >>> 0",
    scope: "const u32 = new Uint32Array(64).fill(0x95555555);",
    before: "const w = u32, now = 0x95555595;",
    expression: "((now - w[row]) >>> 0)",
  },
  {
    group: "read",
    name: "time passed, i32: (now - w[row]) | 0",
    scope: "const i32 = new Int32Array(64).fill(-0x6aaaaaab);",
    before: "const w = i32, now = -0x6aaaaa6b;",
    expression: "((now - w[row]) | 0)",
  },
  { group: "read", name: "write u8, local view", ...LOCAL, expression: "(b[row] = row)" },
  { group: "read", name: "write u16, local view", ...LOCAL, expression: "(h[row] = row)" },
  { group: "read", name: "write u32, local view", ...LOCAL, expression: "(w[row] = row)" },
  {
    group: "read",
    name: "plain array of integers, local",
    scope: "const list = []; for (let i = 0; i < 64; i++) list.push(i);",
    before: "const a = list;",
    expression: "a[row]",
  },
  { group: "read", name: "row & 15", expression: "(row & 15)" },
  { group: "read", name: "row >>> 2", expression: "(row >>> 2)" },
  { group: "read", name: "row * 12", expression: "(row * 12)" },
  {
    group: "read",
    name: "16 bits big endian: (b[at] << 8) | b[at + 1]",
    ...LOCAL,
    expression: "((b[row] << 8) | b[row + 1])",
  },
  {
    group: "read",
    name: "16 bits big endian: view.getUint16(at)",
    scope: "const dataView = new DataView(new ArrayBuffer(256));",
    before: "const view = dataView;",
    expression: "view.getUint16(row)",
  },
  {
    group: "read",
    name: "32 bits big endian: four bytes",
    ...LOCAL,
    expression: "((b[row] << 24) | (b[row + 1] << 16) | (b[row + 2] << 8) | b[row + 3])",
  },
  {
    group: "read",
    name: "32 bits big endian: view.getUint32(at)",
    scope: "const dataView = new DataView(new ArrayBuffer(256));",
    before: "const view = dataView;",
    expression: "view.getUint32(row)",
  },
  {
    group: "read",
    name: "write 16 bits big endian: two bytes",
    ...LOCAL,
    statements: "b[row] = row >> 8; b[row + 1] = row; const value = row;",
  },
  {
    group: "read",
    name: "write 16 bits big endian: view.setUint16(at, row)",
    scope: "const dataView = new DataView(new ArrayBuffer(256));",
    before: "const view = dataView;",
    statements: "view.setUint16(row, row); const value = row;",
  },
  { group: "read", name: "bytes.length", ...LOCAL, expression: "b.length" },
);
const SIXTEEN = {
  scope: `${VIEWS} for (let i = 0; i < 80; i++) bytes[i] = 97 + i % 26; let length = 16; const moduleImul = Math.imul;`,
};
function hashCase(name: string, step: string, before = ""): void {
  cases.push({
    group: "hash",
    name: `16 bytes: ${name}`,
    ...SIXTEEN,
    before: `const b = bytes, count = length; ${before}`,
    statements: `let hash = 0x811c; for (let index = row, end = row + count; index < end; index++) ${step} const value = hash & 255;`,
  });
}
hashCase("loop alone: hash = b[index]", "hash = b[index];");
hashCase("hash = Math.imul(hash ^ b[index], 0x01000193)", "hash = Math.imul(hash ^ b[index], 0x01000193);");
hashCase("the same, const imul = Math.imul", "hash = imul(hash ^ b[index], 0x01000193);", "const imul = Math.imul;");
hashCase("the same, module const imul", "hash = moduleImul(hash ^ b[index], 0x01000193);");
hashCase("hash = ((hash << 5) + hash) ^ b[index]", "hash = ((hash << 5) + hash) ^ b[index];");
hashCase("hash = (hash * 31 + b[index]) & 0xffff", "hash = (hash * 31 + b[index]) & 0xffff;");
hashCase("hash = (hash * 31 + b[index]) | 0", "hash = (hash * 31 + b[index]) | 0;");

// 5. Members.
const ONE = ["this.at = 64"];
cases.push(
  { group: "member", name: "this.at, 12 fields, first", fields: withFields(12, "first", ONE), expression: "this.at" },
  {
    group: "member",
    name: "getter this.value, 12 fields",
    fields: withFields(12, "first", ONE),
    members: "get value() { return 64 }",
    expression: "this.value",
  },
  {
    group: "member",
    name: "this.#at, 12 fields",
    fields: withFields(12, "first", ONE),
    members: "#at = 64;",
    expression: "this.#at",
  },
  {
    group: "member",
    name: "this.#wanted(row), 12 fields",
    fields: withFields(12, "first", ONE),
    members: "#wanted(row) { return row }",
    expression: "this.#wanted(row)",
  },
  {
    group: "member",
    name: "static call Table.wanted(row)",
    scope: "class Table { static wanted(row) { return row } }",
    expression: "Table.wanted(row)",
  },
  {
    group: "member",
    name: "object of functions: table.wanted(row)",
    scope: "const table = { wanted(row) { return row } };",
    expression: "table.wanted(row)",
  },
  { group: "member", name: "module const", scope: "const at = 64;", expression: "at" },
  {
    group: "member",
    name: "global: globalThis.value",
    scope: "globalThis.value ??= 64;",
    expression: "globalThis.value",
  },
  { group: "member", name: "try around it", statements: "let value; try { value = row } catch { value = 0 }" },
);

// 6. One topic level: 32 bytes, '/' at the end, hashed on the way.
const LEVEL = `${VIEWS} for (let i = 0; i < 128; i++) bytes[i] = 97 + i % 26; bytes[31] = 47;`;
const LEVEL_BEGIN = "let hash = 0x811c, index = 0;";
const LEVEL_END = "const value = (hash + index + row) & 255;";
cases.push(
  {
    group: "level",
    name: 'local view: loop with hash until "/"',
    scope: LEVEL,
    before: "const b = bytes;",
    statements: `${LEVEL_BEGIN} for (let byte = b[0]; byte !== 47; byte = b[++index]) hash = (hash * 31 + byte) & 0xffff; ${LEVEL_END}`,
  },
  {
    group: "level",
    name: 'this.bytes: loop with hash until "/"',
    fields: withFields(12, "first", ["this.bytes = source"]),
    scope: `${LEVEL} const source = bytes;`,
    statements: `${LEVEL_BEGIN} for (let byte = this.bytes[0]; byte !== 47; byte = this.bytes[++index]) hash = (hash * 31 + byte) & 0xffff; ${LEVEL_END}`,
  },
  {
    group: "level",
    name: 'module const: loop with hash until "/"',
    scope: LEVEL,
    statements: `${LEVEL_BEGIN} for (let byte = bytes[0]; byte !== 47; byte = bytes[++index]) hash = (hash * 31 + byte) & 0xffff; ${LEVEL_END}`,
  },
  {
    group: "level",
    name: "local view: indexOf, then 32-bit hash with imul",
    scope: LEVEL,
    before: "const b = bytes, imul = Math.imul;",
    statements: `let hash = 0x811c; const index = b.indexOf(47, 0); for (let at = 0; at < index; at++) hash = imul(hash ^ b[at], 0x01000193); ${LEVEL_END}`,
  },
  {
    group: "level",
    name: "local view: indexOf, then hash of every 4th byte",
    scope: LEVEL,
    before: "const b = bytes;",
    statements: `let hash = 0x811c; const index = b.indexOf(47, 0); for (let at = 0; at < index; at += 4) hash = (hash * 31 + b[at]) & 0xffff; ${LEVEL_END}`,
  },
  {
    group: "level",
    name: "local view: indexOf alone",
    scope: LEVEL,
    before: "const b = bytes;",
    statements: `const hash = 1, index = b.indexOf(47, 0); ${LEVEL_END}`,
  },
  {
    group: "level",
    name: "compare 32 bytes with 32 others, local view",
    scope: VIEWS,
    before: "const b = bytes;",
    statements: `let index = 0; while (index < 32 && b[index] === b[2048 + index]) index++; const value = (index + row) & 255;`,
  },
  {
    group: "level",
    name: "the same in 8 words of a Uint32Array",
    scope: VIEWS,
    before: "const w = u32;",
    statements: `let index = 0; while (index < 8 && w[index] === w[512 + index]) index++; const value = (index + row) & 255;`,
  },
  {
    group: "level",
    name: "the same in 8 words of a DataView",
    scope: "const dataView = new DataView(new ArrayBuffer(4096));",
    before: "const view = dataView;",
    statements: `let index = 0; while (index < 32 && view.getUint32(index) === view.getUint32(2048 + index)) index += 4; const value = (index + row) & 255;`,
  },
  {
    group: "level",
    name: "hash 32 bytes in 8 words of a DataView",
    scope: "const dataView = new DataView(new ArrayBuffer(4096));",
    before: "const view = dataView;",
    statements: `let hash = 1; for (let index = 0; index < 32; index += 4) hash = (hash * 31 ^ view.getUint32(index)) & 0xffffff; const value = (hash + row) & 255;`,
  },
);

// 7. Bytes between the core's memory and a socket that takes whole views. The stand-in for a socket fills the view.
const SOCKET = `const memory = new ArrayBuffer(8192), bytes = new Uint8Array(memory), outgoing = new Uint8Array(memory, 4096, 1436);
  class Socket { constructor() { this.count = 0 } read(view) { view.fill(7); return view.length } write(view) { view.fill(7); return view.length } }
  const socket = new Socket(), buffer = new ArrayBuffer(1436, { maxByteLength: 1436 }), bounce = new Uint8Array(buffer), ladder = [];
  for (let bit = 0; bit < 11; bit++) ladder.push(new Uint8Array(memory, 2047 + (1 << bit), 1 << bit));`;
for (const length of [20, 200, 1000]) {
  const moving = { group: "socket", scope: `${SOCKET} let length = ${length};`, before: "const count = length;" };
  const ladder = (call: string) =>
    `let at = 0; for (let bit = 10; bit >= 0; bit--) { const size = 1 << bit; if ((count & size) === 0) continue; ${call} at += size; } const value = at;`;
  cases.push(
    {
      ...moving,
      name: `read ${length} bytes: resizable buffer`,
      statements:
        "buffer.resize(count); socket.read(bounce); bytes.set(bounce, 0); buffer.resize(1436); const value = row;",
    },
    {
      ...moving,
      name: `read ${length} bytes: ladder of views`,
      statements: ladder("socket.read(ladder[bit]); bytes.copyWithin(at, 2047 + size, 2047 + size + size);"),
    },
    {
      ...moving,
      name: `read ${length} bytes: a view made for it`,
      statements: "socket.read(new Uint8Array(memory, 0, count)); const value = row;",
    },
    {
      ...moving,
      name: `write ${length} bytes: resizable buffer`,
      statements:
        "bounce.set(outgoing); buffer.resize(count); socket.write(bounce); buffer.resize(1436); const value = row;",
    },
    {
      ...moving,
      name: `write ${length} bytes: ladder of views`,
      statements: ladder("bytes.copyWithin(2047 + size, 4096 + at, 4096 + at + size); socket.write(ladder[bit]);"),
    },
    {
      ...moving,
      name: `write ${length} bytes: a view made for it`,
      statements: "socket.write(new Uint8Array(memory, 4096, count)); const value = row;",
    },
  );
}

type Loop = (turns: number) => number;

function compile(one: Case): Loop {
  const step = one.statements ? `${one.statements} sum = (sum + value) | 0;` : `sum = (sum + ${one.expression}) | 0;`;
  const loop = `${one.before ?? ""} let sum = 0; for (let turn = 0; turn < turns; turn++) { const row = turn & 63; ${step} } return sum;`;
  const body = one.fields
    ? `class Table { constructor() { ${one.fields.join("; ")} } ${one.members ?? ""} run(turns) { ${loop} } } const table = new Table(); return (turns) => table.run(turns);`
    : `return (turns) => { ${loop} };`;
  return new Function(`"use strict"; ${one.scope ?? ""} ${body}`)() as Loop;
}

const loops = cases.map(compile);
const emptyLoop = compile({ group: "", name: "", expression: "row" });

const RUNS = 9;
const isNode = host.engine.startsWith("Node");
const WARM_UP_MICROSECONDS = isNode ? 60_000 : 500;
const RUN_MICROSECONDS = isNode ? 4_000 : 6_000;
let sink = 0;

function time(loop: Loop, turns: number): number {
  const start = host.microseconds();
  sink = (sink + loop(turns)) | 0;
  return host.microseconds() - start;
}

/** Nanoseconds for each turn, median of RUNS. */
function measure(loop: Loop): number {
  let turns = 64;
  let spent = 0;
  let last = 0;
  while (spent < WARM_UP_MICROSECONDS || last < RUN_MICROSECONDS) {
    last = time(loop, turns);
    spent += last;
    if (last < RUN_MICROSECONDS) turns *= 2;
  }
  const runs: number[] = [];
  for (let run = 0; run < RUNS; run++) runs.push((time(loop, turns) * 1000) / turns);
  runs.sort((a, b) => a - b);
  return runs[RUNS >> 1];
}

const TURNS_COUNTED = 64;

/** Bytes allocated in each turn, or -1 when they could not be counted. */
function allocated(loop: Loop): number {
  loop(TURNS_COUNTED);
  host.collect();
  const slots = host.slots();
  const chunks = host.chunks();
  const collections = host.collections();
  loop(TURNS_COUNTED);
  const bytes = (host.slots() - slots) * host.slotBytes + host.chunks() - chunks;
  return host.collections() === collections ? bytes / TURNS_COUNTED : -1;
}

function main(): void {
  const empty = measure(emptyLoop);
  host.print(JSON.stringify({ group: "loop", name: "empty turn (subtracted)", ns: empty }));
  for (let index = 0; index < cases.length; index++) {
    const { group, name } = cases[index];
    const bytes = isNode ? 0 : allocated(loops[index]);
    host.print(JSON.stringify({ group, name, ns: measure(loops[index]) - empty, bytes }));
  }
}

Object.assign(globalThis, { main });
