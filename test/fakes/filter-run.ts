// A request on its way through filters that does nothing but what a test says. For the tests of single filters.
import type { FilterRun } from '../../src/filters/filter.ts';

export const fakeRun = (parts: Partial<FilterRun> = {}): FilterRun => ({
  remoteAddress: '192.0.2.1',
  origin: {
    scheme: 'http',
    protocol: 'HTTP/1.1',
    requestId: 'id',
    peerAddress: '192.0.2.1',
    peerPort: 1234,
    localAddress: '192.0.2.2',
    localPort: 80,
    identity: undefined,
    sni: '',
  },
  onAnswer: () => {},
  onAnswerBody: () => {},
  onEnd: () => {},
  body: async () => Buffer.alloc(0),
  ask: async () => undefined,
  ...parts,
});
