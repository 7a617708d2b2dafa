// One answer on its way to the client: how far it is, and the filter that its body goes through where there is one.
// Kept by exchange.ts.
import type { BodyFilter, BodyOut } from '../../filters/filter.ts';
import { ResponseAllowance } from '../../filters/size-limits/proxy.ts';
import type { ClientStream } from '../downstream/client-stream.ts';
import { CHUNKED, NO_BODY } from '../http1/body.ts';
import type { RequestMessage, ResponseMessage } from '../http1/head.ts';
import type { Lender } from '../wires/wire.ts';
import type { ExchangeFilters } from './filter-run.ts';

/** Is told how a body goes. */
export interface AnswerOwner {
  onTooLarge(): void;
  onFiltered(): void;
  onFilterDrained(): void;
  onFilterFailed(): void;
}

const NONE: readonly string[] = [];

export class SentAnswer implements BodyOut {
  status = 0;
  bytes = 0;
  headers: readonly string[] = NONE;
  /** The client was told a status. */
  begun = false;
  /** All of it has come. */
  done = false;
  trailers: readonly string[] | undefined;
  readonly #owner: AnswerOwner;
  #filter: BodyFilter | undefined;
  #allowance: ResponseAllowance | undefined;
  #down: ClientStream | undefined;
  #over = false;

  constructor(owner: AnswerOwner) {
    this.#owner = owner;
  }

  /** As much waits that the source has to stop. */
  get blocked(): boolean {
    return this.#filter?.blocked === true;
  }

  /** False where its head tells that it is too large; else its body is counted. */
  fits(maxBytes: number | undefined, { contentLength }: ResponseMessage, bodyMode: number): boolean {
    if (maxBytes === undefined || bodyMode === NO_BODY) return true;
    this.#allowance = new ResponseAllowance(maxBytes);
    return contentLength <= maxBytes;
  }

  begin(
    down: ClientStream,
    message: ResponseMessage,
    request: RequestMessage,
    bodyMode: number,
    close: boolean,
    filters: ExchangeFilters | undefined,
  ): void {
    if (filters && bodyMode !== NO_BODY) {
      this.#down = down;
      this.#filter = filters.openBody(message, this);
    }
    if (this.#filter) message.contentLength = -1;
    this.headers = message.headers;
    down.answer(message, request, this.#filter ? CHUNKED : bodyMode, close);
  }

  body(down: ClientStream, from: Lender, buffer: Buffer, start: number, end: number): void {
    if (this.#allowance?.take(end - start) === false) {
      this.#owner.onTooLarge();
      return;
    }
    if (this.#filter) {
      this.#filter.write(buffer, start, end);
      return;
    }
    this.bytes += end - start;
    down.body(from, buffer, start, end);
  }

  flush(): void {
    this.#filter?.flush();
  }

  /** True where the rest comes later, out of the filter. */
  endFilter(): boolean {
    this.#filter?.end();
    return this.#filter !== undefined;
  }

  /** Nobody wants more. */
  stop(): void {
    this.#over = true;
    this.#filter?.close();
  }

  push(bytes: Buffer): void {
    if (this.#over) return;
    this.bytes += bytes.length;
    this.#down!.body(undefined, bytes, 0, bytes.length);
    this.#down!.flush();
  }

  end(): void {
    if (!this.#over) this.#owner.onFiltered();
  }

  drained(): void {
    if (!this.#over) this.#owner.onFilterDrained();
  }

  fail(): void {
    if (!this.#over) this.#owner.onFilterFailed();
  }
}
