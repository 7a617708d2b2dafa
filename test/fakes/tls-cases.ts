// What TLS clients and servers of every kind get from a gateway: certificates, the snapshot, and a client. For engines-tls.test.ts.
import { type ConnectionOptions, connect } from 'node:tls';
import type { AuthorizationPolicy } from '../../src/model/policy.ts';
import type {
  ClientValidation,
  FilterChain,
  ForwardClientCert,
  Snapshot,
  SnapshotSecret,
  TlsParameters,
} from '../../src/model/snapshot.ts';
import { cluster, forward, route } from './envoy-mesh.ts';
import { type Issued, OpensslAuthority } from './openssl-authority.ts';

const LOOPBACK = '127.0.0.1';

const CLIENT_SUBJECT = '/C=DE/O=Weft \\/ "Shop", Inc./CN=client é';
const CLIENT_NAMES =
  'DNS:a.client.test,DNS:b.client.test,URI:spiffe://cluster.local/ns/shop/sa/client,email:one@client.test,IP:10.1.2.3';

export const makeCredentials = () => {
  const authority = new OpensslAuthority('authority');
  const stranger = new OpensslAuthority('stranger');
  const client = authority.issue({ subject: CLIENT_SUBJECT, names: CLIENT_NAMES });
  const revoked = authority.issue({ subject: '/CN=revoked', names: 'DNS:a.client.test' });
  authority.revoke(revoked);
  return {
    authority,
    stranger,
    client,
    revoked,
    unknown: stranger.issue({ subject: '/CN=unknown', names: 'DNS:a.client.test' }),
    rsa: authority.issue({ names: 'DNS:both.test', key: 'rsa' }),
    ec: authority.issue({ names: 'DNS:both.test', key: 'ec' }),
    wild: authority.issue({ names: 'DNS:*.wild.test' }),
    any: authority.issue({ names: 'DNS:any.test,URI:spiffe://gateway/own' }),
    close() {
      authority.close();
      stranger.close();
    },
  };
};

export type Credentials = ReturnType<typeof makeCredentials>;

export const MODES = ['sanitize', 'forward-only', 'append-forward', 'sanitize-set', 'always-forward-only'] as const;
const ALL_DETAILS = ['dns', 'uri', 'subject', 'chain', 'cert'] as const;

const needs = (rest: Partial<ClientValidation> = {}): ClientValidation => ({
  secret: 'authority',
  optional: false,
  ...rest,
});

/** The client's URI is no identity of the mesh, though it looks like one. */
const MEMBERS: AuthorizationPolicy = {
  name: 'shop/members',
  action: 'ALLOW',
  rules: [{ from: [{ principals: { any: [{ type: 'present' }], none: [] } }], to: [], when: [] }],
};

interface ChainSettings extends TlsParameters {
  readonly secrets?: readonly string[];
  readonly clientValidation?: ClientValidation;
  readonly clientCert?: ForwardClientCert;
  readonly authorization?: readonly AuthorizationPolicy[];
}

/** By server name. */
const CHAINS: Readonly<Record<string, ChainSettings>> = {
  'any.test': {},
  'both.test': { secrets: ['any', 'rsa', 'ec'] },
  '*.wild.test': { secrets: ['any', 'wild'] },
  'old.test': { maxVersion: '1.2', ciphers: ['ECDHE-ECDSA-AES256-GCM-SHA384'], curves: ['P-384'] },
  'new.test': { minVersion: '1.3' },
  'silent.test': { alpn: [] },
  'needs.test': { clientValidation: needs() },
  'may.test': { clientValidation: needs({ optional: true }) },
  'insecure.test': { clientValidation: needs({ optional: true, acceptInvalid: true }) },
  'member.test': { clientValidation: needs(), authorization: [MEMBERS] },
  'listed.test': { clientValidation: needs({ secret: 'authority-and-list' }) },
  'dns.test': {
    clientValidation: needs({ subjectAltNames: [{ name: 'DNS', type: 'exact', value: 'b.client.test' }] }),
  },
  'uri.test': {
    clientValidation: needs({ subjectAltNames: [{ name: 'URI', type: 'prefix', value: 'spiffe://cluster.local/' }] }),
  },
  'email.test': {
    clientValidation: needs({ subjectAltNames: [{ name: 'EMAIL', type: 'suffix', value: '@client.test' }] }),
  },
  'ip.test': { clientValidation: needs({ subjectAltNames: [{ name: 'IP', type: 'exact', value: '10.1.2.3' }] }) },
  'regex.test': {
    clientValidation: needs({ subjectAltNames: [{ name: 'DNS', type: 'regex', value: '[ab]\\.client\\.test' }] }),
  },
  'part.test': { clientValidation: needs({ subjectAltNames: [{ name: 'DNS', type: 'regex', value: 'client' }] }) },
  'contains.test': {
    clientValidation: needs({ subjectAltNames: [{ name: 'URI', type: 'contains', value: 'shop' }] }),
  },
  'other.test': {
    clientValidation: needs({ subjectAltNames: [{ name: 'URI', type: 'exact', value: 'a.client.test' }] }),
  },
  ...Object.fromEntries(
    MODES.map((mode) => [
      `${mode}.test`,
      { clientValidation: needs({ optional: true }), clientCert: { mode, details: ALL_DETAILS } },
    ]),
  ),
};

