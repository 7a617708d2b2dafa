// Who ordered what, and whether it is paid: GET /orders and POST /orders {product, cents}. Calls payments; called by front.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Payment } from './payments.ts';
import { notFound, readBody, readJson, serve } from './serve.ts';
import { traceHeaders } from './trace.ts';

export interface Order {
  id: string;
  product: string;
  cents: number;
}

export interface OrderView extends Order {
  payment: string;
}

const PAYMENTS = process.env.PAYMENTS_URL ?? 'http://payments:9080';
const TIMEOUT_MS = 2_000;
const KEPT = 20;
const orders: Order[] = [{ id: '1001', product: 'yarn', cents: 1_380 }];
let lastId = 1001;

/** One call to payments. Rejects on anything but 2xx, with the status and the first line of the answer. */
const callPayments = async (caller: IncomingMessage, method: string, body?: unknown): Promise<unknown> => {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const call = httpRequest(`${PAYMENTS}/payments`, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        ...traceHeaders(caller.headers),
        ...(payload && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
      },
    });
    call.on('response', resolve);
    call.on('error', reject);
    call.end(payload);
  });
  const text = await readBody(response);
  const status = response.statusCode ?? 0;
  if (status < 200 || status > 299) throw new Error(`${status} ${text.split('\n')[0]}`);
  return JSON.parse(text);
};

const listOrders = async (caller: IncomingMessage): Promise<OrderView[]> => {
  const recent = orders.slice(-5);
  try {
    const { payments } = (await callPayments(caller, 'GET')) as { payments: Payment[] };
    return recent.map((order) => {
      const payment = payments.find((candidate) => candidate.order === order.id);
      return { ...order, payment: payment ? (payment.paid ? 'paid' : 'refused') : 'not known to payments' };
    });
  } catch (error) {
    return recent.map((order) => ({ ...order, payment: `payments: ${(error as Error).message}` }));
  }
};

const isOrder = (value: unknown): value is { product: string; cents: number } =>
  typeof value === 'object' &&
  value !== null &&
  'product' in value &&
  typeof value.product === 'string' &&
  value.product.length <= 40 &&
  'cents' in value &&
  Number.isSafeInteger(value.cents);

const placeOrder = async (caller: IncomingMessage) => {
  const wanted = await readJson(caller);
  if (!isOrder(wanted)) return { status: 400, body: { error: 'an order is {"product": "…", "cents": 100}' } };
  lastId += 1;
  const order: Order = { id: String(lastId), product: wanted.product, cents: wanted.cents };
  try {
    await callPayments(caller, 'POST', { order: order.id, cents: order.cents });
  } catch (error) {
    return { status: 502, body: { error: `payments: ${(error as Error).message}` } };
  }
  orders.push(order);
  if (orders.length > KEPT) orders.shift();
  return { status: 201, body: order };
};

serve('orders', async (request, url) => {
  if (url.pathname !== '/orders') return notFound;
  if (request.method === 'GET') return { status: 200, body: { orders: await listOrders(request) } };
  return request.method === 'POST' ? placeOrder(request) : notFound;
});
