// Which lines both engines write: the same format strings give the same, but for times.
import { hostname } from 'node:os';
import type { CaseLog, FilterCase } from '../filter-case.ts';

const text = (format: string, ...lines: (string | RegExp)[]): CaseLog => ({
  format: { type: 'text', text: format },
  lines,
});

export const accessLogCases: Readonly<Record<string, FilterCase>> = {
  'what a request was and what became of it': {
    filters: [],
    name: 'HTTPRoute/default/log/0/0',
    logs: [
      text('100%% %REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)%', /^100% POST \/path\?q=1 access-log-\d+\.test$/),
      text('%REQ(X-One)% %REQ(x-none)% %REQ(x-none?X-ONE)%', '1 - 1'),
      // Of several the first.
      text('%REQ(x-two)%', 'a'),
      text('%RESP(x-answer)% %RESP(x-none)% %RESP(:status)%', 'yes - 200'),
      text('%TRAILER(x-end)% %TRAILER(x-none)%', 'done -'),
      text('%REQ(:PATH):3%|%REQ(X-ONE):9%', '/pa|1'),
      text('%BYTES_RECEIVED% %BYTES_SENT%', '4 5'),
      text('%RESPONSE_CODE% %RESPONSE_FLAGS% %GRPC_STATUS_NUMBER%', '200 - -'),
      text('%PROTOCOL% %REQUESTED_SERVER_NAME% %HOSTNAME%', `HTTP/1.1 - ${hostname()}`),
      text('%ROUTE_NAME% %UPSTREAM_CLUSTER% %UPSTREAM_REQUEST_ATTEMPT_COUNT%', 'HTTPRoute/default/log/0/0 program 1'),
      text(
        '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_PEER_URI_SAN%',
        '127.0.0.1 127.0.0.1 -',
      ),
      text(
        '%UPSTREAM_HOST% %DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS%',
        /^127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+$/,
      ),
      text('%DURATION%', /^\d+$/),
      text('%START_TIME%', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      text('%START_TIME(%Y/%m/%d %H:%M:%S.%3f %s %z %%)%', /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{3} \d{10} \+0000 %$/),
      {
        format: {
          type: 'json',
          fields: {
            code: '%RESPONSE_CODE%',
            sent: '%BYTES_SENT%',
            path: '%REQ(:PATH)%',
            none: '%REQ(X-NONE)%',
            mixed: '%REQ(:METHOD)% %REQ(X-NONE)%',
            quoted: '%REQ(X-QUOTED)%',
          },
        },
        lines: [{ code: 200, sent: 5, path: '/path?q=1', none: null, mixed: 'POST -', quoted: 'a"b\\c' }],
      },
    ],
    calls: [
      {
        method: 'POST',
        path: '/path?q=1',
        headers: ['x-one', '1', 'x-two', 'a', 'x-two', 'b', 'x-quoted', 'a"b\\c'],
        body: 'body',
        program: { headers: ['x-answer', 'yes'], body: 'hello', length: false, trailers: { 'x-end': 'done' } },
        want: { status: 200, body: 'hello' },
      },
    ],
  },
  'a request without a route has a line too': {
    filters: [],
    logs: [
      text('%RESPONSE_CODE% %RESPONSE_FLAGS% %GRPC_STATUS_NUMBER%', '404 NR -'),
      text('%ROUTE_NAME% %UPSTREAM_CLUSTER% %UPSTREAM_HOST% %UPSTREAM_REQUEST_ATTEMPT_COUNT%', '- - - 0'),
      {
        format: { type: 'json', fields: { code: '%RESPONSE_CODE%', route: '%ROUTE_NAME%' } },
        lines: [{ code: 404, route: null }],
      },
    ],
    calls: [{ host: 'nobody.test', want: { status: 404 } }],
  },
  'and one that its route answers by itself': {
    filters: [],
    action: { type: 'direct', status: 418, body: 'short' },
    logs: [text('%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_SENT% %UPSTREAM_HOST%', '418 - 5 -')],
    calls: [{ want: { status: 418, body: 'short' } }],
  },
  'and one whose backend can not be reached': {
    filters: [],
    action: { type: 'forward', targets: [{ cluster: 'nowhere', weight: 1, filters: [] }] },
    logs: [text('%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_CLUSTER%', /^503 (URX,)?UF nowhere$/)],
    calls: [{ want: { status: 503 } }],
  },
};
