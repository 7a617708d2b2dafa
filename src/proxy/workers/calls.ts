// Calls between the main thread and a worker, both ways, over one message port. Used by slot.ts and worker.ts.
import type { MessagePort, Worker } from 'node:worker_threads';

type Channel = MessagePort | Worker;

/** What the other side may call. A call that throws rejects over there; what is only told is answered to nobody. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>;

type Message =
  | { readonly call: string; readonly argument: unknown; readonly id?: number }
  | { readonly id: number; readonly value?: unknown; readonly failure?: string };

export class Calls {
  readonly #channel: Channel;
  readonly #handlers: Handlers;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #next = 0;
  #gone: Error | undefined;

  constructor(channel: Channel, handlers: Handlers) {
    this.#channel = channel;
    this.#handlers = handlers;
    channel.on('message', (message: Message) => {
      if ('call' in message) void this.#answer(message);
      else this.#settle(message);
    });
  }

  /** Rejects with what the other side threw, or when it is gone. */
  call<T>(name: string, argument?: unknown): Promise<T> {
    if (this.#gone) return Promise.reject(this.#gone);
    const id = this.#next++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#channel.postMessage({ call: name, argument, id } satisfies Message);
    return waiting.promise as Promise<T>;
  }

  tell(name: string, argument?: unknown): void {
    if (!this.#gone) this.#channel.postMessage({ call: name, argument } satisfies Message);
  }

  /** The other side has ended: nobody waits for it any more. */
  close(reason: Error): void {
    this.#gone = reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  async #answer({ call, argument, id }: Extract<Message, { call: string }>): Promise<void> {
    try {
      const value = await this.#handlers[call]!(argument as never);
      if (id !== undefined && !this.#gone) this.#channel.postMessage({ id, value } satisfies Message);
    } catch (error) {
      if (id === undefined) throw error;
      const failure = error instanceof Error ? error.message : String(error);
      if (!this.#gone) this.#channel.postMessage({ id, failure } satisfies Message);
    }
  }

  #settle({ id, value, failure }: Extract<Message, { value?: unknown }>): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (failure === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(failure));
  }
}
