// `mc/config`: a test sets what it needs.

const config: Record<string, unknown> = {};

export default config;
