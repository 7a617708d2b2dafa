// What is compared: for each case the backend, the resources, the load and the bars. Used by compare.ts.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { h2load, type Load, wrk } from './load.ts';
import { LOAD_CORE, type Machine } from './machine.ts';
import { nginxCommand } from './peers.ts';
import { fullPaths, fullRoutes, gatewayAndBackend, oneRoute, type Place, type Setup } from './resources.ts';

export interface Case {
  readonly name: string;
  readonly title: string;
  /** Beside Weft; the first is the one that the bar speaks of. */
  readonly peers: readonly string[];
  readonly bars: Readonly<Record<string, number>>;
  readonly tls?: boolean;
  readonly http2?: boolean;
  readonly logs?: boolean;
  readonly appProtocol?: string;
  /** What one request moves, in the unit of the table. */
  readonly unit?: { readonly name: string; readonly perRequest: number };
  readonly path?: string;
  readonly load: Load;
  /** Starts the backend. */
  backend(machine: Machine, listen: Place): void;
  resources(setup: Setup): readonly object[];
}

const tiny = (machine: Machine, listen: Place): void => {
  const location = 'default_type text/plain; return 200 "hello\\n";';
  machine.start(LOAD_CORE, nginxCommand(machine.folder('backend'), { listen, location }));
};

const LARGE_MIB = 1;

const large = (machine: Machine, listen: Place): void => {
  const dir = machine.folder('backend');
  writeFileSync(join(dir, 'large'), Buffer.alloc(LARGE_MIB * 1024 * 1024, 'weft '));
  machine.start(LOAD_CORE, nginxCommand(dir, { listen, location: `root ${dir};` }));
};

/** One uncompressed gRPC message of 16 bytes. */
const MESSAGE = Buffer.concat([Buffer.from([0, 0, 0, 0, 16]), Buffer.alloc(16, 7)]);

const grpcServer = (machine: Machine, listen: Place): void => {
  const dir = machine.folder('backend');
  writeFileSync(join(dir, 'Say'), MESSAGE);
  const flags = ['--no-tls', `--address=${listen.address}`, `--htdocs=${dir}`, '--trailer=grpc-status: 0'];
  machine.start(LOAD_CORE, ['nghttpd', ...flags, String(listen.port)]);
};

const simple = (setup: Setup): object[] => [...gatewayAndBackend(setup), ...oneRoute()];

export const casesOf = (connections: number): readonly Case[] => [
  {
    name: 'http',
    title: `HTTP/1.1 plain, one route, ${connections} connections`,
    peers: ['envoy', 'nginx', 'weft on bun', 'bare envoy'],
    bars: { envoy: 3, nginx: 0.75 },
    load: wrk(connections),
    backend: tiny,
    resources: simple,
  },
  {
    name: 'full',
    title: '100 routes, header edits, authorization, retries, a line of access log per request',
    peers: ['envoy', 'weft on bun'],
    bars: { envoy: 3 },
    logs: true,
    load: wrk(connections, fullPaths()),
    backend: tiny,
    resources: (setup) => [...gatewayAndBackend(setup), ...fullRoutes()],
  },
  {
    name: 'tls',
    title: `TLS to the client, one route, ${connections} connections`,
    peers: ['envoy', 'nginx', 'weft on bun', 'bare envoy'],
    bars: { envoy: 2 },
    tls: true,
    load: wrk(connections),
    backend: tiny,
    resources: simple,
  },
  {
    name: 'h2',
    title: 'HTTP/2 from the client (8 connections × 16 streams), HTTP/1.1 to the backend',
    peers: ['envoy', 'nginx', 'weft on bun'],
    bars: { envoy: 2 },
    http2: true,
    load: h2load(8, 16),
    backend: tiny,
    resources: simple,
  },
  {
    name: 'grpc',
    title: 'gRPC unary (8 connections × 16 streams), HTTP/2 to the backend',
    peers: ['envoy', 'weft on bun'],
    bars: { envoy: 2 },
    http2: true,
    appProtocol: 'kubernetes.io/h2c',
    path: '/Say',
    load: h2load(8, 16, MESSAGE),
    backend: grpcServer,
    resources: simple,
  },
  {
    name: 'large',
    title: 'bodies of 1 MiB, plain, 8 connections',
    peers: ['envoy', 'nginx', 'weft on bun'],
    bars: { envoy: 0.8 },
    unit: { name: 'MiB', perRequest: LARGE_MIB },
    path: '/large',
    load: wrk(8),
    backend: large,
    resources: simple,
  },
];
