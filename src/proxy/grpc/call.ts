// What an exchange knows of the gRPC call that it carries: its time, its status, how it is answered. Made by exchange.ts.
import { grpcStatus } from '../../model/grpc.ts';
import type { ClientStream, LocalAnswer } from '../downstream/client-stream.ts';
import type { RequestMessage, ResponseMessage } from '../http1/head.ts';
import { grpcAnswerFields, grpcStatusOfHttp, isGrpc, readGrpcStatus, readGrpcTimeoutMs } from './status.ts';
import { webTypeOfRequest } from './web.ts';
import { GrpcWebClient } from './web-client.ts';

/** UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS, as Envoy's outlier detection sees them. */
const FAULTS: Readonly<Record<number, number>> = { 2: 500, 4: 504, 12: 501, 13: 500, 14: 503, 15: 500 };

export class GrpcCall {
  /** Undefined until the answer, or the proxy, tells one. */
  status: number | undefined;
  /** Speaks gRPC-Web with the client. */
  readonly web: GrpcWebClient | undefined;

  constructor(web?: GrpcWebClient) {
    this.web = web;
  }

  /** From its start on; the route's time-out holds where it is shorter. */
  timeoutMs(message: RequestMessage, routeTimeoutMs = 0): number | undefined {
    const own = readGrpcTimeoutMs(message);
    return own !== undefined && routeTimeoutMs > 0 ? Math.min(own, routeTimeoutMs) : own;
  }

  /** A head tells the status where no message comes. */
  readHead(headers: readonly string[]): void {
    this.status = readGrpcStatus(headers);
  }

  /** The answer's status of HTTP, or what the call's status is in HTTP where it comes at once and tells of a fault. */
  outcome({ status, headers }: ResponseMessage): number {
    const call = status === 200 ? readGrpcStatus(headers) : undefined;
    return (call !== undefined && FAULTS[call]) || status;
  }

  readTrailers(trailers: readonly string[] | undefined): void {
    if (trailers) this.status ??= readGrpcStatus(trailers);
  }

  /** A client of gRPC reads no status of HTTP and no body; one of gRPC-Web sees the status too, as Envoy has it. */
  localAnswer(answer: LocalAnswer, timedOut: boolean): LocalAnswer {
    this.status = timedOut ? grpcStatus('DEADLINE_EXCEEDED') : grpcStatusOfHttp(answer.status);
    const headers = [...answer.headers, ...grpcAnswerFields(this.status, answer.body.trimEnd())];
    return { ...answer, status: this.web ? answer.status : 200, body: '', headers };
  }
}

/** Undefined for a request that is no call. */
export const openCall = (message: RequestMessage): GrpcCall | undefined =>
  isGrpc(message.method, message) ? new GrpcCall() : undefined;

/** A call of gRPC-Web, made one of gRPC; undefined for every other request. */
export const translateWeb = (down: ClientStream, message: RequestMessage): GrpcCall | undefined => {
  const type = webTypeOfRequest(message.method, message);
  return type && new GrpcCall(new GrpcWebClient(down, message, type));
};
