// The form of cases that need no more than a route with filters and a program behind it. Run on both engines by
// test/interop/filters.test.ts.
import type { Route, RouteFilter } from '../model/route.ts';

export interface FilterCase {
  /** Of a route that leads to the program. */
  readonly filters: readonly RouteFilter[];
  /** In place of leading to the program; its cluster is `program`. */
  readonly action?: Route['action'];
  /** One after the other. */
  readonly calls: readonly FilterCall[];
}

export interface FilterCall {
  readonly method?: string;
  readonly path?: string;
  /** Names and values. */
  readonly headers?: readonly string[];
  readonly body?: string;
  /** The request does not say how long its body is. */
  readonly chunked?: true;
  /** What the program's answer has; `length: false`: it does not say how long it is. */
  readonly program?: {
    readonly status?: number;
    readonly headers?: readonly string[];
    readonly body?: string;
    readonly length?: false;
  };
  readonly want: {
    readonly status: number;
    /** False: the program never sees the request. */
    readonly reached?: boolean;
    /** Null: is not there. */
    readonly headers?: Readonly<Record<string, string | null>>;
    /** As the client decodes it. */
    readonly body?: string;
    /** What comes to the cluster `other`, in the end. */
    readonly copies?: readonly { readonly url: string; readonly host?: string; readonly body?: string }[];
    /** Headers that the program gets. */
    readonly sent?: Readonly<Record<string, string | null>>;
  };
}
