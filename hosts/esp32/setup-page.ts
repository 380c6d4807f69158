// One small form over HTTP, on the device's own access point: the network's name, its password, the device's name.
//
// Everything that comes from outside has a bound: connections, bytes of a request, time. A connection is for one request.
// Nothing is fetched from elsewhere, what was typed is escaped where it is shown, and a password is never shown.

import type ListenerModule from "embedded:io/socket/listener";
import type TCPModule from "embedded:io/socket/tcp";
import type TimerModule from "timer";
import { bytesOf } from "../ecma419/text";
import { HOST_CHARACTERS, PASSWORD_BYTES, type Settings, SSID_BYTES, settingsProblem } from "./configuration";

type Saved = Omit<Settings, "isProven">;

export interface SetupPageOptions {
  TCP: typeof TCPModule;
  Listener: typeof ListenerModule;
  Timer: typeof TimerModule;
  port: number;
  /** What the form begins with; the password is not shown. */
  settings: Saved;
  /** Called once, when what was entered is possible and the answer has gone out. */
  onSaved: (settings: Saved) => void;
}

const MOST_CONNECTIONS = 3;
/** A request with its headers: browsers send about 500 bytes, a form adds at most 400. */
const REQUEST_BYTES = 1536;
/** Time for the request, and for the answer to be taken, s. */
const PATIENCE_SECONDS = 10;
/** Time for the last bytes to leave before the device goes on, s. */
const LINGER_SECONDS = 2;
const TICK = 1000;
/** Bytes that become text at once. */
const PIECE_BYTES = 64;

interface Visit {
  socket: TCPModule;
  request: Uint8Array;
  length: number;
  /** Where the body begins, and its bytes; 0 while the headers are not complete. */
  headEnd: number;
  wanted: number | undefined;
  method: string;
  answer: Uint8Array | undefined;
  /** Bytes of the answer that are sent; bytes that can be written. */
  sent: number;
  writable: number;
  secondsLeft: number;
}

export class SetupPage {
  /** Visits that there was no place for, and requests that were refused. */
  refusedCount = 0;
  readonly #options: SetupPageOptions;
  readonly #listener: ListenerModule;
  readonly #timer: ReturnType<typeof TimerModule.repeat>;
  readonly #visits: Visit[] = [];
  #saved: Saved | undefined;
  #secondsToGo = 0;

  /** Listens. @throws what the Listener throws */
  constructor(options: SetupPageOptions) {
    const { Listener, Timer, port } = options;
    this.#options = options;
    this.#listener = new Listener({ port, onReadable: (count) => this.#accept(count) });
    this.#timer = Timer.repeat(() => this.#tick(), TICK);
  }

  close(): void {
    this.#options.Timer.clear(this.#timer);
    this.#listener.close();
    for (const visit of this.#visits.splice(0)) visit.socket.close();
  }

  /** Takes those that wait, and not one more: the SDK leaks when none does. */
  #accept(count: number): void {
    for (; count > 0; count--) {
      const from = this.#listener.read();
      if (from === undefined) return;
      if (this.#visits.length >= MOST_CONNECTIONS || !this.#open(from)) {
        this.refusedCount++;
        from.close();
      }
    }
  }

  #open(from: TCPModule): boolean {
    const visit: Partial<Visit> = { length: 0, headEnd: 0, method: "", sent: 0, writable: 0 };
    visit.secondsLeft = PATIENCE_SECONDS;
    try {
      visit.socket = new this.#options.TCP({
        from,
        format: "buffer",
        nodelay: true,
        onReadable: (count) => this.#read(visit as Visit, count),
        onWritable: (count) => this.#write(visit as Visit, count),
        onError: () => this.#end(visit as Visit),
      });
    } catch {
      return false; // the connection is gone already
    }
    visit.request = new Uint8Array(REQUEST_BYTES);
    this.#visits.push(visit as Visit);
    return true;
  }

  #read(visit: Visit, count: number): void {
    const room = REQUEST_BYTES - visit.length;
    if (visit.answer !== undefined || count > room) {
      // Read and forgotten: bytes left unread would turn the end into a reset.
      visit.socket.read(new Uint8Array(count));
      if (visit.answer === undefined) this.#refuse(visit, "413 Content Too Large");
      return;
    }
    visit.socket.read(visit.request.subarray(visit.length, visit.length + count));
    visit.length += count;
    if (visit.headEnd === 0) visit.headEnd = headEnd(visit.request, visit.length - count, visit.length);
    const request = visit.headEnd === 0 ? undefined : parseRequest(visit);
    if (request === undefined) {
      if (visit.length === REQUEST_BYTES) this.#refuse(visit, "413 Content Too Large");
    } else {
      this.#serve(visit, request);
    }
  }

  #serve(visit: Visit, { method, body }: Request): void {
    const { settings } = this.#options;
    if (method === "GET") return this.#answer(visit, "200 OK", form(settings, ""));
    if (method !== "POST") return this.#refuse(visit, "405 Method Not Allowed");
    const entered = parseForm(body);
    if (entered === undefined) return this.#refuse(visit, "400 Bad Request");
    // The password is never shown, so a blank one would be lost by changing the device's name.
    if (entered.ssid === settings.ssid && entered.password === "") entered.password = settings.password;
    const problem = settingsProblem(entered);
    if (problem !== "") return this.#answer(visit, "200 OK", form(entered, problem));
    if (this.#saved === undefined) {
      this.#saved = entered;
      this.#secondsToGo = LINGER_SECONDS;
    }
    this.#answer(visit, "200 OK", thanks(this.#saved));
  }

  #refuse(visit: Visit, status: string): void {
    this.refusedCount++;
    this.#answer(visit, status, page(`<p>${status}</p>`));
  }

  #answer(visit: Visit, status: string, html: string): void {
    const body = bytesOf(html);
    const head = bytesOf(
      `HTTP/1.1 ${status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: ${body.length}\r\n` +
        "Cache-Control: no-store\r\nConnection: close\r\n" +
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; form-action 'self'\r\n\r\n",
    );
    visit.answer = new Uint8Array(head.length + body.length);
    visit.answer.set(head);
    visit.answer.set(body, head.length);
    visit.secondsLeft = PATIENCE_SECONDS;
    this.#write(visit, visit.writable);
  }

  #write(visit: Visit, writable: number): void {
    visit.writable = writable;
    const { answer, sent } = visit;
    if (answer === undefined) return;
    const count = Math.min(writable, answer.length - sent);
    if (count === 0) return;
    visit.sent += count;
    try {
      visit.writable = visit.socket.write(answer.subarray(sent, sent + count)) ?? 0;
    } catch {
      visit.writable = 0; // the visitor is gone, which is told when all was read
    }
    if (visit.sent === answer.length) visit.secondsLeft = LINGER_SECONDS;
  }

  #end(visit: Visit): void {
    const index = this.#visits.indexOf(visit);
    if (index === -1) return;
    this.#visits.splice(index, 1);
    visit.socket.close();
  }

  #tick(): void {
    for (let i = this.#visits.length - 1; i >= 0; i--) {
      const visit = this.#visits[i];
      if (--visit.secondsLeft <= 0) this.#end(visit);
    }
    if (this.#saved !== undefined && --this.#secondsToGo === 0) this.#options.onSaved(this.#saved);
  }
}

