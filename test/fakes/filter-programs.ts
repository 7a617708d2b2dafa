// What cases of filters have behind their clusters: four programs that say which of them answers, and one that speaks TLS and
// says what it was shown. For test/interop/filters.test.ts.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createSecureContext, type TLSSocket } from 'node:tls';
import type { CaseProgram } from '../../src/filters/filter-case.ts';
import type { Endpoint, SnapshotSecret } from '../../src/model/snapshot.ts';
import { openServer } from './http-server.ts';
import { type Issued, OpensslAuthority } from './openssl-authority.ts';

const LOOPBACK = '127.0.0.1';
/** Nobody listens there. */
const DEAD = 1;

export interface FilterPrograms {
  endpoint(program: CaseProgram): Endpoint;
  /** `authority`, also `authority-and-list`; `stranger`; `client`, a certificate of the former. */
  readonly secrets: readonly SnapshotSecret[];
  close(): Promise<void>;
}

type See = (headers: IncomingHttpHeaders) => void;

const openTls = async (see: See, authority: OpensslAuthority) => {
  const contextOf = ({ keyPem, chainPem }: Issued) => ({ key: keyPem, cert: chainPem });
  const own = contextOf(authority.issue({ names: 'DNS:backend.test,DNS:*.wild.test,URI:spiffe://backend/one' }));
  const revoked = authority.issue({ names: 'DNS:revoked.test' });
  authority.revoke(revoked);
  const answer = (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): void => {
    see(request.headers);
    const socket = ('stream' in request ? request.stream.session!.socket : request.socket) as TLSSocket;
    const told = {
      'x-sni': String(socket.servername),
      'x-shown': socket.getPeerX509Certificate()?.subject ?? '',
      'x-tls': socket.getProtocol() ?? '',
      'x-suite': socket.getCipher().standardName,
      'x-http': request.httpVersion,
    };
    (response as ServerResponse).writeHead(200, told).end('ok');
  };
  const options = { ...own, ca: authority.rootPem, requestCert: true, rejectUnauthorized: false, allowHTTP1: true };
  const server = createSecureServer(
    {
      ...options,
      SNICallback: (name, done) =>
        done(null, createSecureContext({ ...options, ...(name === 'revoked.test' && contextOf(revoked)) })),
    },
    answer,
  );
  const open = new Set<TLSSocket>();
  server.on('secureConnection', (socket) => {
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
};

/** `see` is told of each request that comes to one of them. */
export const openFilterPrograms = async (see: See): Promise<FilterPrograms> => {
  const authority = new OpensslAuthority('authority');
  const stranger = new OpensslAuthority('stranger');
  const named = async (name: string) =>
    [
      name,
      await openServer((request, response) => {
        see(request.headers);
        request.resume().on('end', () => response.writeHead(200, { 'x-endpoint': name }).end('ok'));
      }),
    ] as const;
  const servers = new Map<string, { readonly port: number; close(): Promise<void> }>([
    ...(await Promise.all(['a', 'b', 'c', 'd'].map(named))),
    ['tls', await openTls(see, authority)],
  ]);
  const client = authority.issue({ subject: '/CN=client' });
  return {
    endpoint: (program) => ({
      address: LOOPBACK,
      port: servers.get(program)?.port ?? DEAD,
      mesh: false,
      weight: 1,
      health: 'healthy',
    }),
    secrets: [
      { name: 'authority', caPem: authority.rootPem },
      { name: 'authority-and-list', caPem: authority.rootPem, crlPem: authority.listPem() },
      { name: 'stranger', caPem: stranger.rootPem },
      { name: 'client', keyPem: client.keyPem, chainPem: client.chainPem },
    ],
    async close() {
      authority.close();
      stranger.close();
      await Promise.all([...servers.values()].map((server) => server.close()));
    },
  };
};
