// `npm run spec`: which statement is tested by what, or why by nothing. Importing it runs nothing.

import { pathToFileURL } from "node:url";
import { rules } from "./all";
import { idsOf, type ProtocolVersion, title } from "./rules";
import { type Statement, statements } from "./statements";

export interface Coverage {
  statement: Statement;
  /** Titles of tests. */
  tests: string[];
}

export function coverage(): Coverage[] {
  const tests = new Map<string, string[]>();
  for (const it of rules) {
    for (const level of it.levels) {
      const version: ProtocolVersion = level === 5 ? "5.0" : "3.1.1";
      for (const id of idsOf(it, level)) {
        const key = `${version} ${id}`;
        tests.set(key, [...(tests.get(key) ?? []), `${it.section}: ${title(it, level)}`]);
      }
    }
  }
  return statements.map((statement) => ({
    statement,
    tests: tests.get(`${statement.version} ${statement.id}`) ?? [],
  }));
}

/** Ids that tests name and the table does not have, as "version id". */
export function unknownIds(): string[] {
  const known = new Set(statements.map((it) => `${it.version} ${it.id}`));
  const named = rules.flatMap((it) =>
    it.levels.flatMap((level) => idsOf(it, level).map((id) => `${level === 5 ? "5.0" : "3.1.1"} ${id}`)),
  );
  return [...new Set(named)].filter((id) => !known.has(id));
}

export function table(): string {
  const all = coverage();
  const lines: string[] = [];
  for (const { statement, tests } of all) {
    const head = `${statement.version.padEnd(6)}${statement.id.padEnd(16)}${statement.binds.padEnd(8)}${statement.about}`;
    lines.push(head);
    for (const test of tests) lines.push(`      test    ${test}`);
    if (tests.length === 0) lines.push(`      none    ${statement.reason}`);
  }
  lines.push("");
  for (const version of ["3.1.1", "5.0"] as const) {
    const mine = all.filter((it) => it.statement.version === version);
    const server = mine.filter((it) => it.statement.binds !== "client");
    lines.push(
      `MQTT ${version}: ${mine.length} statements, ${server.length} bind a server, ` +
        `${server.filter((it) => it.tests.length > 0).length} of these tested, ` +
        `${server.filter((it) => it.tests.length === 0).length} not, for the reasons above; ` +
        `${mine.filter((it) => it.statement.binds === "client" && it.tests.length > 0).length} that bind a client ` +
        "tested by how the server answers a breach",
    );
  }
  const runs = rules.flatMap((it) => it.levels);
  const at = (level: number): number => runs.filter((it) => it === level).length;
  lines.push(`${rules.length} rules, ${runs.length} tests: ${at(3)} at 3.1, ${at(4)} at 3.1.1, ${at(5)} at 5.0`);
  return lines.join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) console.log(table());
