// `midge pub` and `midge sub` over TLS: what is trusted, and what is said when it is not.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { tlsWords } from "../../hosts/node/commands/tls";
import {
  authority,
  clientOnly,
  early,
  expired,
  type Identity,
  otherName,
  selfSigned,
  server,
  stranger,
} from "../support/certificates";
import { connectJs } from "./clients";
import { Midge } from "./command";
import { startServer } from "./server";

const directory = mkdtempSync(join(tmpdir(), "midge-tls-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const identities = { clientOnly, early, expired, otherName, selfSigned, server };

const cafile = file("ca.pem", authority);
const cert = file("client.pem", clientOnly.cert);
const key = file("client.key", clientOnly.key);
const strangerFile = file("stranger.pem", stranger);
const nothing = file("nothing.pem", "nothing\n");

const proxies: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close();
});

/** TLS in front of Midge. */
async function startTls(identity: Identity, options: tls.TlsOptions = {}): Promise<{ port: number; plain: number }> {
  const { port: plain } = await startServer();
  const sockets = new Set<net.Socket>();
  const proxy = tls.createServer({ ...identity, ...options }, (near) => {
    const far = net.connect(plain, "127.0.0.1");
    for (const [from, into] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => into.destroy());
      from.pipe(into);
    }
  });
  proxy.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  proxies.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => proxy.close(() => resolve()));
    },
  });
  return { port: (proxy.address() as AddressInfo).port, plain };
}

async function pub(...args: readonly string[]): Promise<Midge> {
  const midge = new Midge(["pub", "-t", "a", "-m", "x", "-q", "1", ...args]);
  await midge.exited;
  return midge;
}

test.each(["localhost", "127.0.0.1"])("--cafile: pub and sub through %s, with no word on stderr", async (host) => {
  const { port, plain } = await startTls(server);
  const at = ["-h", host, "-p", `${port}`, "--cafile", cafile];
  const watcher = await connectJs(plain, 5);
  await watcher.client.subscribeAsync("a", { qos: 0 });
  const sent = await pub(...at, "-r");
  expect([sent.code, sent.errors]).toEqual([0, ""]);
  expect((await watcher.received(1))[0].payload).toBe("x");
  const got = new Midge(["sub", ...at, "-t", "a", "-C", "1"]);
  expect([await got.exited, got.output, got.errors]).toEqual([0, "x\n", ""]);
});

test("mqtts:// in a URL; a self-signed certificate that is named", async () => {
  const { port } = await startTls(selfSigned);
  const trusted = file("self.pem", selfSigned.cert);
  const url = `mqtts://localhost:${port}/a`;
  const midge = new Midge(["pub", "-L", url, "--cafile", trusted, "-m", "x", "-q", "1"]);
  expect([await midge.exited, midge.errors]).toEqual([0, ""]);
});

test("--insecure takes a certificate for another name, and still asks who issued it", async () => {
  const { port } = await startTls(otherName);
  const at = ["-h", "localhost", "-p", `${port}`, "--insecure"];
  expect((await pub(...at, "--cafile", cafile)).code).toBe(0);
  const midge = await pub(...at, "--cafile", strangerFile);
  expect([midge.code, midge.errors]).toEqual([1, expect.stringContaining("is not trusted")]);
});

test("--cert and --key", async () => {
  const { port } = await startTls(server, { ca: authority, requestCert: true });
  const at = ["-h", "localhost", "-p", `${port}`, "--cafile", cafile];
  expect((await pub(...at, "--cert", cert, "--key", key)).code).toBe(0);
  const without = await pub(...at);
  expect([without.code, without.errors]).toEqual([
    1,
    `midge: can't connect to localhost:${port}: it wants a certificate: --cert and --key\n`,
  ]);
});

test.each(["UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_EXPIRED"])("a server that answers %s", (alert) => {
  const error = Object.assign(new Error("ssl3_read_bytes"), { code: `ERR_SSL_TLSV1_ALERT_${alert}` });
  expect(tlsWords(error)).toBe("it does not accept our certificate");
});

describe("1, and what is wrong with the server's certificate", () => {
  const untrusted =
    "its certificate is not trusted: it was issued by an authority that is not trusted; --cafile names one";
  test.each([
    ["expired", ["--cafile", cafile], "its certificate has expired"],
    ["early", ["--cafile", cafile], "its certificate is not valid yet; or the clock here is wrong"],
    ["otherName", ["--cafile", cafile], "its certificate is for another name (DNS:broker.example)"],
    [
      "selfSigned",
      ["--cafile", cafile],
      "its certificate is self-signed; if it is the right one, name it with --cafile",
    ],
    ["selfSigned", ["--tls"], "its certificate is self-signed; if it is the right one, name it with --cafile"],
    ["server", ["--cafile", strangerFile], untrusted],
    ["server", ["--tls"], untrusted],
    ["clientOnly", ["--cafile", cafile], "its certificate is not one for servers"],
  ] as const)("%s %j", async (name, args, words) => {
    const { port } = await startTls(identities[name]);
    const midge = await pub("-h", "localhost", "-p", `${port}`, ...args);
    expect([midge.code, midge.errors]).toEqual([1, `midge: can't connect to localhost:${port}: ${words}\n`]);
  });

  test("there is no TLS", async () => {
    const talker = net.createServer((socket) => socket.on("error", () => {}).end("220 hello\r\n"));
    await new Promise<void>((resolve) => talker.listen(0, "127.0.0.1", resolve));
    const { port } = talker.address() as AddressInfo;
    const midge = await pub("-p", `${port}`, "--tls");
    talker.close();
    expect([midge.code, midge.errors]).toEqual([
      1,
      `midge: can't connect to 127.0.0.1:${port}: it does not speak TLS there\n`,
    ]);
    const plain = (await startServer()).port;
    const closed = await pub("-p", `${plain}`, "--tls");
    expect([closed.code, closed.errors]).toEqual([
      1,
      `midge: can't connect to 127.0.0.1:${plain}: it closed the connection before TLS began; does it speak TLS there?\n`,
    ]);
  });
});

describe("2, and which file is wrong", () => {
  test.each([
    ["a missing authority", ["--cafile", "missing"], /--cafile missing: no such file/],
    ["no authority", ["--cafile", nothing], /--cafile .*nothing\.pem: holds no certificate \(PEM\)/],
    ["no certificate", ["--cert", nothing, "--key", key], /--cert .*nothing\.pem: holds no certificate/],
    ["no key", ["--cert", cert, "--key", nothing], /--key: holds no private key/],
    ["another key", ["--cert", cert, "--key", file("other.key", server.key)], /--key is not the key of --cert/],
    ["half of both", ["--tls", "--key", key], /--cert and --key need each other/],
  ] as const)("%s", async (_, args, message) => {
    const midge = await pub(...args);
    expect([midge.code, midge.output]).toEqual([2, ""]);
    expect(midge.errors).toMatch(/^midge: [^\n]+\n$/);
    expect(midge.errors).toMatch(message);
  });
});
