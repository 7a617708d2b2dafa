// The stream of events between a proxy's sender and the control plane: batches of JSON in gRPC messages. What many events
// of a batch have in common, who spoke with whom and by which route, stands in it once.
import type { EventPeer, TrafficEvent } from '../model/event.ts';

/** The service's name and its one method, a stream of batches from the client. */
export const EVENTS_PATH = '/weft.telemetry.v1.Events/Send';

/** Most events that one batch holds. */
export const MAX_BATCH = 512;

/** Bytes of one batch. */
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;

export interface Batch {
  /** The proxy's id; in the first batch of a stream. */
  readonly node?: string;
  /** Events that were lost since the last batch, for want of room. */
  readonly dropped?: number;
  /** Events, or their JSON. */
  readonly events: readonly (TrafficEvent | string)[];
}

export interface ReceivedBatch extends Pick<Batch, 'node' | 'dropped'> {
  readonly events: readonly unknown[];
}

/** An event of HTTP without what `rowOf` tells of it. */
const shapeOf = ({ startMs, durationMs, proxy, bytesReceived, bytesSent, http, ...shape }: TrafficEvent): object => ({
  ...shape,
  http: { ...http, path: undefined, requestId: undefined, traceparent: undefined },
});

type Row = [
  shape: number,
  startMs: number,
  durationMs: number,
  bytesReceived: number,
  bytesSent: number,
  path: string,
  requestId: string,
  traceparent?: string,
];

const rowOf = (shape: number, event: TrafficEvent, http: NonNullable<TrafficEvent['http']>): Row => {
  const { startMs, durationMs, bytesReceived, bytesSent } = event;
  const { path, requestId, traceparent } = http;
  const row: Row = [shape, startMs, durationMs, bytesReceived, bytesSent, path, requestId];
  if (traceparent !== undefined) row.push(traceparent);
  return row;
};

/** Whether they have one shape. Proxies name the same peers, flags and policies by the same objects. */
const areAlike = (a: TrafficEvent, b: TrafficEvent): boolean =>
  a.destination === b.destination &&
  a.flags === b.flags &&
  a.policy === b.policy &&
  a.direction === b.direction &&
  a.protocol === b.protocol &&
  a.tls === b.tls &&
  a.route === b.route &&
  a.cluster === b.cluster &&
  a.attempts === b.attempts &&
  a.tlsRefusal === b.tlsRefusal &&
  a.http?.method === b.http?.method &&
  a.http?.host === b.http?.host &&
  a.http?.status === b.http?.status &&
  a.http?.grpcStatus === b.http?.grpcStatus;

/** Of one caller, before another one is told again. */
const MAX_COMPARED = 8;

class Shapes {
  readonly list: object[] = [];
  readonly #known = new Map<EventPeer, { readonly event: TrafficEvent; readonly index: number }[]>();

  indexOf(event: TrafficEvent): number {
    let known = this.#known.get(event.source);
    if (!known) {
      known = [];
      this.#known.set(event.source, known);
    }
    for (const one of known) if (areAlike(one.event, event)) return one.index;
    const index = this.list.push(shapeOf(event)) - 1;
    if (known.length < MAX_COMPARED) known.push({ event, index });
    return index;
  }
}

/** Without events that are JSON already. */
export const encodeBatch = ({ events, ...head }: Batch): Buffer => {
  const shapes = new Shapes();
  const encoded: string[] = [];
  const others: (Row | TrafficEvent)[] = [];
  for (const event of events) {
    if (typeof event === 'string') encoded.push(event);
    else others.push(event.http ? rowOf(shapes.indexOf(event), event, event.http) : event);
  }
  const text = JSON.stringify({ ...head, shapes: shapes.list, events: others });
  if (encoded.length === 0) return Buffer.from(text);
  return Buffer.from(`${text.slice(0, -2)}${others.length > 0 ? ',' : ''}${encoded.join(',')}]}`);
};

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** A row as the event that it stands for; anything else as it is. */
const eventOf = (value: unknown, shapes: readonly unknown[]): unknown => {
  if (!Array.isArray(value)) return value;
  const [index, startMs, durationMs, bytesReceived, bytesSent, path, requestId, traceparent] = value as unknown[];
  const shape = fieldsOf(shapes[Number(index)]);
  const http = { ...fieldsOf(shape.http), path, requestId, traceparent };
  return { ...shape, startMs, durationMs, bytesReceived, bytesSent, http };
};

/** Throws SyntaxError for what is no JSON. */
export const decodeBatch = (bytes: Buffer): ReceivedBatch => {
  const { node, dropped, shapes, events } = fieldsOf(JSON.parse(bytes.toString('utf8')));
  const known = Array.isArray(shapes) ? shapes : [];
  return {
    ...(typeof node === 'string' && { node }),
    ...(typeof dropped === 'number' && { dropped }),
    events: Array.isArray(events) ? events.slice(0, MAX_BATCH).map((event) => eventOf(event, known)) : [],
  };
};
