// Stands in for midge-xs's `host` object, so that a bundle for XS runs on Node too.

/** `print` gets each line. */
export function nodeHost(args, print) {
  const views = new Map();
  function view(buffer) {
    let bytes = views.get(buffer);
    if (bytes === undefined) views.set(buffer, (bytes = new Uint8Array(buffer)));
    return bytes;
  }
  return {
    engine: `Node ${process.versions.node}`,
    slotBytes: 0,
    args,
    print,
    microseconds: () => performance.now() * 1000,
    collect() {},
    mark() {},
    slots: () => 0,
    chunks: () => 0,
    collections: () => 0,
    copy(from, fromOffset, to, toOffset, length) {
      const source = view(from);
      const target = view(to);
      for (let i = 0; i < length; i++) target[toOffset + i] = source[fromOffset + i];
    },
  };
}
