// One request as a program in the mesh makes it: in absolute form, to the proxy that HTTP_PROXY names. Used by the
// end-to-end tests.
import { request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface ProxyAnswer {
  readonly status: number;
  readonly body: string;
}

export const askThrough = (proxy: string, url: string): Promise<ProxyAnswer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(proxy);
    const headers = { host: new URL(url).host };
    const call = request({ host: hostname, port, path: url, headers, agent: false, timeout: 10_000 }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    call.on('timeout', () => call.destroy(new Error(`no answer to ${url} through ${proxy}`)));
    call.on('error', reject);
    call.end();
  });
