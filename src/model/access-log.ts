// An access log that a proxy writes: one line for each finished request, in Envoy's format strings.
export interface AccessLogConfig {
  /** On the proxy's machine; `/dev/stdout` and `/dev/stderr` are its own output. */
  readonly path: string;
  readonly format: AccessLogFormat;
}

export type AccessLogFormat =
  | { readonly type: 'text'; readonly text: string }
  /** Names to format strings. */
  | { readonly type: 'json'; readonly fields: Readonly<Record<string, string>> };
