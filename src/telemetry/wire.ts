// The stream of events between a proxy's sender and the control plane: JSON batches in gRPC messages.

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
  readonly events: readonly unknown[];
}

/** Events may be JSON already. */
export const encodeBatch = ({ events, ...head }: Batch): Buffer => {
  const texts = events.map((event) => (typeof event === 'string' ? event : JSON.stringify(event)));
  return Buffer.from(`${JSON.stringify({ ...head, events: [] }).slice(0, -2)}${texts.join(',')}]}`);
};

/** Throws SyntaxError for what is no JSON. */
export const decodeBatch = (bytes: Buffer): Batch => {
  const value: unknown = JSON.parse(bytes.toString('utf8'));
  const { node, dropped, events } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  return {
    ...(typeof node === 'string' && { node }),
    ...(typeof dropped === 'number' && { dropped }),
    events: Array.isArray(events) ? events.slice(0, MAX_BATCH) : [],
  };
};
