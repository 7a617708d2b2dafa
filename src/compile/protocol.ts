// What is spoken on a port, from its appProtocol or its name. Used for Services and ServiceEntries.

const HTTP = new Set(['http', 'http1', 'ws', 'kubernetes.io/ws']);
// HTTP/2 is passed through as bytes until the data plane speaks it to upstreams.
const NOT_HTTP1 = new Set([
  'http2',
  'grpc',
  'grpc-web',
  'h2c',
  'kubernetes.io/h2c',
  'https',
  'tls',
  'kubernetes.io/wss',
]);

/** `http` for what is undeclared and for words of HTTP/1, `tcp` for every other word. */
export const protocolOf = (appProtocol: string | undefined, portName: string | undefined): 'http' | 'tcp' => {
  const declared = (appProtocol || portName || 'http').toLowerCase();
  if (HTTP.has(declared)) return 'http';
  if (NOT_HTTP1.has(declared)) return 'tcp';
  return !appProtocol && HTTP.has(declared.split('-', 1)[0]!) && !declared.startsWith('grpc-web') ? 'http' : 'tcp';
};
