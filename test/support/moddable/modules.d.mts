import type { Plugin } from "esbuild";

export const modules: Readonly<Record<string, string>>;
export const moddable: Plugin;
