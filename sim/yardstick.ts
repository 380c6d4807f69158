// npm run sim:home: the home without a fault, under the limits of `gateway` and of `node`: what fits, what is refused, why.

import { calm, draw } from "./options";
import { simulate } from "./simulation";

const SECONDS = 180;

function line(name: string, values: readonly string[]): void {
  console.log([name.padEnd(36), ...values.map((value) => value.padStart(12))].join(" "));
}

const runs = ["gateway", "node"].map((limits) => {
  const options = { ...calm(draw(1, "home")), seconds: SECONDS, limits };
  const result = simulate(1, options);
  if (result.failure !== undefined) throw new Error(result.failure.message);
  return { limits, result };
});

const each = (value: (run: (typeof runs)[number]) => number): string[] =>
  runs.map((run) => value(run).toLocaleString("en-US"));

line(
  "",
  runs.map(({ limits }) => limits),
);
line(
  "clients connected",
  each(({ result }) => result.atHealing.clients),
);
line(
  "subscriptions",
  each(({ result }) => result.atHealing.subscriptions),
);
line(
  "retained messages",
  each(({ result }) => result.atHealing.retained),
);
line(
  "bytes of their payload",
  each(({ result }) => result.atHealing.retainedBytes),
);
line(
  "PUBLISH accepted",
  each(({ result }) => result.timeline.totals.accepted),
);
line(
  "PUBLISH delivered",
  each(({ result }) => result.timeline.totals.delivered),
);

const said = new Set(runs.flatMap(({ result }) => Object.keys(result.details)));
for (const text of [...said].filter((text) => /Refused |Dropped |Held |LimitReached /.test(text)).sort()) {
  line(
    text,
    each(({ result }) => result.details[text] ?? 0),
  );
}
for (const { name } of runs[0].result.pools) {
  const fullest = runs.map(({ result }) => {
    const { capacity, lowestFree } = result.pools.find((pool) => pool.name === name)!;
    return `${Math.round((100 * (capacity - lowestFree)) / capacity)} %`;
  });
  line(`${name}, at its fullest`, fullest);
}
