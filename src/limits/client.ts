// Asks the control plane's rate limit server for the own engine, over one connection. Opened by app/.
import { type Channel, type ChannelTls, openChannel } from '../grpc/channel.ts';
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
  let open: { readonly channel: Channel; readonly chainPem: string | undefined } | undefined;
  const channelOf = (): Channel => {
    const proof = tls();
    const chainPem = proof.own?.chainPem;
    if (!open || open.chainPem !== chainPem) {
      // Calls under way on the old one are finished by it.
      open?.channel.close();
      open = { channel: openChannel({ address, tls: proof, maxMessageBytes: MAX_ANSWER_BYTES, clock }), chainPem };
    }
    return open.channel;
  };
  return {
    ask: async (questions, timeoutMs) => {
      const { message, details } = await channelOf().ask(RATE_LIMIT_PATH, encodeQuestions(questions), { timeoutMs });
      if (message) return decodeAnswers(message);
      throw new Error(details || 'there is no answer');
    },
    close: () => open?.channel.close(),
  };
};
