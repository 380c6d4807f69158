// TLS against Mosquitto, with certificates made by the test: who is trusted, what is said of who is not, and sessions that
// are resumed over a new stream.

import { beforeAll, describe, expect, test } from "vitest";
import { type ConnectOptions, MqttError } from "../../../hosts/node/client/index";
import { sleep, until } from "../clients";
import { Mosquitto } from "../server";
import { type Certificate, type CertificateOptions, makeCertificate } from "./certificates";
import { Relay } from "./relay";
import { hasMosquitto, join, keeping, quick, versions } from "./setup";

let authority: Certificate;
let stranger: Certificate;
const here = { names: ["localhost"], addresses: ["127.0.0.1"] };

beforeAll(async () => {
  authority = await makeCertificate("Midge's tests", { isAuthority: true });
  stranger = await makeCertificate("Nobody's", { isAuthority: true });
});

async function startTls(certificate: Certificate, lines: readonly string[] = []): Promise<Mosquitto> {
  return Mosquitto.start({
    files: { "ca.pem": authority.cert, "cert.pem": certificate.cert, "key.pem": certificate.key },
    config: (path) => [
      `cafile ${path("ca.pem")}`,
      `certfile ${path("cert.pem")}`,
      `keyfile ${path("key.pem")}`,
      ...lines,
    ],
  });
}

/** The error of a first attempt, of which there was one only. */
async function refused(server: Mosquitto, options: ConnectOptions = {}, host = "127.0.0.1"): Promise<MqttError> {
  const relay = await Relay.start(server.port);
  const tls = { ca: authority.cert, ...options.tls };
  const attempt = join(`mqtts://${host}:${relay.port}`, { limits: quick, ...options, tls });
  const error = await attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(MqttError);
  await sleep(200);
  expect(relay.connections).toBe(1);
  return error as MqttError;
}

