// What is spoken on a port, from its appProtocol or its name. Used for Services and ServiceEntries.

const WORDS: Readonly<Record<string, 'http' | 'http2'>> = {
  http: 'http',
  http1: 'http',
  ws: 'http',
  'kubernetes.io/ws': 'http',
  http2: 'http2',
  h2c: 'http2',
  'kubernetes.io/h2c': 'http2',
  grpc: 'http2',
  'grpc-web': 'http2',
};

/** `http` for what is undeclared and for words of HTTP/1, `http2` for those of HTTP/2, `tcp` for every other word. */
export const protocolOf = (appProtocol: string | undefined, portName: string | undefined): 'http' | 'http2' | 'tcp' => {
  const declared = (appProtocol || portName || 'http').toLowerCase();
  // A name may say more behind its first word, as `http-api` does.
  const word = appProtocol ? declared : declared.split('-', 1)[0]!;
  return (Object.hasOwn(WORDS, declared) && WORDS[declared]) || (Object.hasOwn(WORDS, word) && WORDS[word]) || 'tcp';
};

/** `{undeclared: true}` for a port that says nothing of its protocol, in words or by its name. */
export const undeclaredOf = (appProtocol: string | undefined, portName: string | undefined): { undeclared?: true } =>
  appProtocol || portName ? {} : { undeclared: true };
