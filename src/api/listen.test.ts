// Tests of the TLS port: the certificate, its replacement while running, and a certificate that is none.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { makeSelfSigned } from '../../test/fakes/self-signed.ts';
import { openThingApi, type ThingApi } from '../../test/fakes/thing-api.ts';
import { isWeftError } from '../lib/errors.ts';

const [first, second] = [makeSelfSigned(), makeSelfSigned()];
const secure = { address: '127.0.0.1', port: 0 };

let t: ThingApi;
before(async () => {
  t = await openThingApi({ secure: { ...secure, ...first } });
});
after(() => t.close());

const ask = async (ca: string, request: string): Promise<string> => {
  const socket = connect({ host: '127.0.0.1', port: t.api.secure!.port, ca });
  await once(socket, 'secureConnect');
  socket.write(request);
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += chunk;
  return text;
};

const get = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: any.name\r\n${headers}Connection: close\r\n\r\n`;

test('the TLS port answers by its certificate, whatever name it is called by, to a bearer token only', async () => {
  assert.match(await ask(first.certPem, get('/healthz')), /^HTTP\/1\.1 200 OK/);
  assert.match(await ask(first.certPem, get('/api')), /^HTTP\/1\.1 401 .*a bearer token is needed/s);
  const authorized = get('/api', `Authorization: Bearer ${t.adminToken}\r\n`);
  assert.match(await ask(first.certPem, authorized), /^HTTP\/1\.1 200 OK/);
  assert.match(await ask(first.certPem, get(`/?token=${t.adminToken}`)), /^HTTP\/1\.1 401 /);
});

test('a browser that strays to the TLS port is led to the page', async () => {
  const answer = await ask(first.certPem, get('/', 'Accept: text/html,*/*\r\n'));
  assert.match(answer, new RegExp(`^HTTP/1\\.1 303 [\\s\\S]*location: http://127\\.0\\.0\\.1:${t.port}/\\r\\n`, 'i'));
});

test('a new certificate takes the place of the old one; open connections stay', async () => {
  const open = connect({ host: '127.0.0.1', port: t.api.secure!.port, ca: first.certPem });
  await once(open, 'secureConnect');
  t.api.setSecureContext(second);
  assert.match(await ask(second.certPem, get('/healthz')), /^HTTP\/1\.1 200 OK/);
  await assert.rejects(ask(first.certPem, get('/healthz')), /self-signed certificate|signature/);
  open.write(get('/healthz'));
  let text = '';
  for await (const chunk of open.setEncoding('utf8')) text += chunk;
  assert.match(text, /^HTTP\/1\.1 200 OK/);
});

test('a request that is not HTTP is answered and closed', async () => {
  assert.match(await ask(second.certPem, 'HELLO\r\n\r\n'), /^HTTP\/1\.1 400 /);
});

test('a certificate that is none is refused', async () => {
  await assert.rejects(openThingApi({ secure: { ...secure, certPem: 'nothing', keyPem: 'nothing' } }), (error) =>
    isWeftError(error, 'API_CERTIFICATE'),
  );
});
