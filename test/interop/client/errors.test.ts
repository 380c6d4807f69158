// What an application reads when something went wrong: one line each.

import { describe, expect, test } from "vitest";
import { MqttError, NotAcceptedError, ReasonCode } from "../../../hosts/node/client/index";
import { ClientCause, NotAccepted } from "../../../src/client/ports";

describe("the message of an MqttError", () => {
  test("names the Reason Code", () => {
    const error = new MqttError("not done", ReasonCode.QuotaExceeded, "too much");
    expect(error.message).toBe("not done: Quota exceeded (0x97)");
    expect([error.reasonCode, error.reasonString]).toEqual([0x97, "too much"]);
  });

  test.each([
    [ClientCause.Lost, "connection lost"],
    [ClientCause.ConnectTimeout, "no answer in time"],
    [ClientCause.Silent, "the server is silent"],
    [ClientCause.Stopped, "the client was closed"],
    [ClientCause.Expired, "Message Expiry Interval passed"],
  ])("says why where no Reason Code does: %i", (cause, says) => {
    const error = new MqttError("not done", cause);
    expect([error.message, error.reasonCode]).toEqual([`not done: ${says}`, 0]);
  });

  test("has the reason of an error of OpenSSL's, not its file and line", () => {
    const cause = Object.assign(new Error("80:error:0A:SSL routines:f:wrong version number:../a.c:1:\n"), {
      code: "ERR_SSL_WRONG_VERSION_NUMBER",
      reason: "wrong version number",
    });
    const error = new MqttError("no connection", ClientCause.Lost, undefined, cause);
    expect(error.message).toBe("no connection: connection lost: wrong version number");
    expect(error.cause).toBe(cause);
  });

  test("has every address that failed", () => {
    const cause = new AggregateError([
      new Error("connect ECONNREFUSED ::1:1"),
      new Error("connect ETIMEDOUT 10.0.0.1:1"),
    ]);
    expect(new MqttError("no connection", ClientCause.Lost, undefined, cause).message).toBe(
      "no connection: connection lost: connect ECONNREFUSED ::1:1; connect ETIMEDOUT 10.0.0.1:1",
    );
  });
});

test.each([
  [NotAccepted.Messages, "messages"],
  [NotAccepted.Invalid, undefined],
  [NotAccepted.PayloadBytes, "payloadBytes"],
  [NotAccepted.Topic, undefined],
  [NotAccepted.Offline, undefined],
  [NotAccepted.Unsupported, undefined],
  [NotAccepted.Unknown, undefined],
])("a NotAcceptedError says why: %i", (reason, limit) => {
  const error = new NotAcceptedError(reason, true);
  expect(error.limit).toBe(limit);
  expect(error.message).not.toBe("not accepted");
  if (limit !== undefined) expect(error.message).toContain(limit);
});

test("a NotAcceptedError about a Topic Filter names the limit of subscriptions", () => {
  const error = new NotAcceptedError(NotAccepted.Messages, false);
  expect(error.limit).toBe("subscriptions");
  expect(error.message).toContain("subscriptions");
});
