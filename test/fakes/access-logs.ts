// Takes Envoy's access logs as the control plane does, for tests that ask what was logged.
import { EventEmitter, once } from 'node:events';
import { fromBinary } from '@bufbuild/protobuf';
import type { ServerReadableStream } from '@grpc/grpc-js';
import type { HTTPAccessLogEntry, TCPAccessLogEntry } from '../../src/gen/envoy/data/accesslog/v3/accesslog_pb.js';
import { StreamAccessLogsMessageSchema } from '../../src/gen/envoy/service/accesslog/v3/als_pb.js';
import { bytesMethod, type GrpcService } from '../../src/grpc/service.ts';
import type { TrafficEvent } from '../../src/model/event.ts';
import { parseLogName } from '../../src/model/log-name.ts';
import { httpEvent, tcpEvent } from '../../src/telemetry/envoy-log.ts';
import type { SenderPeer } from '../../src/telemetry/sender-peer.ts';

interface Logged<Entry> {
  readonly logName: string;
  readonly entry: Entry;
}

export class AccessLogs extends EventEmitter {
  readonly #http: Logged<HTTPAccessLogEntry>[] = [];
  readonly #tcp: Logged<TCPAccessLogEntry>[] = [];

  readonly service: GrpcService = {
    definition: {
      streamAccessLogs: bytesMethod('/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs', {
        request: true,
        response: false,
      }),
    },
    implementation: { streamAccessLogs: (call: ServerReadableStream<Buffer, Buffer>) => this.#take(call) },
  };

  #take(call: ServerReadableStream<Buffer, Buffer>): void {
    let logName = '';
    call.on('error', () => {});
    call.on('data', (raw: Buffer) => {
      const { identifier, logEntries } = fromBinary(StreamAccessLogsMessageSchema, raw);
      logName = identifier?.logName ?? logName;
      if (logEntries.case === 'httpLogs') {
        for (const entry of logEntries.value.logEntry) this.#http.push({ logName, entry });
      } else if (logEntries.case === 'tcpLogs') {
        for (const entry of logEntries.value.logEntry) this.#tcp.push({ logName, entry });
      }
      this.emit('entry');
    });
  }

  /** The first entry under that name that fits; waits for it. */
  http(fits: (entry: HTTPAccessLogEntry) => boolean, logName: string): Promise<HTTPAccessLogEntry> {
    return this.#find(this.#http, fits, logName);
  }

  tcp(fits: (entry: TCPAccessLogEntry) => boolean, logName: string): Promise<TCPAccessLogEntry> {
    return this.#find(this.#tcp, fits, logName);
  }

  /** All so far, as the control plane makes events of them. */
  events(sender: SenderPeer): TrafficEvent[] {
    const named = ({ logName }: { logName: string }) => parseLogName(logName)!;
    const http = this.#http.map((logged) => httpEvent(logged.entry, named(logged), sender));
    const tcp = this.#tcp.map((logged) => tcpEvent(logged.entry, named(logged), sender));
    return [...http, ...tcp].filter((event) => event !== undefined);
  }

  async #find<Entry>(list: Logged<Entry>[], fits: (entry: Entry) => boolean, logName: string): Promise<Entry> {
    for (;;) {
      const found = list.find((logged) => logged.logName === logName && fits(logged.entry));
      if (found) return found.entry;
      await once(this, 'entry');
    }
  }
}
