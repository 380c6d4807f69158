// Which file stands for which module of the SDK: for vitest's `alias` and, as a plugin, for esbuild.

import { fileURLToPath } from "node:url";

const at = (name) => fileURLToPath(new URL(`./modules/${name}.ts`, import.meta.url));

export const modules = {
  "embedded:io/socket/tcp": at("tcp"),
  "embedded:io/socket/listener": at("listener"),
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
