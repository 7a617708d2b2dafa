// The form of cases that need no more than a route with filters and a program behind it. Run on both engines by
// test/interop/filters.test.ts.
import type { Route, RouteFilter } from '../model/route.ts';
import type { Cluster } from '../model/snapshot.ts';
import type { AccessLogFormat } from './access-log/schema.ts';

export interface FilterCase {
  /** Of a route that leads to the program. */
  readonly filters: readonly RouteFilter[];
  /** Of the route. */
  readonly name?: string;
  /** In place of leading to the program. Its cluster is `program`, for calls of gRPC `calls`; `half` has a dead endpoint beside it. */
  readonly action?: Route['action'];
  /** Of its own, beside `program`. */
  readonly clusters?: Readonly<Record<string, CaseCluster>>;
  /** What a client takes of an answer along to its next calls: cookies, or the header of this name. */
  readonly keeps?: 'cookies' | { readonly header: string };
  /** The lines that its calls come to, in their order. */
  readonly logs?: readonly CaseLog[];
  /** One after the other. */
  readonly calls: readonly FilterCall[];
}

/** What the program does with one attempt. */
export interface ProgramStep {
  readonly status?: number;
  readonly headers?: readonly string[];
  readonly body?: string;
  /** It does not say how long its answer is. */
  readonly length?: false;
  readonly trailers?: Readonly<Record<string, string>>;
  readonly delayMs?: number;
  /** It never answers; it resets the connection; its answer stops before its end, and nothing more comes. */
  readonly does?: 'hang' | 'reset' | 'stall';
}

/** `a` to `d` say their names in `x-endpoint`; `tls` says what it was shown in `x-sni`, `x-shown`, `x-tls`, `x-suite`, `x-http`; nobody is at `dead`. */
export type CaseProgram = 'a' | 'b' | 'c' | 'd' | 'tls' | 'dead';

export interface CaseCluster extends Partial<Cluster> {
  readonly to: readonly CaseProgram[];
}

export interface CaseLog {
  readonly format: AccessLogFormat;
  /** Of JSON what its fields are. */
  readonly lines: readonly (string | RegExp | Readonly<Record<string, unknown>>)[];
}

/** What the clusters `auth-http` and `auth-grpc` are told of a request. They answer what its header `x-verdict` says. */
export interface AskedAuth {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  /** Null: is not there. */
  readonly headers: Readonly<Record<string, string | null>>;
  readonly body: string;
}

/** JSON in the header `x-verdict`; without it requests may pass. */
export interface AuthVerdict {
  /** 200: the request may pass. */
  readonly status?: number;
  /** Names and values; of `grpc` those of `append` say so. */
  readonly headers?: readonly string[];
  readonly append?: readonly string[];
  readonly remove?: readonly string[];
  /** For the client. */
  readonly answer?: readonly string[];
  readonly body?: string;
  /** It never answers, or ends the connection. */
  readonly fails?: 'silent' | 'cut';
}

export interface FilterCall {
  /** Over HTTP/2, as a call of gRPC; the program for it is `calls`. */
  readonly grpc?: true;
  /** In place of the case's own. */
  readonly host?: string;
  /** So often; absent: once. */
  readonly times?: number;
  /** By a client that has kept nothing. */
  readonly fresh?: true;
  readonly method?: string;
  readonly path?: string;
  /** Names and values, in which `{a}` to `{d}` and `{dead}` are the addresses of these programs. */
  readonly headers?: readonly string[];
  readonly body?: string;
  /** The request does not say how long its body is. */
  readonly chunked?: true;
  /** Before the last byte of its body is sent. */
  readonly pauseMs?: number;
  /** Of several steps each is for one attempt, the last one for all that follow. */
  readonly program?: ProgramStep | readonly ProgramStep[];
  readonly want: {
    readonly status: number;
    /** False: the program never sees the request. */
    readonly reached?: boolean;
    /** How often the program sees the request. */
    readonly attempts?: number;
    /** Of the last attempt. */
    readonly receivedBody?: string;
    /** The answer breaks off. */
    readonly cut?: true;
    /** Null: is not there. */
    readonly headers?: Readonly<Record<string, string | RegExp | null>>;
    /** As the client decodes it. */
    readonly body?: string | RegExp;
    /** Which of the programs answers: the one that did last, each time; not always the same; so many of them in all. */
    readonly by?: 'same' | 'several' | number;
    /** What comes to the cluster `other`, in the end. */
    readonly copies?: readonly { readonly url: string; readonly host?: string; readonly body?: string }[];
    /** Headers that the program gets; `$host` stands for the host of the case. */
    readonly sent?: Readonly<Record<string, string | null>>;
    /** What the authorization server was asked last; null: nothing. */
    readonly asked?: Partial<AskedAuth> | null;
  };
}
