// Header edits that both engines must make alike: filters, headers before, headers after (in any order of names).
import type { HeaderModifier } from './schema.ts';

export interface HeaderCase {
  readonly filters: readonly HeaderModifier[];
  readonly before: readonly string[];
  readonly after: readonly string[];
}

const edit = (parts: { set?: string[]; add?: string[]; remove?: string[] }): HeaderModifier => {
  const pairs = (list: string[] = []) =>
    list.map((pair) => ({ name: pair.split('=')[0]!, value: pair.split('=')[1]! }));
  return { type: 'request-headers', set: pairs(parts.set), add: pairs(parts.add), remove: parts.remove ?? [] };
};

/** All are `request-headers`; the same edits hold for answers. */
export const headerCases: Readonly<Record<string, HeaderCase>> = {
  'no filter changes nothing': { filters: [], before: ['x-a', '1'], after: ['x-a', '1'] },
  'set adds what is not there': { filters: [edit({ set: ['x-a=1'] })], before: [], after: ['x-a', '1'] },
  'set replaces every value': {
    filters: [edit({ set: ['x-a=9'] })],
    before: ['x-a', '1', 'x-b', '2', 'x-a', '3'],
    after: ['x-a', '9', 'x-b', '2'],
  },
  'add keeps what is there': {
    filters: [edit({ add: ['x-a=2'] })],
    before: ['x-a', '1'],
    after: ['x-a', '1', 'x-a', '2'],
  },
  'remove takes every value': {
    filters: [edit({ remove: ['x-a'] })],
    before: ['x-a', '1', 'x-b', '2', 'x-a', '3'],
    after: ['x-b', '2'],
  },
  'a percent sign is only that': {
    filters: [edit({ set: ['x-a=100%', 'x-b=%REQ(x)%'] })],
    before: [],
    after: ['x-a', '100%', 'x-b', '%REQ(x)%'],
  },
  'an empty value is kept': { filters: [edit({ set: ['x-a='] })], before: ['x-a', '1'], after: ['x-a', ''] },
  'in one filter remove goes first': {
    filters: [edit({ set: ['x-a=new'], remove: ['x-a'] })],
    before: ['x-a', 'old'],
    after: ['x-a', 'new'],
  },
  'a later filter acts on what the earlier left': {
    filters: [edit({ set: ['x-a=1'], add: ['x-b=1'] }), edit({ remove: ['x-a'], set: ['x-b=2'] })],
    before: ['x-b', '0'],
    after: ['x-b', '2'],
  },
  'framing and host are out of reach': {
    filters: [edit({ set: ['host=evil', 'content-length=5'], add: ['transfer-encoding=chunked'] })],
    before: ['x-a', '1'],
    after: ['x-a', '1'],
  },
};
