// Global limits of rates on the own engine: asks the rate limit server, and holds the request until it answers or the time
// is over. Named by registry.ts.
import type { RequestHead } from '../../model/http.ts';
import { type RateLimitAnswer, type RateLimitQuestion, UNIT_SECONDS } from '../../model/rate-limit.ts';
import type { FilterAnswer, FilterContext, FilterRun, OwnFilter } from '../filter.ts';
import { prepareDescriptor } from '../local-rate-limit/conditions.ts';
import { globalRule } from './rule.ts';
import { askTimeoutMs, type GlobalRateLimit } from './schema.ts';

/** As Envoy has them of the third draft: what is left of the limit that is nearest, and every limit's span. */
const limitHeaders = (answers: readonly RateLimitAnswer[]): string[] => {
  const nearest = answers.reduce((a, b) => (b.remaining < a.remaining ? b : a));
  const spans = answers.map(({ requests, unit }) => `${requests};w=${UNIT_SECONDS[unit]}`);
  return [
    'x-ratelimit-limit',
    [nearest.requests, ...spans].join(', '),
    'x-ratelimit-remaining',
    `${nearest.remaining}`,
    'x-ratelimit-reset',
    `${nearest.resetSeconds}`,
  ];
};

const FAILED: FilterAnswer = { status: 500, flag: 'RLSE' };

export const globalRateLimit: OwnFilter<GlobalRateLimit> = {
  prepare(filters, { askRateLimit }: FilterContext) {
    const rules = filters.flatMap((filter) => filter.rules.map(globalRule));
    const descriptors = rules.map(prepareDescriptor);
    const timeoutMs = askTimeoutMs(filters);
    const onError = filters.some(({ failClosed }) => failClosed) ? FAILED : undefined;
    const ask = async (questions: readonly RateLimitQuestion[], run: FilterRun): Promise<FilterAnswer | undefined> => {
      const answers = await askRateLimit?.(questions, timeoutMs).catch(() => undefined);
      if (!answers) return onError;
      const known = answers.filter((answer) => answer !== undefined);
      if (known.length === 0) return undefined;
      const headers = limitHeaders(known);
      run.onAnswer((answer) => answer.headers.push(...headers));
      const over = known.filter(({ isOver }) => isOver);
      if (over.length === 0) return undefined;
      const wait = Math.max(...over.map(({ resetSeconds }) => resetSeconds));
      return { status: 429, headers: ['retry-after', `${wait}`], flag: 'RL' };
    };
    return {
      open(request: RequestHead, run) {
        const questions: RateLimitQuestion[] = [];
        for (const descriptor of descriptors) {
          const entries = descriptor(request, run.remoteAddress);
          if (entries) questions.push(entries);
        }
        return questions.length === 0 ? undefined : ask(questions, run);
      },
    };
  },
};
