// Header edits as a route has them.
declare module '../../model/route.ts' {
  interface RouteFilterTypes {
    readonly headerModifier: HeaderModifier;
  }
}

export interface HeaderModifier {
  readonly type: 'request-headers' | 'response-headers';
  /** Replaces, or adds. Names are lower case. */
  readonly set: readonly HeaderValue[];
  /** Appends. */
  readonly add: readonly HeaderValue[];
  readonly remove: readonly string[];
}

export interface HeaderValue {
  readonly name: string;
  readonly value: string;
}
