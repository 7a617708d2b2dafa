// Tells of a request that was refused before it became an exchange. Called by downstream.ts and downstream-http2.ts.
import type { Listener, ServiceRef } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import { makeEvent, type SelfPeer } from '../events.ts';
import type { Refusal, RequestMessage } from '../http1/head.ts';
import type { ConnectionInfo } from './connection-info.ts';

/** The chain that the client came to. */
interface RefusedBy {
  readonly direction: Listener['direction'];
  readonly handler: { readonly service?: ServiceRef };
}

export const tellRefusal = (
  context: ProxyContext,
  client: { readonly info: ConnectionInfo; readonly self: SelfPeer },
  { direction, handler }: RefusedBy,
  { status, reason }: Refusal,
  message: RequestMessage | undefined,
  flag: string,
): void =>
  context.onEvent(
    makeEvent(context, client.self.get(context), {
      startMs: context.clock.now(),
      durationMs: 0,
      direction,
      info: client.info,
      service: handler.service,
      endpoint: undefined,
      cluster: undefined,
      route: undefined,
      bytesReceived: 0,
      bytesSent: reason.length + 1,
      flags: [flag],
      attempts: 0,
      policy: undefined,
      http: { method: message?.method ?? '', path: '', host: message?.host ?? '', status, requestId: '' },
    }),
  );
