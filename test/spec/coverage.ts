// `npm run spec`: which statement is tested by what, or why by nothing, for each side that it binds. Importing it runs
// nothing.

import { pathToFileURL } from "node:url";
import { rules } from "./all";
import { clientRules } from "./all-client";
import { idsOf, type ProtocolVersion, type Rule, title } from "./rules";
import { binds, type Side, type Statement, sides, statements } from "./statements";

type AnyRule = Omit<Rule, "run">;

export interface Coverage {
  statement: Statement;
  /** Titles of tests. A server's may also cover a statement that binds a client only: how the server answers a breach. */
  tests: Readonly<Record<Side, readonly string[]>>;
}

const rulesOf: Readonly<Record<Side, readonly AnyRule[]>> = { server: rules, client: clientRules };

/** "version id" of each statement that the rules of a side name, and the titles of those rules. */
function named(side: Side): Map<string, string[]> {
  const tests = new Map<string, string[]>();
  for (const it of rulesOf[side]) {
    for (const level of it.levels) {
      const version: ProtocolVersion = level === 5 ? "5.0" : "3.1.1";
      for (const id of idsOf(it, level)) {
        const key = `${version} ${id}`;
        tests.set(key, [...(tests.get(key) ?? []), `${it.section}: ${title(it, level)}`]);
      }
    }
  }
  return tests;
}

const key = ({ version, id }: Statement): string => `${version} ${id}`;

export function coverage(): Coverage[] {
  const of = { server: named("server"), client: named("client") };
  return statements.map((statement) => ({
    statement,
    tests: { server: of.server.get(key(statement)) ?? [], client: of.client.get(key(statement)) ?? [] },
  }));
}

/** Ids that tests name and the table does not have, as "version id". */
export function unknownIds(): string[] {
  const known = new Set(statements.map(key));
  return sides.flatMap((side) => [...named(side).keys()]).filter((it) => !known.has(it));
}

/**
 * Sides of statements for which there is neither a test nor a reason, or both; and reasons or a client's tests where the
 * statement does not bind.
 */
export function oddities(): string[] {
  const list: string[] = [];
  for (const { statement, tests } of coverage()) {
    for (const side of sides) {
      const isTested = tests[side].length > 0;
      const hasReason = statement.reasons[side] !== "";
      const isFine = binds(statement, side) ? isTested !== hasReason : !hasReason && (side === "server" || !isTested);
      if (!isFine) list.push(`${key(statement)}, ${side}`);
    }
  }
  return list;
}

function figures(version: ProtocolVersion, all: readonly Coverage[]): string[] {
  const mine = all.filter((it) => it.statement.version === version);
  const lines = [`MQTT ${version}: ${mine.length} statements`];
  for (const side of sides) {
    const bound = mine.filter(({ statement }) => binds(statement, side));
    const tested = bound.filter(({ tests }) => tests[side].length > 0);
    lines.push(
      `  ${bound.length} bind a ${side}: ${tested.length} tested, ` +
        `${bound.length - tested.length} not, for the reasons above`,
    );
  }
  const answered = mine.filter(({ statement, tests }) => !binds(statement, "server") && tests.server.length > 0);
  lines.push(`  ${answered.length} that bind a client only are also tested by how the server answers a breach`);
  return lines;
}

export function table(): string {
  const all = coverage();
  const lines: string[] = [];
  for (const { statement, tests } of all) {
    const head = `${statement.version.padEnd(6)}${statement.id.padEnd(16)}${statement.binds.padEnd(8)}${statement.about}`;
    lines.push(head);
    for (const side of sides) {
      for (const test of tests[side]) lines.push(`      ${side}  ${test}`);
      if (statement.reasons[side] !== "") lines.push(`      ${side}  none: ${statement.reasons[side]}`);
    }
  }
  lines.push("");
  for (const version of ["3.1.1", "5.0"] as const) lines.push(...figures(version, all));
  for (const side of sides) {
    const runs = rulesOf[side].flatMap((it) => it.levels);
    const at = (level: number): number => runs.filter((it) => it === level).length;
    const older = side === "server" ? `${at(3)} at 3.1, ` : "";
    lines.push(
      `${rulesOf[side].length} rules of a ${side}, ${runs.length} tests: ${older}${at(4)} at 3.1.1, ${at(5)} at 5.0`,
    );
  }
  return lines.join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) console.log(table());
