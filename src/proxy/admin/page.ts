// What a page of the admin interface is given and what it answers. Used by routes.ts and changes.ts.
import { WeftError } from '../../lib/errors.ts';
import type { LevelSwitch } from '../../lib/log.ts';
import type { ProxyInspection } from './inspection.ts';

/** What the pages that change something can do. Absent parts: that is not for this proxy. */
export interface AdminControl {
  setHealthy(isHealthy: boolean): void;
  /** Closes the ports; `graceful`: once clients have been told to go. */
  drainListeners(how: { readonly inboundOnly: boolean; readonly graceful: boolean }): void;
  resetCounters(): void;
  /** An orderly end, as by SIGTERM. */
  quit(): void;
}

export interface Asked {
  readonly proxy: ProxyInspection;
  readonly nowMs: number;
  readonly logLevel: LevelSwitch | undefined;
  readonly control: AdminControl | undefined;
}

export interface Answer {
  readonly status?: number;
  readonly type?: string;
  /** The methods that it takes, where another one came. */
  readonly allow?: string;
  readonly body: string;
}

export type Page = (query: URLSearchParams, asked: Asked) => Answer;

/** The parameters of a page, each with its meaning; any other is refused, as it must not be ignored. */
export type Parameters = Readonly<Record<string, string>>;

export const json = (value: unknown): Answer => ({
  type: 'application/json',
  body: `${JSON.stringify(value, undefined, 1)}\n`,
});

export const refuse = (status: number, why: string): Answer => ({ status, body: `${why}\n` });

/** The first is what it is without `format`. */
export const readFormat = (query: URLSearchParams, formats: readonly string[]): string => {
  const format = query.get('format') ?? formats[0]!;
  if (formats.includes(format)) return format;
  throw new WeftError('NOT_SUPPORTED', `format=${format} is not supported; it takes ${formats.join(', ')}`);
};
