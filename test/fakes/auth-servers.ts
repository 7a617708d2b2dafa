// Authorization servers, one that speaks HTTP and one that speaks Envoy's protocol of gRPC: they answer what a request's
// header `x-verdict` says, and remember what they were asked.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import type { AskedAuth, AuthVerdict } from '../../src/filters/filter-case.ts';
import {
  CheckRequestSchema,
  type CheckResponse,
  CheckResponseSchema,
} from '../../src/gen/envoy/service/auth/v3/external_auth_pb.js';
import { asBytes } from '../../src/grpc/service.ts';
import type { EndpointSet } from '../../src/model/snapshot.ts';
import { cluster } from './envoy-mesh.ts';
import { openServer } from './http-server.ts';

export interface AuthServers {
  readonly httpPort: number;
  readonly grpcPort: number;
  /** The last of both. */
  asked: AskedAuth | undefined;
  /** Questions that were given up by who asked. */
  cancelled: number;
  close(): Promise<void>;
}

/** Those parts of what was asked that are wanted; null where nothing was. */
export const askedPart = (
  asked: AskedAuth | undefined,
  wanted: Partial<AskedAuth> | null,
): Partial<AskedAuth> | null => {
  if (!asked) return null;
  const { headers: names, ...rest } = wanted ?? asked;
  const headers = names && Object.fromEntries(Object.keys(names).map((name) => [name, asked.headers[name] ?? null]));
  return {
    ...Object.fromEntries(Object.keys(rest).map((key) => [key, asked[key as 'path']])),
    ...(headers && { headers }),
  };
};

/** The clusters `program`, `auth-http` and `auth-grpc` with their endpoints. */
export const authParts = (program: number, { httpPort, grpcPort }: AuthServers) => {
  const ports = { program, 'auth-http': httpPort, 'auth-grpc': grpcPort };
  const endpoints = Object.entries(ports).map(([name, port]): [string, EndpointSet] => [
    name,
    { cluster: name, endpoints: [{ address: '127.0.0.1', port, mesh: false, weight: 1, health: 'healthy' }] },
  ]);
  return {
    clusters: [cluster('program'), cluster('auth-http'), cluster('auth-grpc', { protocol: 'http2' })],
    endpoints: new Map(endpoints),
  };
};

const verdictOf = (header: string | undefined): AuthVerdict => JSON.parse(header ?? '{}') as AuthVerdict;

const optionsOf = (fields: readonly string[] = [], append = false) =>
  fields.flatMap((key, i) => (i % 2 === 0 ? [{ header: { key, value: fields[i + 1]! }, append }] : []));

const checkResponse = ({ status = 200, headers, append, remove = [], answer, body = '' }: AuthVerdict): CheckResponse =>
  create(CheckResponseSchema, {
    status: { code: status === 200 ? 0 : 7 },
    httpResponse:
      status === 200
        ? {
            case: 'okResponse',
            value: {
              headers: [...optionsOf(headers), ...optionsOf(append, true)],
              headersToRemove: [...remove],
              responseHeadersToAdd: optionsOf(answer, true),
            },
          }
        : { case: 'deniedResponse', value: { status: { code: status }, headers: optionsOf(headers), body } },
  });

export const openAuthServers = async (): Promise<AuthServers> => {
  const http = await openServer((request, response) => {
    const pieces: Buffer[] = [];
    response.on('close', () => {
      if (!response.writableEnded) servers.cancelled++;
    });
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const body = Buffer.concat(pieces).toString();
      servers.asked = { method, path: url, host: headers.host ?? '', headers: headers as Record<string, string>, body };
      const verdict = verdictOf(headers['x-verdict'] as string | undefined);
      if (verdict.fails === 'cut') request.socket.destroy();
      else if (!verdict.fails)
        response.writeHead(verdict.status ?? 200, [...(verdict.headers ?? [])]).end(verdict.body);
    });
  });
  const server = new Server();
  const check = (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
    call.on('cancelled', () => servers.cancelled++);
    const {
      method = '',
      path = '',
      host = '',
      headers = {},
      body = '',
    } = fromBinary(CheckRequestSchema, call.request).attributes?.request?.http ?? {};
    servers.asked = { method, path, host, headers, body };
    const verdict = verdictOf(headers['x-verdict']);
    if (verdict.fails === 'cut') done({ code: 13 });
    else if (!verdict.fails) done(null, Buffer.from(toBinary(CheckResponseSchema, checkResponse(verdict))));
  };
  const method = {
    path: '/envoy.service.auth.v3.Authorization/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: asBytes,
    requestDeserialize: asBytes,
    responseSerialize: asBytes,
    responseDeserialize: asBytes,
  };
  server.addService({ check: method }, { check });
  const grpcPort = await new Promise<number>((resolve, reject) => {
    const bound = (error: Error | null, port: number) => (error ? reject(error) : resolve(port));
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), bound);
  });
  const servers: AuthServers = {
    httpPort: http.port,
    grpcPort,
    asked: undefined,
    cancelled: 0,
    async close() {
      server.forceShutdown();
      await http.close();
    },
  };
  return servers;
};
