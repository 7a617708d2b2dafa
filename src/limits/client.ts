// Asks the control plane's rate limit server for the own engine, over one connection. Opened by app/.
import type { Client } from '@grpc/grpc-js';
import { type ChannelTls, openChannel } from '../grpc/channel.ts';
import { asBytes } from '../grpc/service.ts';
import type { Clock } from '../lib/clock.ts';
import type { AskRateLimit } from '../model/rate-limit.ts';
import { decodeAnswers, encodeQuestions, RATE_LIMIT_PATH } from './wire.ts';

export interface RateLimitClient {
  readonly ask: AskRateLimit;
  close(): void;
}

const MAX_ANSWER_BYTES = 64 * 1024;

/** `tls` is asked before each call, so that a renewed certificate is used. */
export const openRateLimitClient = (address: string, tls: () => ChannelTls, clock: Clock): RateLimitClient => {
  let channel: { readonly client: Client; readonly chainPem: string | undefined } | undefined;
  const clientOf = (): Client => {
    const proof = tls();
    const chainPem = proof.own?.chainPem;
    if (!channel || channel.chainPem !== chainPem) {
      // Calls under way on the old one are finished by it.
      channel?.client.close();
      channel = { client: openChannel(address, proof, MAX_ANSWER_BYTES), chainPem };
    }
    return channel.client;
  };
  return {
    ask: (questions, timeoutMs) =>
      new Promise((resolve, reject) => {
        const deadline = clock.now() + timeoutMs;
        clientOf().makeUnaryRequest(
          RATE_LIMIT_PATH,
          asBytes,
          asBytes,
          encodeQuestions(questions),
          { deadline },
          (error, answer) => {
            if (error || !answer) reject(error ?? new Error('there is no answer'));
            else resolve(decodeAnswers(answer));
          },
        );
      }),
    close: () => channel?.client.close(),
  };
};
