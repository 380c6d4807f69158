// Which file stands for which module of the SDK: for vitest's `alias` and, as a plugin, for esbuild.

import { fileURLToPath } from "node:url";

const at = (name) => fileURLToPath(new URL(`./modules/${name}.ts`, import.meta.url));

export const modules = {
  "embedded:io/socket/tcp": at("tcp"),
  "embedded:io/socket/listener": at("listener"),
  "embedded:io/socket/udp": at("udp"),
  "embedded:network/dnssd": at("dnssd"),
  "embedded:network/interface/wifi": at("wifi-interface"),
  "embedded:storage/flash": at("flash"),
  "embedded:storage/key-value": at("key-value"),
  instrumentation: at("instrumentation"),
  "mc/config": at("config"),
  net: at("net"),
  sntp: at("sntp"),
  time: at("time"),
  timer: at("timer"),
  wifi: at("wifi"),
};

/** For esbuild's `plugins`. */
export const moddable = {
  name: "moddable",
  setup(build) {
    build.onResolve({ filter: /.*/ }, ({ path }) =>
      Object.hasOwn(modules, path) ? { path: modules[path] } : undefined,
    );
  },
};
