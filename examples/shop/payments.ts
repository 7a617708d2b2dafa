// What has been paid: GET /payments and POST /payments {order, cents}. Called by orders, and by nobody else.
import { notFound, readJson, serve } from './serve.ts';

export interface Payment {
  order: string;
  cents: number;
  paid: boolean;
}

const KEPT = 100;
const LIMIT_CENTS = 100_000;
const payments: Payment[] = [{ order: '1001', cents: 1_380, paid: true }];

const isCharge = (value: unknown): value is { order: string; cents: number } =>
  typeof value === 'object' &&
  value !== null &&
  'order' in value &&
  typeof value.order === 'string' &&
  value.order.length <= 40 &&
  'cents' in value &&
  Number.isSafeInteger(value.cents);

serve('payments', async (request, url) => {
  if (url.pathname !== '/payments') return notFound;
  if (request.method === 'GET') return { status: 200, body: { payments } };
  if (request.method !== 'POST') return notFound;
  const charge = await readJson(request);
  if (!isCharge(charge)) return { status: 400, body: { error: 'a charge is {"order": "…", "cents": 100}' } };
  const payment: Payment = {
    order: charge.order,
    cents: charge.cents,
    paid: charge.cents > 0 && charge.cents <= LIMIT_CENTS,
  };
  payments.push(payment);
  if (payments.length > KEPT) payments.shift();
  return { status: 201, body: payment };
});
