// What `midge sub` prints, on a terminal and elsewhere.

import { describe, expect, test } from "vitest";
import type { ReceivedMessage } from "../../hosts/node/client/index";
import { type FormatFlags, formatOf } from "../../hosts/node/commands/format";
import { ConfigError } from "../../hosts/node/config";

const time = new Date("2026-01-02T03:04:05.678Z");

function print(flags: Partial<FormatFlags>, message: Partial<ReceivedMessage>, isTerminal = false): string {
  const whole = { topic: "a/b", payload: Buffer.from("text"), qos: 1, retain: true, dup: false, ...message };
  return formatOf({ newline: true, ...flags }, isTerminal)(whole, time).toString("latin1");
}

const latin1 = (text: string): string => Buffer.from(text).toString("latin1");

describe("every letter of --format", () => {
  const message: Partial<ReceivedMessage> = {
    contentType: "text/plain",
    correlationData: new Uint8Array([1, 255]),
    messageExpiry: 7,
    isText: true,
    userProperties: [
      ["k", "v"],
      ["k", "w"],
    ],
    responseTopic: "re",
    subscriptionIdentifiers: [1, 2],
  };
  test.each([
    ["%t", "a/b", "a/b"],
    ["%p", "text", "text"],
    ["%x", "74657874", "74657874"],
    ["%X%%", "74657874%", "74657874%"],
    ["%l", "4", "4"],
    ["%q", "1", "1"],
    ["%r", "1", "1"],
    ["%I", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"],
    ["%U", "1767323045.678", "1767323045.678"],
    ["%C", "text/plain", ""],
    ["%D", "\u0001\u00ff", ""],
    ["%E", "7", ""],
    ["%F", "1", ""],
    ["%P", "k:v k:w", ""],
    ["%R", "re", ""],
    ["%S", "1 2", ""],
    ["é\\\\\\n\\t\\r\\e\\a\\v\\0.", latin1("é\\\n\t\r\x1b\x07\v\0."), latin1("é\\\n\t\r\x1b\x07\v\0.")],
  ])("%s", (format, all, none) => {
    expect(print({ format }, message)).toBe(`${all}\n`);
    expect(print({ format, newline: false }, {})).toBe(none);
  });

  test("%j, %J: payload as text or as the JSON it is; nothing is null, other bytes are in base64", () => {
    const of = (format: string, payload: string | Buffer) =>
      JSON.parse(print({ format }, { ...message, payload: Buffer.from(payload as string) }));
    expect(of("%j", '{"a":1}')).toEqual({
      tst: "2026-01-02T03:04:05.678Z",
      topic: "a/b",
      qos: 1,
      retain: 1,
      payloadlen: 7,
      properties: {
        "user-properties": { k: "w" },
        "content-type": "text/plain",
        "correlation-dataBase64": "Af8=",
        "response-topic": "re",
        "payload-format-indicator": 1,
        "message-expiry-interval": 7,
      },
      payload: '{"a":1}',
    });
    expect(of("%J", '{"a":1}').payload).toEqual({ a: 1 });
    expect(of("%J", "a").payload).toBe("a");
    expect(of("%J", "").payload).toBe(null);
    expect(of("%j", Buffer.from([255])).payloadBase64).toBe("/w==");
    expect(print({ format: "%j" }, {})).not.toContain("properties");
  });

  test.each(["%m", "%A", "%", "%5p", "\\q", "\\", "%é"])("%s: there is none", (format) => {
    expect(() => formatOf({ format, newline: true }, false)).toThrow(ConfigError);
  });
});

describe("what would move a cursor", () => {
  const nasty = { topic: "a\u001b[2J/é\u202e", payload: Buffer.from("x\u0007\ny") };

  test("goes to a file or a pipe as it came", () => {
    expect(print({ verbose: true }, nasty)).toBe(latin1("a\u001b[2J/é\u202e x\u0007\ny\n"));
    expect(print({ format: "%t\\e%p" }, nasty)).toBe(latin1("a\u001b[2J/é\u202e\u001bx\u0007\ny\n"));
    expect(print({}, nasty)).toBe("x\u0007\ny\n");
  });

  test("is shown on a terminal; what the format itself says is done", () => {
    expect(print({ verbose: true }, nasty, true)).toBe(latin1("a\\u001b[2J/é\\u202e x\\u0007\\u000ay\n"));
    expect(print({ format: "%t\\e%p" }, nasty, true)).toBe(latin1("a\\u001b[2J/é\\u202e\u001bx\\u0007\\u000ay\n"));
  });

  test("a payload alone is what was asked for", () => {
    expect(print({}, nasty, true)).toBe("x\u0007\ny\n");
  });

  test("is never in JSON", () => {
    expect(print({ json: true }, nasty, true)).toMatch(/^[ -~\u0080-\u00ff]+\n$/);
    expect(JSON.parse(print({ json: true }, { payload: nasty.payload, topic: "a" }))).toMatchObject({
      payload: "x\u0007\ny",
    });
  });
});
