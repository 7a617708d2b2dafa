// One finished request as a line for people: who called whom, what, the answer, and what decided it. Used by flows.ts.
import type { EventPeer, TrafficEvent } from '../model/event.ts';
import { GRPC_STATUSES, isGrpcFailure } from '../model/grpc.ts';
import { parseSpiffeId } from '../model/identity.ts';
import type { Paint } from './state-colour.ts';
import { printable, type TextColumn } from './text-table.ts';
import { formatDuration, formatSize } from './units.ts';

// Envoy's response flags, which both engines use.
const FLAGS: Readonly<Record<string, string>> = {
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

const peerName = (peer: EventPeer): string => {
  const identity = peer.identity === undefined ? undefined : parseSpiffeId(peer.identity);
  const name = peer.workload ?? peer.service ?? identity?.serviceAccount;
  if (name === undefined) return peer.address ?? 'unknown';
  // Names may carry their namespace already.
  if (name.includes('/')) return name;
  const namespace = peer.namespace ?? identity?.namespace;
  return namespace ? `${namespace}/${name}` : name;
};

const clockTime = (ms: number): string => {
  const time = new Date(ms);
  const pad = (value: number, length = 2) => String(value).padStart(length, '0');
  return `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}.${pad(time.getMilliseconds(), 3)}`;
};

const MAX_REQUEST = 60;

const requestText = (event: TrafficEvent, wide: boolean): string => {
  if (!event.http) return `${event.protocol} ${formatSize(event.bytesReceived)} in, ${formatSize(event.bytesSent)} out`;
  const text = `${event.http.method} ${wide ? event.http.host : ''}${event.http.path}`;
  return wide || text.length <= MAX_REQUEST ? text : `${text.slice(0, MAX_REQUEST - 1)}…`;
};

export interface Outcome {
  readonly state: 'good' | 'bad' | 'between';
  readonly text: string;
}

/** What became of it, in words: `allowed`, `denied by AuthorizationPolicy shop/front`, `failed: no route (NR)`. */
export const outcomeOf = (event: TrafficEvent): Outcome => {
  const { policy, flags, http, tlsRefusal } = event;
  if (tlsRefusal) return { state: 'bad', text: `TLS refused: ${tlsRefusal.reason}` };
  if (policy?.verdict === 'deny') {
    const kind = policy.names.length === 1 ? 'AuthorizationPolicy' : 'AuthorizationPolicies';
    return {
      state: 'bad',
      text: policy.names.length ? `denied by ${kind} ${policy.names.join(', ')}` : `denied: ${policy.reason}`,
    };
  }
  if (flags.includes('RBAC')) return { state: 'bad', text: 'denied' };
  const flag = flags[0];
  if (flag !== undefined)
    return { state: 'bad', text: `failed: ${FLAGS[flag] ?? 'see the flag'} (${flags.join(', ')})` };
  if (http && http.status === 0) return { state: 'bad', text: 'failed: no answer' };
  if (http && (http.status >= 500 || isGrpcFailure(http.grpcStatus)))
    return { state: 'between', text: policy ? 'allowed' : 'passed' };
  return { state: 'good', text: policy ? 'allowed' : 'passed' };
};

export const flowColumns = (wide: boolean): TextColumn[] => [
  { name: 'Time', min: 12 },
  { name: 'Source', min: 24 },
  { name: 'Destination', min: 24 },
  { name: 'Request', min: 20 },
  { name: 'Status', right: true },
  { name: 'Duration', right: true },
  ...(wide ? [{ name: 'Sent', right: true }, { name: 'Tls' }, { name: 'Route' }, { name: 'Source identity' }] : []),
  { name: 'Verdict' },
];

/** Of a gRPC call its own status, as HTTP's is 200 whatever became of it. */
const statusText = ({ http }: TrafficEvent): string => {
  if (!http || http.status === 0) return '-';
  if (http.grpcStatus === undefined) return String(http.status);
  return GRPC_STATUSES[http.grpcStatus] ?? `grpc ${http.grpcStatus}`;
};

/** The cells of one event; the verdict, last, has its colour already. */
export const flowCells = (event: TrafficEvent, wide: boolean): string[] => [
  clockTime(event.startMs),
  peerName(event.source),
  peerName(event.destination),
  requestText(event, wide),
  statusText(event),
  formatDuration(event.durationMs),
  ...(wide ? [formatSize(event.bytesSent), event.tls, event.route ?? '-', event.source.identity ?? '-'] : []),
  outcomeOf(event).text,
];

/** The line with its verdict coloured: the last column, so that widths do not suffer. */
export const paintVerdict = (line: string, event: TrafficEvent, paint: Paint): string => {
  const { state, text } = outcomeOf(event);
  const shown = printable(text);
  if (state === 'good' || !line.endsWith(shown)) return line;
  return line.slice(0, line.length - shown.length) + paint(state, shown);
};
