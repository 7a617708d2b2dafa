// One traffic event in words: the same words as `weft flows` uses. Called by page.js.

const FLAGS = {
  UH: 'no healthy endpoint',
  UF: 'connection to the endpoint failed',
  UO: 'too many connections or requests',
  NR: 'no route',
  NC: 'no such service',
  UC: 'the endpoint closed the connection',
  UT: 'the endpoint took too long',
  UR: 'the endpoint reset the request',
  LR: 'reset by the proxy',
  LH: 'the service is not healthy',
  DC: 'the caller went away',
  DT: 'it took too long in all',
  DPE: 'not valid HTTP',
  UPE: 'the endpoint sent no valid HTTP',
  URX: 'all attempts failed',
  SI: 'the caller sent nothing for too long',
  RL: 'over the rate limit',
};

// By number.
const GRPC_STATUSES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

// Not the caller's fault.
const GRPC_FAILURES = ['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'];

/** Of a gRPC call its own status, as HTTP's is 200 whatever became of it. */
export const statusText = ({ http }) => {
  if (!http?.status) return '-';
  if (http.grpcStatus === undefined) return String(http.status);
  return GRPC_STATUSES[http.grpcStatus] ?? `grpc ${http.grpcStatus}`;
};

/** What became of it: `{ state: 'good' | 'bad' | 'between', text }`. */
export const outcomeOf = ({ policy, flags = [], http, tlsRefusal }) => {
  if (tlsRefusal) return { state: 'bad', text: `TLS refused: ${tlsRefusal.reason}` };
  if (policy?.verdict === 'deny') {
    const kind = policy.names.length === 1 ? 'AuthorizationPolicy' : 'AuthorizationPolicies';
    const text = policy.names.length ? `denied by ${kind} ${policy.names.join(', ')}` : `denied: ${policy.reason}`;
    return { state: 'bad', text };
  }
  if (flags.includes('RBAC')) return { state: 'bad', text: 'denied' };
  if (flags.length > 0) {
    return { state: 'bad', text: `failed: ${FLAGS[flags[0]] ?? 'see the flag'} (${flags.join(', ')})` };
  }
  if (http?.status === 0) return { state: 'bad', text: 'failed: no answer' };
  const failed = http?.status >= 500 || GRPC_FAILURES.includes(GRPC_STATUSES[http?.grpcStatus]);
  return { state: failed ? 'between' : 'good', text: policy ? 'allowed' : 'passed' };
};

/** Who took part, by the best name there is: `namespace/name`, else an address. */
export const peerName = (peer = {}) => {
  const account = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(peer.identity ?? '');
  const name = peer.workload ?? peer.service ?? account?.[2];
  if (name === undefined) return peer.address ?? 'unknown';
  const namespace = peer.namespace ?? account?.[1];
  return name.includes('/') || !namespace ? name : `${namespace}/${name}`;
};

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

const sizeText = (bytes) => {
  let value = bytes;
  let unit = 0;
  while (value >= (unit === 0 ? 1024 : 1023.5) && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ${UNITS[unit]}`;
};

export const requestText = ({ http, protocol, bytesReceived, bytesSent }) =>
  http ? `${http.method} ${http.path}` : `${protocol} ${sizeText(bytesReceived)} in, ${sizeText(bytesSent)} out`;

const pad = (value, length = 2) => String(value).padStart(length, '0');

/** `14:03:07.120`, in the reader's own time. */
export const timeText = (ms) => {
  const time = new Date(ms);
  return `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}.${pad(time.getMilliseconds(), 3)}`;
};
