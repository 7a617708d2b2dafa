// The shop's front page: GET / and POST /buy. Calls catalogue, reviews and orders; what can't be had is said on the page.
import type { IncomingMessage } from 'node:http';
import type { Product } from './catalogue.ts';
import type { OrderView } from './orders.ts';
import { type Part, renderPage } from './page.ts';
import type { Review } from './reviews.ts';
import { type Answer, notFound, readBody, serve } from './serve.ts';
import { traceHeaders } from './trace.ts';

const CATALOGUE = process.env.CATALOGUE_URL ?? 'http://catalogue:9080';
const REVIEWS = process.env.REVIEWS_URL ?? 'http://reviews:9080';
const ORDERS = process.env.ORDERS_URL ?? 'http://orders:9080';
const TIMEOUT_MS = 3_000;

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`;
  return error.cause instanceof Error ? error.cause.message : error.message;
};

const call = async <T>(caller: IncomingMessage, service: string, url: string, order?: object): Promise<Part<T>> => {
  try {
    const response = await fetch(url, {
      method: order ? 'POST' : 'GET',
      headers: { ...traceHeaders(caller.headers), ...(order && { 'content-type': 'application/json' }) },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(order && { body: JSON.stringify(order) }),
    });
    const text = await response.text();
    if (!response.ok) return { problem: `${service}: ${response.status} ${text.slice(0, 200)}` };
    return { value: JSON.parse(text) as T };
  } catch (error) {
    return { problem: `${service}: ${reasonOf(error)}` };
  }
};

const products = (caller: IncomingMessage) =>
  call<{ products: Product[] }>(caller, 'catalogue', `${CATALOGUE}/products`);

const showPage = async (caller: IncomingMessage): Promise<Answer> => {
  const [catalogue, reviews, orders] = await Promise.all([
    products(caller),
    call<{ version: string; reviews: Review[] }>(caller, 'reviews', `${REVIEWS}/reviews/loom`),
    call<{ orders: OrderView[] }>(caller, 'orders', `${ORDERS}/orders`),
  ]);
  const isWhole = catalogue.value && reviews.value && orders.value;
  const headers = { 'cache-control': 'no-store', 'x-shop': isWhole ? 'whole' : 'degraded' };
  return { status: 200, headers, body: renderPage({ catalogue, reviews, orders }) };
};

const buy = async (caller: IncomingMessage): Promise<Answer> => {
  const wanted = new URLSearchParams(await readBody(caller)).get('product');
  const catalogue = await products(caller);
  if (!catalogue.value) return { status: 502, body: { error: catalogue.problem } };
  const product = catalogue.value.products.find(({ id }) => id === wanted);
  if (!product) return { status: 400, body: { error: 'no such product' } };
  const order = { product: product.id, cents: product.priceCents };
  const placed = await call(caller, 'orders', `${ORDERS}/orders`, order);
  if (!placed.value) return { status: 502, body: { error: placed.problem } };
  return { status: 303, headers: { location: '/' }, body: '' };
};

serve('front', (request, url) => {
  if (request.method === 'POST' && url.pathname === '/buy') return buy(request);
  const reads = request.method === 'GET' || request.method === 'HEAD';
  return reads && url.pathname === '/' ? showPage(request) : notFound;
});
