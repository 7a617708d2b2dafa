// The console in a real browser (Chromium), against a small fake of the API: every state it can be in.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { TrafficEvent } from '../../src/model/event.ts';
import { openPageApi, type PageApi } from '../fakes/page-api.ts';

const CHROMIUM = [process.env.CHROMIUM_PATH ?? '', '/usr/bin/chromium', '/usr/bin/google-chrome'].find(existsSync);
const skip = CHROMIUM ? false : 'no Chromium found: install it, or name it in CHROMIUM_PATH';

const eventOf = (from: string, to: string, status: number, more: Partial<TrafficEvent> = {}): TrafficEvent => ({
  startMs: 1_790_000_000_000,
  durationMs: 2.5,
  proxy: 'sidecar',
  direction: 'inbound',
  protocol: 'http',
  source: { identity: `spiffe://cluster.local/ns/default/sa/${from}` },
  destination: { namespace: 'default', service: to },
  http: { method: 'GET', path: `/${to}`, host: to, status, requestId: 'r' },
  bytesReceived: 0,
  bytesSent: 10,
  flags: [],
  attempts: 1,
  tls: 'mutual',
  ...more,
});

const denied = eventOf('visitor', 'catalogue', 403, {
  policy: { verdict: 'deny', names: ['default/catalogue'], reason: 'no rule matched' },
});

let browser: Browser;
before(async () => {
  if (CHROMIUM) browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
});
after(() => browser?.close());

const withPage = (name: string, set: (api: PageApi) => void, check: (page: Page, api: PageApi) => Promise<void>) =>
  test(name, { skip }, async () => {
    const api = await openPageApi();
    set(api);
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        errors.push(message.text());
      }
    });
    try {
      await page.goto(api.url);
      await check(page, api);
      assert.deepEqual(errors, [], 'no script error and nothing that the content policy refused');
    } finally {
      await page.close();
      api.close();
    }
  });

const shop = (api: PageApi) => {
  api.services = ['front', 'reviews'];
  api.workloads = [
    { name: 'front-1', service: 'front', version: 'v1', health: 'Healthy' },
    { name: 'reviews-1', service: 'reviews', version: 'v1', health: 'Healthy' },
    { name: 'reviews-2', service: 'reviews', version: 'v2', health: 'Unhealthy' },
  ];
  api.history = [eventOf('front', 'reviews', 200)];
};

const row = (page: Page, table: string, text: string) => page.locator(`#${table} tbody tr`, { hasText: text });

withPage('shows services, workloads with identities, and past flows', shop, async (page) => {
  await row(page, 'services', 'default/reviews').getByText('1 of 2 healthy').waitFor();
  await row(page, 'services', 'default/front').getByText('1 healthy').waitFor();
  const workload = await row(page, 'workloads', 'reviews-2').locator('td').allTextContents();
  assert.deepEqual(workload, ['default/reviews-2', 'Unhealthy', 'default/reviews', 'v2', '127.0.0.1:20002']);
  await row(page, 'flows', 'GET /reviews').waitFor();
  const flow = await row(page, 'flows', 'GET /reviews').locator('td').allTextContents();
  assert.deepEqual(flow.slice(1), ['default/front', 'default/reviews', 'GET /reviews', '200', '2.5', 'passed']);
  assert.equal(await page.locator('#state').textContent(), 'live');
});

const counts = (requests: number, denied = 0) => ({
  total: requests,
  requests,
  denied,
  failed: 0,
  statuses: {},
  averageMs: 1,
  perSecond: requests / 60,
});

withPage('shows rates, and how requests spread over versions', shop, async (page, api) => {
  await row(page, 'services', 'default/reviews').waitFor();
  const versions = [
    { version: 'v1', ...counts(540, 3) },
    { version: 'v2', ...counts(60) },
  ];
  api.stats.services = [{ namespace: 'default', name: 'reviews', ...counts(600, 3), versions }];
  await row(page, 'services', 'default/reviews').getByText('v1 90%, v2 10%').waitFor();
  const cells = await row(page, 'services', 'default/reviews').locator('td').allTextContents();
  assert.deepEqual(cells.slice(3), ['10', '3', '0', 'v1 90%, v2 10%']);
});

