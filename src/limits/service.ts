// The rate limit server: envoy.service.ratelimit.v3 over gRPC. Added to the servers of the control plane, and of a gateway
// without one, by app/.
import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { bytesMethod, type GrpcService, type PeerCall } from '../grpc/service.ts';
import { isWeftError, messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { AskRateLimit } from '../model/rate-limit.ts';
import { decodeQuestions, encodeAnswers, RATE_LIMIT_PATH } from './wire.ts';

export interface RateLimitServiceOptions {
  readonly ask: AskRateLimit;
  /** False for callers that are no proxies of the mesh. */
  readonly mayAsk: (call: PeerCall) => boolean;
  readonly log: Log;
}

/** As the caller waits no longer than its own deadline, it is none here. */
const NO_TIMEOUT = 0;

export const rateLimitService = ({ ask, mayAsk, log }: RateLimitServiceOptions): GrpcService => ({
  definition: { ShouldRateLimit: bytesMethod(RATE_LIMIT_PATH, { request: false, response: false }) },
  implementation: {
    ShouldRateLimit: async (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      if (!mayAsk(call)) {
        callback({ code: status.PERMISSION_DENIED, details: 'rate limits are for proxies of the mesh' });
        return;
      }
      try {
        callback(null, encodeAnswers(await ask(decodeQuestions(call.request), NO_TIMEOUT)));
      } catch (error) {
        const isTheirs = isWeftError(error, 'PROTOBUF_MALFORMED');
        if (!isTheirs) log.warn('a rate limit could not be decided', { reason: messageOf(error) });
        callback({ code: isTheirs ? status.INVALID_ARGUMENT : status.UNAVAILABLE, details: messageOf(error) });
      }
    },
  },
});