interface Request {
  method: string;
  body: string;
}

/** Where the body begins, or 0: the bytes from `from` on are new. Text is made once only: each piece of it is garbage. */
function headEnd(bytes: Uint8Array, from: number, length: number): number {
  for (let at = Math.max(from, 3); at < length; at++) {
    if (bytes[at] === 10 && bytes[at - 1] === 13 && bytes[at - 2] === 10 && bytes[at - 3] === 13) return at + 1;
  }
  return 0;
}

/** The request, or undefined while its body is not complete. */
function parseRequest(visit: Visit): Request | undefined {
  const { request, headEnd } = visit;
  if (visit.wanted === undefined) {
    const head = latin1(request, 0, headEnd - 4);
    const declared = /\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*(?=\r\n|$)/i.exec(head);
    visit.wanted = declared === null ? 0 : Number(declared[1]);
    visit.method = /^([A-Z]{1,7}) /.exec(head)?.[1] ?? "";
  }
  if (visit.length - headEnd < visit.wanted) return undefined;
  return { method: visit.method, body: latin1(request, headEnd, headEnd + visit.wanted) };
}

/** In pieces: a character at a time would take the square of its length, and all at once a large stack. */
function latin1(bytes: Uint8Array, from: number, to: number): string {
  let text = "";
  for (let at = from; at < to; at += PIECE_BYTES) {
    text += String.fromCharCode(...bytes.subarray(at, Math.min(at + PIECE_BYTES, to)));
  }
  return text;
}

/** The fields of `application/x-www-form-urlencoded`; undefined for what is none, or no UTF-8. */
function parseForm(body: string): Saved | undefined {
  const fields = { ssid: "", password: "", host: "" };
  for (const pair of body.split("&")) {
    const equals = pair.indexOf("=");
    const name = pair.slice(0, Math.max(equals, 0));
    if (name !== "ssid" && name !== "password" && name !== "host") continue;
    try {
      fields[name] = decodeURIComponent(pair.slice(equals + 1).replace(/\+/g, " "));
    } catch {
      return undefined;
    }
  }
  // Characters that no keyboard has do not belong into any of them.
  if (hasControls(fields.ssid + fields.password + fields.host)) return undefined;
  return { ssid: fields.ssid, password: fields.password, hostName: fields.host };
}

function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function form({ ssid, hostName }: Saved, problem: string): string {
  const told = problem === "" ? "" : `<p class=w role=alert>${escapeHtml(problem)}</p>`;
  return page(
    `<h1>Wi-Fi for this gateway</h1>${told}<form method=post action=/>` +
      `<label>Network<input name=ssid required maxlength=${SSID_BYTES} autocapitalize=none value="${escapeHtml(ssid)}"></label>` +
      `<label>Password<input name=password type=password maxlength=${PASSWORD_BYTES} autocomplete=off></label>` +
      `<label>Name of this device<input name=host required maxlength=${HOST_CHARACTERS} autocapitalize=none value="${escapeHtml(hostName)}"></label>` +
      "<button>Save and restart</button></form><p>The network must be one of 2.4 GHz.</p>",
  );
}

function thanks({ ssid, hostName }: Saved): string {
  return page(
    `<h1>Saved</h1><p>The device restarts and joins <b>${escapeHtml(ssid)}</b>. Go back to that network; ` +
      `the broker is then at <b>${escapeHtml(hostName)}.local</b>, port 1883.</p>` +
      "<p>If it can't join, this access point comes back in a few minutes.</p>",
  );
}

const STYLE =
  "body{font:1.1em/1.5 system-ui,sans-serif;max-width:26em;margin:auto;padding:1em}label,input,button{display:block;" +
  "width:100%;box-sizing:border-box;font:inherit}input,button{margin:.2em 0 1em;padding:.6em}.w{color:#b00}";

function page(body: string): string {
  return (
    '<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width,initial-scale=1">' +
    `<title>Midge</title><style>${STYLE}</style>${body}</html>`
  );
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
