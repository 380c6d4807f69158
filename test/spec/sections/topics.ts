// Topic Names and Topic Filters [4.7].

import { SUBACK, subscribe, toHex } from "../../support/packets";
import { check, connect, equal, MALFORMED } from "../client";
import { type RuleOptions, rule, section } from "../rules";

section("Topics");

/** Each: Topic Filter, Topic Names that match, Topic Names that do not. */
type Case = readonly [filter: string, matching: readonly string[], others: readonly string[]];

function matching(name: string, options: RuleOptions, cases: readonly Case[]): void {
  rule(name, options, async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    for (const [filter, yes, no] of cases) {
      const client = await connect(server, level);
      await client.subscribe(filter, 0);
      for (const topic of no) {
        await publisher.publish(topic, "no");
        await client.quiet();
      }
      for (const topic of yes) {
        await publisher.publish(topic, "yes");
        await client.gets(topic, "yes");
      }
      await client.leave();
    }
  });
}

matching("# matches its parent and everything below", { "3.1.1": "4.7.1-2", "5.0": "4.7.1-1" }, [
  ["#", ["a", "a/b/c", "/", "/a", "a/"], []],
  ["a/#", ["a", "a/", "a/b", "a/b/c"], ["b", "ab", "/a", "A", "b/a"]],
  ["a/b/#", ["a/b", "a/b/c", "a/b/c/d"], ["a", "a/c", "a/bc"]],
  ["/#", ["/", "/a", "/a/b"], ["a", "a/b"]],
]);

matching("+ matches one level", { "3.1.1": "4.7.1-3", "5.0": "4.7.1-2" }, [
  ["+", ["a", "abc"], ["a/b", "/", "/a", "a/"]],
  ["a/+", ["a/b", "a/"], ["a", "a/b/c", "b/b"]],
  ["+/+", ["a/b", "/a", "a/", "/"], ["a", "a/b/c"]],
  ["/+", ["/a", "/"], ["a", "a/b"]],
  ["a/+/c", ["a/b/c", "a//c"], ["a/c", "a/b/d", "a/b/c/d"]],
  ["+/b/#", ["a/b", "a/b/c", "/b"], ["b", "a/a/b"]],
  ["+/#", ["a", "a/b", "/", "/a"], []],
]);

matching("empty levels, spaces and case count", { "3.1.1": "4.7.3-1", "5.0": "4.7.3-1" }, [
  ["a", ["a"], ["A", "a/", "/a", " a", "a "]],
  ["/", ["/"], ["a", "//", "/a"]],
  ["//", ["//"], ["/", "///"]],
  ["a//b", ["a//b"], ["a/b", "a///b"]],
  ["Accounts payable", ["Accounts payable"], ["ACCOUNTS PAYABLE", "Accounts  payable"]],
]);

matching("a leading wildcard does not match $", { "3.1.1": "4.7.2-1", "5.0": "4.7.2-1" }, [
  ["#", ["a/$b"], ["$a", "$a/b", "$"]],
  ["+", ["a"], ["$a"]],
  ["+/b", ["a/b"], ["$a/b"]],
  ["+/#", ["a/b"], ["$a/b"]],
  ["$a/#", ["$a", "$a/b"], ["a/b", "a"]],
  ["$a/+", ["$a/b", "$a/$b"], ["a/b"]],
  ["a/+", ["a/$b"], ["$a/b"]],
]);

matching("nothing is normalized", { "3.1.1": "4.7.3-4", "5.0": "4.7.3-4" }, [
  // U+00E9, and e with a combining accent.
  ["caf\u00e9", ["caf\u00e9"], ["cafe\u0301", "cafe", "CAF\u00c9"]],
  ["a/../b", ["a/../b"], ["b", "a/b"]],
  ["a/./b", ["a/./b"], ["a/b"]],
  ["%61", ["%61"], ["a"]],
  ["\u{1f600}/\ufffd", ["\u{1f600}/\ufffd"], ["?/\ufffd", "\u{1f600}/?"]],
  ["a\u00a0b", ["a\u00a0b"], ["a b"]],
]);

rule(
  "a Topic Filter with a wildcard in the wrong place is refused",
  { "3.1.1": "4.7.1-2 4.7.1-3", "5.0": "4.7.1-1 4.7.1-2" },
  async (server, level) => {
    for (const filter of ["a#", "a/#/b", "#/a", "##", "a/b#", "a+", "+a", "a/+b", "a/b+/c", "++", "a/#b"]) {
      const client = await connect(server, level);
      await client.send(subscribe(level, 1, [[filter, 0]]));
      const packet = await client.nextOrClosed();
      if (packet === undefined) continue;
      if (packet[0] >> 4 === SUBACK) {
        check((packet.at(-1) ?? 0) >= 0x80, `${filter}: ${toHex(packet)}`);
        await client.leave();
        continue;
      }
      check(packet[0] === 0xe0 && [0x8f, ...MALFORMED].includes(packet[2]), `${filter}: ${toHex(packet)}`);
      await client.closed();
    }
  },
);

rule(
  "a Topic Filter without a character is refused",
  { "3.1.1": "4.7.3-1", "5.0": "4.7.3-1" },
  async (server, level) => {
    const client = await connect(server, level);
    await client.send(subscribe(level, 1, [["", 0]]));
    const packet = await client.nextOrClosed();
    if (packet === undefined) return;
    const refused = packet[0] >> 4 === SUBACK ? (packet.at(-1) ?? 0) >= 0x80 : packet[0] === 0xe0;
    check(refused, toHex(packet));
  },
);

rule("a Topic Name has no wildcard", { "3.1.1": "4.7.1-1", "5.0": "4.7.0-1" }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("#");
  for (const topic of ["a/+", "#", "a#b"]) {
    const client = await connect(server, level);
    await client.publish(topic, "x", { qos: 1 }).then(
      () => check(false, `${topic} was accepted`),
      () => undefined,
    );
    await watcher.quiet();
  }
});

rule("every subscription matches by itself", { levels: [3, 4, 5] }, async (server, level) => {
  const publisher = await connect(server, level, { id: "publisher" });
  const client = await connect(server, level);
  for (const filter of ["a/b", "a/+", "a/#", "x"]) await client.subscribe(filter, 0);
  await publisher.publish("a/b", "1");
  const overlapping = await client.takeAll();
  check(overlapping.length >= 1 && overlapping.length <= 3, `${overlapping.length} copies`);
  await client.unsubscribe("a/b");
  await client.unsubscribe("a/#");
  await publisher.publish("a/b", "2");
  equal(
    (await client.takeAll()).map((it) => it.payload),
    ["2"],
    "payloads",
  );
  await client.unsubscribe("a/+");
  await publisher.publish("a/b", "3");
  await client.quiet();
  await publisher.publish("x", "4");
  await client.gets("x", "4");
});