withPage('shows a denied call as it happens, in words, newest first', shop, async (page, api) => {
  await row(page, 'flows', 'GET /reviews').waitFor();
  api.emit(denied);
  await row(page, 'flows', 'denied by AuthorizationPolicy default/catalogue').waitFor();
  assert.match((await page.locator('#flows tbody tr').first().textContent()) ?? '', /default\/visitor.*403/);
});

withPage('narrows to what was denied or failed, and the address keeps that', shop, async (page, api) => {
  api.history = [eventOf('front', 'reviews', 200), denied, eventOf('front', 'orders', 503, { flags: ['UH'] })];
  await page.getByLabel('only denied or failed').check();
  await row(page, 'flows', 'no healthy endpoint').waitFor();
  await row(page, 'flows', 'GET /reviews').waitFor({ state: 'detached' });
  assert.equal(await page.locator('#flows tbody tr').count(), 2);
  assert.match(page.url(), /#problems$/);
  await page.reload();
  await row(page, 'flows', 'denied by').waitFor();
  assert.equal(await page.getByLabel('only denied or failed').isChecked(), true);
});

withPage('stands still while paused, says how many came, and goes on', shop, async (page, api) => {
  await row(page, 'flows', 'GET /reviews').waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  api.history.push(denied);
  api.emit(denied);
  await page.getByRole('button', { name: 'Go on (1 came meanwhile)' }).waitFor();
  assert.equal(await page.locator('#flows tbody tr').count(), 1);
  await page.getByRole('button', { name: 'Go on' }).click();
  await row(page, 'flows', 'denied by').waitFor();
});

withPage(
  'keeps few rows, however many flows come',
  () => {},
  async (page, api) => {
    await page.locator('#flows-state', { hasText: 'live' }).waitFor();
    for (let i = 0; i < 500; i++) api.emit(eventOf('front', i === 499 ? 'last' : 'reviews', 200));
    await row(page, 'flows', 'GET /last').waitFor();
    assert.equal(await page.locator('#flows tbody tr').count(), 100);
  },
);

withPage(
  'says what to do while there is nothing',
  () => {},
  async (page) => {
    await page.getByText('No services yet. Make one: weft apply -f service.yaml').waitFor();
    await page.getByText('No workloads yet. Start one: weft run').waitFor();
    await page.getByText('No flows so far.').waitFor();
  },
);

withPage('keeps what it showed when the API fails, says how old it is, and recovers', shop, async (page, api) => {
  await row(page, 'services', 'default/reviews').waitFor();
  api.failWith = 503;
  api.endStreams();
  await page.locator('#state', { hasText: /stale: what is shown is \d+ s old: .* answers 503/ }).waitFor();
  await page.locator('#flows-state', { hasText: /stopped: .*; trying again/ }).waitFor();
  assert.equal(await row(page, 'services', 'default/reviews').count(), 1);
  api.failWith = undefined;
  await page.getByRole('button', { name: 'Retry now' }).click();
  await page.locator('#state', { hasText: /^live$/ }).waitFor();
  await page.locator('#flows-state', { hasText: /^live$/ }).waitFor();
});

withPage(
  'says how to sign in when it is not',
  (api) => {
    api.failWith = 401;
  },
  async (page) => {
    await page.locator('#state', { hasText: 'not signed in: open the link that "weft up" shows' }).waitFor();
  },
);

withPage('shows names as text, whatever they hold', shop, async (page, api) => {
  await page.locator('#flows-state', { hasText: 'live' }).waitFor();
  const path = '/<img src=x onerror=alert(1)>';
  api.emit(eventOf('front', 'reviews', 200, { http: { method: 'GET', path, host: 'x', status: 200, requestId: 'r' } }));
  await row(page, 'flows', `GET ${path}`).waitFor();
  assert.equal(await page.locator('#flows img').count(), 0);
});
