// A copy of requests for another cluster, as a route has it.
declare module '../../model/route.ts' {
  interface RouteFilterTypes {
    readonly requestMirror: RequestMirror;
  }
}

export interface RequestMirror {
  readonly type: 'request-mirror';
  readonly cluster: string;
  /** Of the requests, from 0 to 1. */
  readonly share: number;
}