const chainOf = ([name, { secrets = ['any'], clientCert, authorization = [], ...tls }]: [
  string,
  ChainSettings,
]): FilterChain => ({
  name,
  match: { transport: 'tls', serverNames: [name] },
  tls: { mode: 'terminate', secrets, ...tls },
  handler: {
    type: 'http',
    routes: 'all',
    authorization,
    explicitProxy: false,
    edge: false,
    ...(clientCert && { clientCert }),
    idleTimeoutMs: 30_000,
    headTimeoutMs: 5_000,
  },
});

export interface TlsPorts {
  readonly gateway: number;
  readonly program: number;
}

const secret = (name: string, { keyPem, chainPem }: Issued): SnapshotSecret => ({ name, keyPem, chainPem });

export const tlsSnapshot = (credentials: Credentials, ports: TlsPorts): Omit<Snapshot, 'revision'> => {
  const { authority, rsa, ec, wild, any } = credentials;
  const caPem = authority.rootPem;
  const secrets: SnapshotSecret[] = [
    secret('rsa', rsa),
    secret('ec', ec),
    secret('wild', wild),
    secret('any', any),
    { name: 'authority', caPem },
    { name: 'authority-and-list', caPem, crlPem: authority.listPem() },
  ];
  const program = cluster('program', {
    discovery: {
      type: 'static',
      endpoints: [{ address: LOOPBACK, port: ports.program, mesh: false, weight: 1, health: 'healthy' }],
    },
  });
  const routes = [route({ action: forward(['program', 1]) })];
  const chains = Object.entries(CHAINS).map(chainOf);
  return {
    listeners: new Map([
      ['tls', { name: 'tls', address: LOOPBACK, port: ports.gateway, direction: 'gateway', chains }],
    ]),
    routes: new Map([['all', { name: 'all', virtualHosts: [{ name: 'all', domains: ['*'], routes }], tunnels: [] }]]),
    clusters: new Map([[program.name, program]]),
    endpoints: new Map(),
    secrets: new Map(secrets.map((one) => [one.name, one])),
  };
};

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly keyType: string;
  readonly names: string;
  readonly version: string;
  readonly cipher: string;
  readonly alpn: string | false | null;
}

export interface Asked {
  readonly path?: string;
  readonly headers?: readonly string[];
  readonly as?: Issued;
  readonly options?: ConnectionOptions;
}

/** One request over a connection of its own; undefined where none is answered. */
export const ask = (
  port: number,
  servername: string,
  { path = '/', headers = [], as, options }: Asked = {},
): Promise<Answer | undefined> =>
  new Promise((resolve) => {
    const own = as && { key: as.keyPem, cert: as.chainPem };
    const socket = connect({
      host: LOOPBACK,
      port,
      servername,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      ...own,
      ...options,
    });
    let seen: Omit<Answer, 'status' | 'body'> | undefined;
    let text = '';
    socket.setEncoding('latin1');
    socket.on('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      seen = {
        keyType: certificate?.publicKey.asymmetricKeyType ?? '',
        names: certificate?.subjectAltName ?? '',
        version: socket.getProtocol() ?? '',
        cipher: socket.getCipher().standardName,
        alpn: socket.alpnProtocol,
      };
      const lines = [`GET ${path} HTTP/1.1`, `host: ${servername}`, ...headers, 'connection: close'];
      socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    });
    socket.on('data', (data: string) => {
      text += data;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
      const body = text.slice(text.indexOf('\r\n\r\n') + 4);
      resolve(seen && status ? { ...seen, status, body } : undefined);
    });
  });
