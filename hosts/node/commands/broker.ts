// `midge broker`: a broker until a signal comes.

import { isIPv6 } from "node:net";
import { type Command, Option } from "commander";
import { plan } from "../../../src/broker/plan";
import { portFrom } from "../config";
import { safeJson } from "../escape";
import { listen } from "../listen";
import type { Detail, LogEvent } from "../log";
import type { Output } from "../output";
import { colorsFor, eventText, planJson, planText } from "../print";
import { hostBuffers } from "../transport";
import { configOf, type LimitFlags, limitsOf, withLimits } from "./limit-flags";

interface BrokerFlags extends LimitFlags {
  port?: string;
  host?: string;
  quiet?: true;
  verbose?: true;
}

export function brokerCommand(command: Command, output: Output): void {
  withLimits(command)
    .description("start a broker for MQTT 3.1, 3.1.1 and 5.0")
    .option("--port <number>", "TCP port; 0 lets the system choose (default: 1883)")
    .option("--host <address>", "address to listen on (default: 127.0.0.1, this machine only)")
    .option("--json", "print one JSON object a line")
    .addOption(new Option("--quiet", "print only what was refused or dropped").conflicts("verbose"))
    .addOption(new Option("--verbose", "print everything"))
    .action((flags: BrokerFlags) => runBroker(flags, output));
}

async function runBroker(flags: BrokerFlags, output: Output): Promise<void> {
  const config = configOf(flags);
  const limits = limitsOf(flags, config);
  const port = flags.port === undefined ? config.port : portFrom(flags.port);
  const host = flags.host ?? config.host;
  const detail: Detail = flags.quiet ? "quiet" : flags.verbose ? "verbose" : (config.log ?? "normal");
  const json = flags.json ?? config.json ?? false;
  const colors = colorsFor(process.stdout);
  const tell = (event: LogEvent): void => output.line(json ? safeJson(event) : eventText(event, colors));
  const say = (event: string, fields: object, text: string): void => {
    output.line(json ? safeJson({ time: new Date().toISOString(), event, ...fields }) : text);
  };

  if (detail !== "quiet") {
    const buffers = hostBuffers(limits.connections, limits.inputBytes);
    const planned = plan(limits);
    say("plan", planJson(planned, buffers), `${planText(planned, buffers, colors)}\n`);
    output.flush();
  }
  const listening = await listen({ limits, port, host, onEvent: tell, detail });
  const url = `mqtt://${isIPv6(listening.host) ? `[${listening.host}]` : listening.host}:${listening.port}`;
  const loopback = isLoopback(listening.host);
  say("listening", { url, host: listening.host, port: listening.port, loopback }, `listening ${colors.bold(url)}`);
  if (!json && detail !== "quiet") {
    output.line(
      loopback
        ? "Only programs on this machine can connect; --host 0.0.0.0 opens it to the network."
        : colors.yellow("Open to the network: whoever reaches this port can publish and subscribe to everything."),
    );
  }

  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, resolve);
  });
  say("stopping", { reason: signal }, `stopping (${signal})`);
  output.flush();
  // Who asks twice does not want to wait.
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => process.exit(0));
  await listening.close();
  const counters = listening.broker.counters();
  if (json) say("stopped", { counters }, "");
  else if (detail === "verbose") output.line(`stopped ${JSON.stringify(counters)}`);
}

function isLoopback(host: string): boolean {
  return host === "::1" || host.startsWith("127.") || host.startsWith("::ffff:127.");
}
