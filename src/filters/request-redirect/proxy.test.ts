import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RedirectAction } from '../../model/route.ts';
import { redirectCases } from './cases.ts';
import { prepareRedirect } from './proxy.ts';

const redirect = (parts: Partial<RedirectAction>): RedirectAction => ({ type: 'redirect', status: 302, ...parts });

for (const [name, { action, match, listener, host, path, location }] of Object.entries(redirectCases)) {
  test(name, () => {
    const locate = prepareRedirect(redirect(action), match ?? { type: 'prefix', value: '/' });
    const [before, query] = path.split('?');
    const head = { method: 'GET', path: before!, query: query ?? '', host, headers: [] };
    assert.equal(locate(head, listener.scheme, listener.port), location);
  });
}

test('an IPv6 authority keeps its brackets', () => {
  const locate = prepareRedirect(redirect({ scheme: 'https' }), { type: 'prefix', value: '/' });
  const head = { method: 'GET', path: '/', query: '', host: '[::1]:8080', headers: [] };
  assert.equal(locate(head, 'http', 8080), 'https://[::1]/');
});
