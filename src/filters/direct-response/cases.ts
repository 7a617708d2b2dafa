// Answers that both engines give in place of a program's.
import type { FilterCase } from '../filter-case.ts';

const answer = (status: number, body: string) => ({ type: 'direct', status, body }) as const;

export const directResponseCases: Readonly<Record<string, FilterCase>> = {
  'status and body': {
    filters: [],
    action: answer(503, 'closed'),
    calls: [
      { want: { status: 503, body: 'closed', reached: false, headers: { 'content-length': '6' } } },
      { method: 'POST', body: 'x'.repeat(1000), want: { status: 503, body: 'closed' } },
      { method: 'HEAD', want: { status: 503, body: '' } },
    ],
  },
  'without a body': {
    filters: [],
    action: answer(200, ''),
    calls: [{ want: { status: 200, body: '', reached: false, headers: { 'content-type': null } } }],
  },
  'a percent sign is only that': {
    filters: [],
    action: answer(200, '100% %REQ(host)%'),
    calls: [{ want: { status: 200, body: '100% %REQ(host)%' } }],
  },
  'with headers, the type of the body among them': {
    filters: [
      {
        type: 'response-headers',
        set: [
          { name: 'content-type', value: 'application/json' },
          { name: 'x-a', value: '1' },
        ],
        add: [],
        remove: [],
      },
    ],
    action: answer(404, '{}'),
    calls: [{ want: { status: 404, body: '{}', headers: { 'content-type': 'application/json', 'x-a': '1' } } }],
  },
};
