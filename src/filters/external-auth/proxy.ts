// External authorization on the own engine: asks the server over the proxy's clusters, and holds the request until it has
// decided or the time is over. Named by registry.ts.
import type { Clock } from '../../lib/clock.ts';
import type { RequestHead } from '../../model/http.ts';
import type { AsideAnswer, AsideRequest, FilterAnswer, FilterRun, OwnFilter } from '../filter.ts';
import { grpcQuestion, grpcVerdict } from './grpc-check.ts';
import { httpQuestion, httpVerdict } from './http-check.ts';
import { AUTH_TIMEOUT_MS, type ExternalAuth } from './schema.ts';
import { BADLY_DECIDED, carryOut, NOT_DECIDED, type Verdict } from './verdict.ts';

type Check = (request: RequestHead, run: FilterRun) => Promise<FilterAnswer | undefined>;

interface Protocol {
  question(request: RequestHead, body: Buffer | undefined, run: FilterRun): Omit<AsideRequest, 'cluster' | 'timeoutMs'>;
  verdict(answer: AsideAnswer): Verdict | undefined;
}

const protocolOf = (filter: ExternalAuth, clock: Clock): Protocol => {
  if (filter.protocol === 'http') return { question: httpQuestion(filter), verdict: httpVerdict(filter) };
  const question = grpcQuestion(filter);
  return { question: (request, body, run) => question(request, body, run.origin, clock.now()), verdict: grpcVerdict };
};

const TOO_LARGE: FilterAnswer = { status: 413, body: 'the request body is too large to be checked' };
const TOO_MANY: FilterAnswer = { status: 503, body: 'too many request bodies wait to be checked', flag: 'UO' };

const prepareCheck = (filter: ExternalAuth, clock: Clock): Check => {
  const { cluster, maxBodyBytes, timeoutMs = AUTH_TIMEOUT_MS } = filter;
  const protocol = protocolOf(filter, clock);
  return async (request, run) => {
    const body = maxBodyBytes > 0 ? await run.body(maxBodyBytes) : undefined;
    if (body === 'too-large') return TOO_LARGE;
    if (body === 'too-many') return TOO_MANY;
    const answer = await run.ask({ cluster, timeoutMs, ...protocol.question(request, body, run) });
    if (!answer) return NOT_DECIDED;
    try {
      const verdict = protocol.verdict(answer);
      return verdict ? carryOut(verdict, request, run) : NOT_DECIDED;
    } catch {
      return BADLY_DECIDED;
    }
  };
};

export const externalAuth: OwnFilter<ExternalAuth> = {
  prepare(filters, { clock }) {
    const checks = filters.map((filter) => prepareCheck(filter, clock));
    const checkAll: Check = async (request, run) => {
      for (const check of checks) {
        const answer = await check(request, run);
        if (answer) return answer;
      }
      return undefined;
    };
    return { open: checkAll };
  },
};
