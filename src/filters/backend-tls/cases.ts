// How both engines speak TLS to backends, and to whom they send nothing.
import type { FilterCall, FilterCase } from '../filter-case.ts';
import type { SimpleTls } from './schema.ts';

const secured = (
  tls: Omit<SimpleTls, 'mode'>,
  want: FilterCall['want'],
  more: Partial<Pick<FilterCase, 'clusters'>> = {},
): FilterCase => ({
  filters: [],
  action: { type: 'forward', targets: [{ cluster: 'locked', weight: 1, filters: [] }] },
  clusters: { locked: { to: ['tls'], tls: { mode: 'simple', ...tls } } },
  calls: [{ want: { reached: want.status === 200, ...want } }, { want: { reached: want.status === 200, ...want } }],
  ...more,
});

const told = (headers: NonNullable<FilterCall['want']['headers']>): FilterCall['want'] => ({ status: 200, headers });

/** Envoy tells no more than that. */
const REFUSED: FilterCall['want'] = {
  status: 503,
  body: /server's certificate (is for another name|is of no known|was revoked|is not valid)|remote connection failure/,
};

const NAMED = { sni: 'backend.test', ca: 'authority' } as const;

export const backendTlsCases: Readonly<Record<string, FilterCase>> = {
  'a backend proves its name': secured(NAMED, told({ 'x-sni': 'backend.test', 'x-shown': '', 'x-http': '1.1' })),
  'a wildcard is for one label': secured({ ...NAMED, sni: 'x.wild.test' }, told({ 'x-sni': 'x.wild.test' })),
  'and not for two': secured({ ...NAMED, sni: 'x.y.wild.test' }, REFUSED),
  'another of its names may be asked for': secured(
    {
      sni: 'other.test',
      ca: 'authority',
      subjectAltNames: [
        { name: 'DNS', type: 'exact', value: 'nobody.test' },
        { name: 'URI', type: 'exact', value: 'spiffe://backend/one' },
      ],
    },
    told({ 'x-sni': 'other.test' }),
  ),
  'which must be there then': secured(
    { ...NAMED, subjectAltNames: [{ name: 'URI', type: 'exact', value: 'spiffe://backend/two' }] },
    REFUSED,
  ),
  'it is shown a certificate where there is one': secured(
    { ...NAMED, certificate: 'client' },
    told({ 'x-shown': 'CN=client' }),
  ),
  'a backend of another name gets nothing': secured({ ...NAMED, sni: 'other.test' }, REFUSED),
  'nor one of another authority': secured({ ...NAMED, ca: 'stranger' }, REFUSED),
  'nor one that no authority of the system knows': secured({ sni: 'backend.test' }, REFUSED),
  'nor one whose certificate was revoked': secured({ sni: 'revoked.test', ca: 'authority-and-list' }, REFUSED),
  'others of its authority are taken still': secured(
    { ...NAMED, ca: 'authority-and-list' },
    told({ 'x-sni': 'backend.test' }),
  ),
  'versions and suites are kept to': secured(
    { ...NAMED, maxVersion: '1.2', ciphers: ['ECDHE-ECDSA-AES256-GCM-SHA384'] },
    told({ 'x-tls': 'TLSv1.2', 'x-suite': 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384' }),
  ),
  'the newest version both know': secured(NAMED, told({ 'x-tls': 'TLSv1.3' })),
  'HTTP/2 is agreed on by ALPN': secured(NAMED, told({ 'x-http': '2.0' }), {
    clusters: { locked: { to: ['tls'], protocol: 'http2', tls: { mode: 'simple', ...NAMED } } },
  }),
  'a backend without TLS gets nothing': secured(
    NAMED,
    { status: 503, body: /does not speak TLS|remote connection failure/ },
    { clusters: { locked: { to: ['a'], tls: { mode: 'simple', ...NAMED } } } },
  ),
};
