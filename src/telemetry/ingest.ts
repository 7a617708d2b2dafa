// Takes traffic events from proxies over gRPC: Weft's own stream, and Envoy's access log service. Added to the control
// plane's TLS server by app/. Nothing is believed that the sender's certificate does not bear out.
import { fromBinary } from '@bufbuild/protobuf';
import { Metadata, type ServerReadableStream, type sendUnaryData, status } from '@grpc/grpc-js';
import {
  type StreamAccessLogsMessage,
  StreamAccessLogsMessageSchema,
} from '../gen/envoy/service/accesslog/v3/als_pb.js';
import { bytesMethod, type GrpcService, type PeerCall } from '../grpc/service.ts';
import { isWeftError, messageOf, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { TrafficEvent } from '../model/event.ts';
import { type LogName, parseLogName } from '../model/log-name.ts';
import { httpEvent, tcpEvent } from './envoy-log.ts';
import { parseEvent } from './event-parse.ts';
import { type SenderPeer, senderPeer } from './sender-peer.ts';
import { decodeBatch, EVENTS_PATH, MAX_BATCH_BYTES } from './wire.ts';

export interface TelemetryServiceOptions {
  readonly hub: { add(event: TrafficEvent): void };
  /** The SPIFFE id that a caller has proven. */
  readonly peerOf: (call: PeerCall) => string | undefined;
  readonly log: Log;
}

type Call = ServerReadableStream<Buffer, Buffer>;

/** Takes the messages of one stream; throws for what ends it. */
type Receiver = (message: Buffer) => void;

const ACCESS_LOG_PATH = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';
const EMPTY = Buffer.alloc(0);

const refused = (message: string): WeftError => new WeftError('TELEMETRY_REFUSED', message);

const checkSize = (message: Buffer): void => {
  if (message.length > MAX_BATCH_BYTES) throw refused(`a message is larger than ${MAX_BATCH_BYTES} bytes`);
};

const ownReceiver = (call: Call, { hub, peerOf, log }: TelemetryServiceOptions): Receiver => {
  let sender: SenderPeer | undefined;
  return (message) => {
    checkSize(message);
    const { node, dropped, events } = decodeBatch(message);
    sender ??= senderPeer(peerOf(call), node ?? '');
    if (dropped) log.warn('a proxy lost traffic events for want of room', { proxy: sender.proxy, dropped });
    for (const value of events) {
      const event = parseEvent(value, sender);
      if (event) hub.add(event);
    }
  };
};

const eventsOf = (
  { logEntries }: StreamAccessLogsMessage,
  name: LogName,
  sender: SenderPeer,
): (TrafficEvent | undefined)[] => {
  if (logEntries.case === 'httpLogs') return logEntries.value.logEntry.map((entry) => httpEvent(entry, name, sender));
  if (logEntries.case === 'tcpLogs') return logEntries.value.logEntry.map((entry) => tcpEvent(entry, name, sender));
  return [];
};

const envoyReceiver = (call: Call, { hub, peerOf }: TelemetryServiceOptions): Receiver => {
  let known: { sender: SenderPeer; name: LogName } | undefined;
  return (bytes) => {
    checkSize(bytes);
    const message = fromBinary(StreamAccessLogsMessageSchema, bytes);
    const { identifier } = message;
    // Envoy says who and what only in the first message of a stream.
    if (!known) {
      const sender = senderPeer(peerOf(call), identifier?.node?.id ?? '');
      const name = parseLogName(identifier?.logName ?? '');
      if (!name) throw refused('the name of the access log is not one that Weft configures');
      if ((name.direction === 'gateway') !== (sender.role === 'gateway')) {
        throw refused(`a ${sender.role} has no access log of direction ${name.direction}`);
      }
      known = { sender, name };
    }
    for (const event of eventsOf(message, known.name, known.sender)) if (event) hub.add(event);
  };
};

const serve =
  (options: TelemetryServiceOptions, open: (call: Call, options: TelemetryServiceOptions) => Receiver) =>
  (call: Call, callback: sendUnaryData<Buffer>): void => {
    const receive = open(call, options);
    let ended = false;
    const end = (answer: () => void) => {
      if (!ended) answer();
      ended = true;
    };
    call.on('data', (message: Buffer) => {
      if (ended) return;
      try {
        receive(message);
      } catch (error) {
        const code = isWeftError(error, 'TELEMETRY_REFUSED') ? status.PERMISSION_DENIED : status.INVALID_ARGUMENT;
        options.log.warn('traffic events were refused', { reason: messageOf(error) });
        end(() => callback({ code, details: messageOf(error) }));
      }
    });
    call.on('end', () => end(() => callback(null, EMPTY)));
    call.on('error', () => {});
    // Tells the sender that it may begin.
    call.sendMetadata(new Metadata());
  };

const method = (path: string) => bytesMethod(path, { request: true, response: false });

/** The services for grpc.Server: `weft.telemetry.v1.Events` and `envoy.service.accesslog.v3.AccessLogService`. */
export const telemetryServices = (options: TelemetryServiceOptions): GrpcService[] => [
  { definition: { Send: method(EVENTS_PATH) }, implementation: { Send: serve(options, ownReceiver) } },
  {
    definition: { StreamAccessLogs: method(ACCESS_LOG_PATH) },
    implementation: { StreamAccessLogs: serve(options, envoyReceiver) },
  },
];
