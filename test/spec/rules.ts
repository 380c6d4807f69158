// The registry of tests: each is a function of what is tested and a protocol level, so that the same tests of a server run
// against the broker, against servers that do nothing right, and against any server over TCP; and the same tests of a
// client against the client's core and against clients that do nothing right.

import type { Level } from "../support/packets";
import type { Play } from "./scene";
import type { Server } from "./server";

/** The statements a rule tests: numbers as the standard has them without "MQTT-", parted by blanks. */
export interface Ids {
  "3.1.1"?: string;
  "5.0"?: string;
}

export interface RuleOptions extends Ids {
  /** Default: those of 3.1.1 (of a server 3 as well) when the rule has an id of 3.1.1, 5 when it has one of 5.0. */
  levels?: readonly Level[];
  /** Needs hours, or a clock that steps back. */
  virtual?: boolean;
}

export interface Rule<Subject = Server, Done = Promise<void>> {
  section: string;
  name: string;
  ids: Required<Ids>;
  levels: readonly Level[];
  virtual: boolean;
  run(subject: Subject, level: Level): Done;
}

/** Tests of a server. */
export const rules: Rule[] = [];
/** Tests of a client. */
export const clientRules: Rule<Play, void>[] = [];

let current = "";

/** Rules that follow belong to this section. */
export function section(name: string): void {
  current = name;
}

export function rule(name: string, options: RuleOptions, run: Rule["run"]): void {
  rules.push(made(name, options, [3, 4], run));
}

export function clientRule(name: string, options: RuleOptions, run: Rule<Play, void>["run"]): void {
  clientRules.push(made(name, options, [4], run));
}

function made<Subject, Done>(
  name: string,
  options: RuleOptions,
  older: readonly Level[],
  run: Rule<Subject, Done>["run"],
): Rule<Subject, Done> {
  const old = options["3.1.1"] ?? "";
  const five = options["5.0"] ?? "";
  const levels = options.levels ?? [...(old ? older : []), ...(five ? ([5] as const) : [])];
  if (levels.length === 0) throw new Error(`"${name}" runs at no level`);
  const ids = { "3.1.1": old, "5.0": five };
  return { section: current, name, ids, levels, virtual: options.virtual ?? false, run };
}

export type ProtocolVersion = "3.1.1" | "5.0";

export const levelNames: Readonly<Record<Level, string>> = { 3: "3.1", 4: "3.1.1", 5: "5.0" };

/** Ids of a rule at a level, with "MQTT-". MQTT 3.1 has no numbers: those of 3.1.1 name the rule there. */
export function idsOf(it: Pick<Rule, "ids">, level: Level): string[] {
  const ids = level === 5 ? it.ids["5.0"] : it.ids["3.1.1"];
  return ids === "" ? [] : ids.split(" ").map((id) => `MQTT-${id}`);
}

export function title(it: Pick<Rule, "ids" | "name">, level: Level): string {
  const ids = idsOf(it, level);
  return `${levelNames[level]}${ids.length > 0 ? ` [${ids.join(" ")}]` : ""} ${it.name}`;
}
