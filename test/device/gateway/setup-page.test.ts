import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import Timer from "timer";
import { beforeEach, describe, expect, test } from "vitest";
import { type Settings, settingsProblem } from "../../../hosts/esp32/configuration";
import { SetupPage } from "../../../hosts/esp32/setup-page";
import { Device } from "../../support/moddable/device";
import { connect, type Peer } from "../../support/moddable/peer";

type Saved = Omit<Settings, "isProven">;

let device: Device;
let page: SetupPage;
let saved: Saved[];

beforeEach(() => {
  device = new Device({ queueLength: 64, activeConnections: 24 });
  saved = [];
  page = new SetupPage({
    TCP,
    Listener,
    Timer,
    port: 80,
    settings: { ssid: '<b>"home"</b>', password: "secret-password", hostName: "midge" },
    onSaved: (settings) => saved.push(settings),
  });
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function open(): Peer {
  const peer = connect(80);
  device.settle();
  return peer;
}

/** Sends a request, in pieces of `most` bytes, and returns what came until the device closed or 15 s passed. */
function ask(request: string, most = Number.POSITIVE_INFINITY): { peer: Peer; answer: string } {
  const peer = open();
  const all = bytes(request);
  for (let at = 0; at < all.length; at += most) {
    peer.send(all, at, Math.min(most, all.length - at));
    device.run(1);
  }
  device.run(15_000);
  return { peer, answer: new TextDecoder().decode(peer.take()) };
}

function post(body: string): string {
  const request = `POST / HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: ${bytes(body).length}\r\n\r\n${body}`;
  return ask(request).answer;
}

describe("the form", () => {
  test("comes for every path, whole, and the connection is closed", () => {
    for (const path of ["/", "/generate_204", "/../x?y=<script>"]) {
      const { peer, answer } = ask(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      const [head, body] = answer.split("\r\n\r\n");
      expect(head.split("\r\n")[0]).toBe("HTTP/1.1 200 OK");
      expect(head).toContain(`Content-Length: ${bytes(body).length}`);
      expect(body).toMatch(/^<!doctype html>.*<\/html>$/);
      expect(body).not.toContain("<script>");
      expect(peer.deviceEnded).toBe(true);
    }
  });

  test("fetches nothing from elsewhere, and fits a phone", () => {
    const { answer } = ask("GET / HTTP/1.1\r\n\r\n");
    expect(answer).not.toMatch(/https?:\/\/|src=|href=|@import|url\(/);
    expect(answer).toContain("width=device-width");
    expect(answer.length).toBeLessThan(2000);
  });

  test("shows the network's name escaped, and no password", () => {
    const { answer } = ask("GET / HTTP/1.1\r\n\r\n");
    expect(answer).toContain('value="&#60;b&#62;&#34;home&#34;&#60;/b&#62;"');
    expect(answer).not.toContain("secret-password");
  });

  test("may arrive byte by byte", () => {
    expect(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1).answer).toContain("200 OK");
  });
});

describe("what is entered", () => {
  test("is saved once the answer is out", () => {
    const answer = post("ssid=K%C3%BCche+2&password=p%26ss%3Dw%2Brd&host=gate-1");
    expect(answer).toContain("Saved");
    expect(answer).toContain("K\u00fcche 2");
    expect(answer).toContain("gate-1.local");
    expect(answer).not.toContain("ss=w+rd");
    expect(saved).toEqual([{ ssid: "K\u00fcche 2", password: "p&ss=w+rd", hostName: "gate-1" }]);
  });

  test.each([
    ["ssid=&password=12345678&host=midge", "name is missing"],
    [`ssid=${"x".repeat(33)}&password=12345678&host=midge`, "longer than 32 bytes"],
    [`ssid=${"%C3%BC".repeat(17)}&password=12345678&host=midge`, "longer than 32 bytes"],
    ["ssid=home&password=1234567&host=midge", "8 to 63"],
    [`ssid=home&password=${"x".repeat(64)}&host=midge`, "8 to 63"],
    ["ssid=home&password=12345678&host=-midge", "letters, digits and hyphens"],
    ["ssid=home&password=12345678&host=", "letters, digits and hyphens"],
    ["ssid=home&password=12345678&host=a.b", "letters, digits and hyphens"],
  ])("%s is told, not saved, and its password not shown", (body, problem) => {
    const answer = post(body);
    expect(answer).toContain(problem);
    expect(answer).not.toMatch(/value="?(1234567|xxxx{60})/);
    expect(saved).toEqual([]);
  });

  test("is shown again escaped when it can't be", () => {
    const answer = post("ssid=%22%3E%3Cscript%3E&password=x&host=%27%3E");
    expect(answer).toContain('value="&#34;&#62;&#60;script&#62;"');
    expect(answer).toContain('value="&#39;&#62;"');
    expect(answer).not.toContain("<script>");
  });

  test.each(["ssid=%C3", "ssid=%", "ssid=a%00b&host=midge", "ssid=a%0Ab&host=midge"])("%s is refused", (body) => {
    expect(post(body)).toContain("400 Bad Request");
    expect(saved).toEqual([]);
  });

  test("an open network has no password", () => {
    post("ssid=cafe&password=&host=midge");
    expect(saved).toEqual([{ ssid: "cafe", password: "", hostName: "midge" }]);
  });

  test("a password left blank stays as it is while the network does", () => {
    post(`ssid=${encodeURIComponent('<b>"home"</b>')}&password=&host=renamed`);
    expect(saved).toEqual([{ ssid: '<b>"home"</b>', password: "secret-password", hostName: "renamed" }]);
  });

  test("of two who save at once the first counts, once", () => {
    const peers = [open(), open()];
    for (const [index, peer] of peers.entries()) {
      const body = `ssid=home${index}&password=&host=midge`;
      peer.send(bytes(`POST / HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
    }
    device.run(10_000);
    expect(saved.map(({ ssid }) => ssid)).toEqual(["home0"]);
  });
});

describe("what a page must bear", () => {
  test.each([
    ["a request without an end", `GET / HTTP/1.1\r\nX: ${"x".repeat(5000)}`, "413"],
    ["a body larger than its room", `POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n${"x".repeat(5000)}`, "413"],
    ["another method", "DELETE / HTTP/1.1\r\n\r\n", "405"],
    ["no HTTP at all", "\u0010\u0000\u0000\u0000\r\n\r\n", "405"],
  ])("%s", (_, request, status) => {
    expect(ask(request).answer).toContain(`HTTP/1.1 ${status}`);
    expect(page.refusedCount).toBe(1);
    expect(ask("GET / HTTP/1.1\r\n\r\n").answer).toContain("200 OK");
  });

  test("a client that never finishes is closed after 10 seconds", () => {
    const peer = open();
    peer.send(bytes("GET / HT"));
    device.run(12_000);
    expect(peer.state === "reset" || peer.deviceEnded).toBe(true);
  });

  test("a client that does not read the answer is closed too", () => {
    const peer = open();
    peer.pause();
    peer.send(bytes("GET / HTTP/1.1\r\n\r\n"));
    device.run(20_000);
    const others = Array.from({ length: 3 }, () => open());
    device.run(100);
    expect(others.every(({ state }) => state === "open")).toBe(true);
  });

  test("more clients than it has places: those beyond are closed at once, and later ones are served", () => {
    const peers = Array.from({ length: 6 }, () => open());
    device.run(100);
    expect(page.refusedCount).toBe(3);
    for (const peer of peers) if (peer.state === "open") peer.reset();
    device.run(100);
    expect(ask("GET / HTTP/1.1\r\n\r\n").answer).toContain("200 OK");
  });

  test("clients that are gone before they are accepted, or in the middle", () => {
    for (let round = 0; round < 20; round++) {
      const early = connect(80);
      device.network();
      early.reset();
      device.run(10);
      const late = open();
      late.send(bytes("GET / HTTP/1.1\r\n\r\n"));
      device.run(round);
      late.reset();
      device.run(10);
    }
    expect(device.fault).toBeUndefined();
    device.run(15_000);
    expect(ask("GET / HTTP/1.1\r\n\r\n").answer).toContain("200 OK");
  });

  test.each([
    ["an end", (peer: Peer) => peer.end()],
    ["a reset", (peer: Peer) => peer.reset()],
  ])("%s right behind a request: there is nobody to answer", (_, gone) => {
    const peer = open();
    peer.send(bytes("GET / HTTP/1.1\r\n\r\n"));
    gone(peer);
    device.run(1000);
    expect(device.fault).toBeUndefined();
    expect(ask("GET / HTTP/1.1\r\n\r\n").answer).toContain("200 OK");
  });

  test("it is closed with all it has", () => {
    open();
    page.close();
    device.run(100);
    expect(connect(80).state).toBe("connecting");
    device.run(100);
    expect(device.doors).toEqual([]);
  });
});

test("settings that can be have no problem", () => {
  expect(settingsProblem({ ssid: "home", password: "12345678", hostName: "midge-2" })).toBe("");
  expect(settingsProblem({ ssid: "\u00fc".repeat(16), password: "", hostName: "M" })).toBe("");
});
