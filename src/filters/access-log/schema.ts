// An access log that a proxy writes: one line for each finished request, in Envoy's format strings.
declare module '../../model/snapshot.ts' {
  interface HttpHandler {
    /** Written by the proxy itself, beside the events that it sends. */
    readonly accessLogs?: readonly AccessLogConfig[];
  }
}

declare module '../../model/mesh.ts' {
  interface ClientSettings {
    readonly accessLogs?: readonly AccessLogConfig[];
  }
}

export interface AccessLogConfig {
  /** On the proxy's machine; `/dev/stdout` and `/dev/stderr` are its own output. */
  readonly path: string;
  readonly format: AccessLogFormat;
}

export type AccessLogFormat =
  | { readonly type: 'text'; readonly text: string }
  /** Names to format strings. */
  | { readonly type: 'json'; readonly fields: Readonly<Record<string, string>> };
