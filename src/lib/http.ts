// node:http as this process needs it: imported as an ES module it also loads what its getters lead to, the whole of fetch and
// HTTP/2, 8 MiB of memory (Node 24.21, 2026-11-21). The only place that may load it.
export const { Agent, createServer, request } = process.getBuiltinModule('node:http');
