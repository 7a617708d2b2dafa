// One request on its way through the filters of its route that have more to do than to edit heads. Made by exchange.ts.
import type {
  AsideAnswer,
  AsideRequest,
  BodyFilter,
  BodyOut,
  FilterAnswer,
  FilterRun,
  MakeBodyFilter,
  OpenFilter,
  RequestOrigin,
} from '../../filters/filter.ts';
import { messageOf } from '../../lib/errors.ts';
import type { ResponseHead } from '../../model/http.ts';
import type { ProxyContext } from '../context.ts';
import type { RequestMessage, ResponseMessage } from '../http1/head.ts';
import { FilterAsides, type WaitingRequest } from './filter-asides.ts';

export class ExchangeFilters implements FilterRun {
  readonly remoteAddress: string;
  readonly #context: ProxyContext;
  readonly #waiting: WaitingRequest;
  #asides: FilterAsides | undefined;
  #edits: ((answer: ResponseHead) => void)[] | undefined;
  #bodies: MakeBodyFilter[] | undefined;
  #ends: (() => void)[] | undefined;

  constructor(remoteAddress: string, context: ProxyContext, waiting: WaitingRequest) {
    this.remoteAddress = remoteAddress;
    this.#context = context;
    this.#waiting = waiting;
  }

  get #aside(): FilterAsides {
    this.#asides ??= new FilterAsides(this.#context, this.#waiting);
    return this.#asides;
  }

  get origin(): RequestOrigin {
    return this.#aside.origin;
  }

  body(maxBytes: number): Promise<Buffer | 'too-large' | 'too-many'> {
    return this.#aside.body(maxBytes);
  }

  ask(request: AsideRequest): Promise<AsideAnswer | undefined> {
    return this.#aside.ask(request);
  }

  onAnswer(edit: (answer: ResponseHead) => void): void {
    this.#edits ??= [];
    this.#edits.unshift(edit);
  }

  onAnswerBody(make: MakeBodyFilter): void {
    this.#bodies ??= [];
    this.#bodies.unshift(make);
  }

  onEnd(tell: () => void): void {
    this.#ends ??= [];
    this.#ends.push(tell);
  }

  /** Calls `done` once, with the answer of the first filter that gives one; at once where none has to wait. */
  open(
    filters: readonly OpenFilter[],
    message: RequestMessage,
    done: (answer: FilterAnswer | undefined) => void,
  ): void {
    this.#openFrom(0, filters, message, done);
  }

  #openFrom(
    first: number,
    filters: readonly OpenFilter[],
    message: RequestMessage,
    done: (answer: FilterAnswer | undefined) => void,
  ): void {
    for (let i = first; i < filters.length; i++) {
      const found = this.#ask(filters[i]!, message);
      if (found === undefined) continue;
      if (!(found instanceof Promise)) {
        done(found);
        return;
      }
      void found.then(
        (answer) => (answer ? done(answer) : this.#openFrom(i + 1, filters, message, done)),
        (error) => done(this.#failed(error)),
      );
      return;
    }
    done(undefined);
  }

  #ask(filter: OpenFilter, message: RequestMessage): ReturnType<OpenFilter> {
    try {
      return filter(message, this);
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** One request alone fails: it must not pass a filter that could not look at it. */
  #failed(error: unknown): FilterAnswer {
    this.#context.log.error('a filter failed', { reason: messageOf(error) });
    return { status: 500, body: 'a filter of this route failed' };
  }

  editAnswer(answer: ResponseHead): void {
    if (this.#edits) for (const edit of this.#edits) edit(answer);
  }

  /** What the body of an answer goes through; undefined where nothing changes it. */
  openBody(answer: ResponseMessage, out: BodyOut): BodyFilter | undefined {
    const length = answer.contentLength >= 0 ? answer.contentLength : undefined;
    for (const make of this.#bodies ?? []) {
      const made = make(answer, length, out);
      if (made) return made;
    }
    return undefined;
  }

  ended(): void {
    if (this.#ends) for (const tell of this.#ends) tell();
    this.#ends = undefined;
    this.#asides?.end();
  }
}
