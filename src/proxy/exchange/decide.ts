// Asks the policies of a chain about a request or a connection. Called by exchange.ts, tcp.ts and connect-method.ts.
import type { RequestHead } from '../../model/http.ts';
import type { Authorization, Decision } from '../../policy/authorization.ts';
import type { ConnectionInfo } from '../downstream/connection-info.ts';

/** What is asked: without policies everything is allowed. */
export interface Guarded {
  readonly authorize: Authorization | undefined;
  readonly policyPort: number;
}

/** Undefined: there was nothing to be decided. `remoteAddress`: whose request it is, by what trusted proxies say. */
export const decide = (
  { authorize, policyPort }: Guarded,
  info: ConnectionInfo,
  remoteAddress: string,
  head?: RequestHead,
): Decision | undefined =>
  authorize?.({
    identity: info.peer?.identity,
    peerAddress: info.directAddress,
    remoteAddress,
    localAddress: info.localAddress,
    localPort: policyPort,
    sni: info.sni,
    ...(head && { head }),
  });
