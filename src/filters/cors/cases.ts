// What both engines say to pages of other origins.
import type { FilterCall, FilterCase } from '../filter-case.ts';
import type { Cors } from './schema.ts';

const cors = (parts: Partial<Cors>): Cors => ({
  type: 'cors',
  origins: ['https://shop.test', 'https://*.good.test', 'http://odd.test:8080'],
  methods: ['GET', 'PUT'],
  headers: ['x-a', 'x-b'],
  exposed: ['x-c'],
  credentials: true,
  maxAgeSeconds: 60,
  ...parts,
});

const wild = { origins: ['*'], methods: ['*'], headers: ['*'], exposed: ['*'] };

const ALLOWED = 'access-control-allow-origin';

const preflight = (origin: string, want: FilterCall['want'], ...headers: string[]): FilterCall => ({
  method: 'OPTIONS',
  headers: ['origin', origin, 'access-control-request-method', 'PUT', ...headers],
  want: { reached: false, ...want },
});

const simple = (origin: string, answered: string | null): FilterCall => ({
  headers: ['origin', origin],
  want: { status: 200, reached: true, headers: { [ALLOWED]: answered } },
});

const askFor = (names: string): string[] => ['access-control-request-headers', names];

export const corsCases: Readonly<Record<string, FilterCase>> = {
  'a preflight is answered': {
    filters: [cors({})],
    calls: [
      preflight(
        'https://shop.test',
        {
          status: 200,
          body: '',
          headers: {
            [ALLOWED]: 'https://shop.test',
            'access-control-allow-methods': 'GET, PUT',
            'access-control-allow-headers': 'x-a, x-b',
            'access-control-expose-headers': 'x-c',
            'access-control-allow-credentials': 'true',
            'access-control-max-age': '60',
          },
        },
        ...askFor('x-a'),
      ),
    ],
  },
  'origins by scheme, host and port': {
    filters: [cors({})],
    calls: [
      simple('https://shop.test', 'https://shop.test'),
      simple('https://shop.test:443', 'https://shop.test:443'),
      simple('http://shop.test', null),
      simple('https://shop.test:444', null),
      simple('https://shop.test.bad', null),
      simple('https://a.b.good.test', 'https://a.b.good.test'),
      simple('https://good.test', null),
      simple('https://xgood.test', null),
      simple('http://odd.test:8080', 'http://odd.test:8080'),
      simple('http://odd.test', null),
      simple('null', null),
    ],
  },
  'a preflight of another origin is told nothing': {
    filters: [cors({})],
    calls: [
      preflight('https://evil.test', {
        status: 200,
        headers: { [ALLOWED]: null },
      }),
    ],
  },
  'without an origin nothing is changed': {
    filters: [cors({})],
    calls: [
      { want: { status: 200, reached: true, headers: { [ALLOWED]: null } } },
      { method: 'OPTIONS', want: { status: 200, reached: true, headers: { [ALLOWED]: null } } },
      { method: 'OPTIONS', headers: ['origin', 'https://shop.test'], want: { status: 200, reached: true } },
    ],
  },
  'the answer of the program gives way': {
    filters: [cors({})],
    calls: [
      {
        headers: ['origin', 'https://shop.test'],
        program: { headers: [ALLOWED, '*', 'access-control-expose-headers', 'x-z'] },
        want: {
          status: 200,
          headers: { [ALLOWED]: 'https://shop.test', 'access-control-expose-headers': 'x-c' },
        },
      },
    ],
  },
  'an error of the program is readable too': {
    filters: [cors({})],
    calls: [
      {
        headers: ['origin', 'https://shop.test'],
        program: { status: 500 },
        want: { status: 500, headers: { [ALLOWED]: 'https://shop.test' } },
      },
    ],
  },
  'wildcards with credentials are what is asked for': {
    filters: [cors(wild)],
    calls: [
      preflight(
        'https://any.test',
        {
          status: 200,
          headers: {
            [ALLOWED]: 'https://any.test',
            'access-control-allow-methods': 'PUT',
            'access-control-allow-headers': 'x-q,x-r',
            'access-control-allow-credentials': 'true',
            'access-control-expose-headers': null,
          },
        },
        ...askFor('x-q,x-r'),
      ),
    ],
  },
  'wildcards without credentials': {
    filters: [cors({ ...wild, credentials: false })],
    calls: [
      simple('https://any.test:1234', 'https://any.test:1234'),
      simple('null', 'null'),
      preflight('https://any.test', {
        status: 200,
        headers: { 'access-control-allow-credentials': null, 'access-control-expose-headers': '*' },
      }),
    ],
  },
  'lists that are empty are not told': {
    filters: [cors({ methods: [], headers: [], exposed: [], credentials: false })],
    calls: [
      preflight('https://shop.test', {
        status: 200,
        headers: {
          'access-control-allow-methods': null,
          'access-control-allow-headers': null,
          'access-control-expose-headers': null,
          'access-control-allow-credentials': null,
        },
      }),
    ],
  },
};