describe.skipIf(!hasMosquitto)("mqtts", () => {
  describe.each(versions)("version %i", (version) => {
    test.each(["127.0.0.1", "localhost"])("a certificate of an authority that is trusted, for %s", async (host) => {
      const { port } = await startTls(await makeCertificate("server", { ...here, by: authority }));
      const client = await join(`mqtts://${host}:${port}`, { version, tls: { ca: authority.cert } });
      const got: string[] = [];
      await client.subscribe("t", ({ payload }) => void got.push(payload.toString()), { qos: 2 });
      for (const qos of [0, 1, 2]) await client.publish("t", `m${qos}`, { qos });
      await client.publish("t", "x".repeat(100_000), { qos: 1 });
      await until(() => got.length === 4, "all came");
      expect(got.map((payload) => payload.slice(0, 2))).toEqual(["m0", "m1", "m2", "xx"]);
    });

    test("the session is resumed after a cut", async () => {
      const { port } = await startTls(await makeCertificate("server", { ...here, by: authority }));
      const relay = await Relay.start(port);
      const tls = { ca: authority.cert };
      const client = await join(`mqtts://127.0.0.1:${relay.port}`, { ...keeping(version, "c"), tls });
      const other = await join(`mqtts://127.0.0.1:${port}`, { version, tls });
      const got: string[] = [];
      await client.subscribe("t", ({ payload }) => void got.push(payload.toString()), { qos: 2 });
      for (let i = 0; i < 3; i++) {
        relay.cut();
        await until(() => !client.connected, "the cut is known");
        const mine = client.publish("t", `mine ${i}`, { qos: 2 });
        await other.publish("t", `other ${i}`, { qos: 2 });
        await mine;
        await until(() => got.length === 2 * (i + 1), "both came");
        expect(client.server?.sessionPresent).toBe(true);
      }
      expect(got.sort()).toEqual(["mine 0", "mine 1", "mine 2", "other 0", "other 1", "other 2"]);
      expect(relay.connections).toBe(4);
    });
  });

  const untrusted: readonly [what: string, made: CertificateOptions & { byStranger?: true }, says: RegExp][] = [
    ["that has expired", { ...here, isExpired: true }, /certificate has expired/],
    ["for another name", { names: ["other.example"] }, /does not match certificate's altnames/],
    ["of an unknown authority", { ...here, byStranger: true }, /unable to (verify the first|get local issuer) cert/],
  ];
  test.each(untrusted)("a certificate %s", async (_, { byStranger, ...made }, says) => {
    const server = await startTls(await makeCertificate("server", { ...made, by: byStranger ? stranger : authority }));
    const error = await refused(server);
    expect(error.message).toMatch(says);
    expect(error.reasonCode).toBe(0);
    expect(error.cause).toBeInstanceOf(Error);
  });

  test("a certificate that signs itself; rejectUnauthorized: false takes it all the same", async () => {
    const server = await startTls(await makeCertificate("server", here));
    expect((await refused(server)).message).toMatch(/self.signed certificate/);
    const client = await join(`mqtts://127.0.0.1:${server.port}`, { tls: { rejectUnauthorized: false } });
    await client.publish("t", "x", { qos: 1 });
  });

  test("a name that the certificate does not have, but its address", async () => {
    const server = await startTls(await makeCertificate("server", { addresses: ["127.0.0.1"], by: authority }));
    expect((await refused(server, {}, "localhost")).message).toMatch(/does not match certificate's altnames/);
    await join(`mqtts://127.0.0.1:${server.port}`, { tls: { ca: authority.cert } });
  });

  test("`servername` is the name that is looked for", async () => {
    const server = await startTls(await makeCertificate("server", { names: ["broker.example"], by: authority }));
    const tls = { ca: authority.cert, servername: "broker.example" };
    await join(`mqtts://localhost:${server.port}`, { tls });
    await join(`mqtts://127.0.0.1:${server.port}`, { tls });
  });

  describe("a server that wants a certificate of the client", () => {
    const start = async (): Promise<Mosquitto> =>
      startTls(await makeCertificate("server", { ...here, by: authority }), ["require_certificate true"]);

    test("one of its authority is taken", async () => {
      const server = await start();
      const own = await makeCertificate("client", { by: authority });
      const client = await join(`mqtts://127.0.0.1:${server.port}`, { tls: { ca: authority.cert, ...own } });
      await client.publish("t", "x", { qos: 1 });
    });

    test("none", async () => {
      expect((await refused(await start())).message).toBe(
        "no connection: connection lost: tlsv13 alert certificate required",
      );
    });

    test("one of another authority", async () => {
      const own = await makeCertificate("client", { by: stranger });
      const { message } = await refused(await start(), { tls: own });
      expect(message).toBe("no connection: connection lost: tlsv1 alert unknown ca");
    });
  });

  test("a server that speaks no TLS", async () => {
    const server = await Mosquitto.start();
    expect((await refused(server)).message).toMatch(/^no connection: connection lost: ./);
  });

  test("a server that speaks nothing but TLS", async () => {
    const server = await startTls(await makeCertificate("server", { ...here, by: authority }));
    await expect(join(server.port)).rejects.toThrow(MqttError);
  });

  test("with `retry` an untrusted server is tried again after the back-off", async () => {
    const server = await startTls(await makeCertificate("server", { ...here, by: stranger }));
    const relay = await Relay.start(server.port);
    const limits = { ...quick, reconnectMilliseconds: 200, reconnectMostMilliseconds: 400 };
    const abort = new AbortController();
    const began = Date.now();
    const attempt = join(`mqtts://127.0.0.1:${relay.port}`, {
      limits,
      retry: true,
      signal: abort.signal,
      tls: { ca: authority.cert },
    });
    attempt.catch(() => {});
    await until(() => relay.connections >= 3, "it is tried again");
    const elapsed = Date.now() - began;
    abort.abort();
    await expect(attempt).rejects.toThrow("aborted");
    expect(elapsed).toBeGreaterThanOrEqual(100 + 200); // half of each wait at least
  });
});
