// The HTML of the front page. Pure; called by front.ts.
import type { Product } from './catalogue.ts';
import type { OrderView } from './orders.ts';
import type { Review } from './reviews.ts';

/** What a service said, or why there is nothing from it. */
export type Part<T> = { value: T; problem?: never } | { value?: never; problem: string };

export interface PageParts {
  catalogue: Part<{ products: Product[] }>;
  reviews: Part<{ version: string; reviews: Review[] }>;
  orders: Part<{ orders: OrderView[] }>;
}

const STYLE = `
:root { color-scheme: light dark; --line: #ddd; --quiet: #666; --stars: #8a5a00; --wrong: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a3a3a; --quiet: #a0a0a0; --stars: #e0b050; --wrong: #f2877f; }
}
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 1.5rem; }
h2 { font-size: 1rem; margin: 2rem 0 .25rem; }
h2 small, .quiet { color: var(--quiet); font-weight: normal; font-size: .87rem; }
table { width: 100%; border-collapse: collapse; }
td { padding: .4rem .75rem .4rem 0; border-top: 1px solid var(--line); vertical-align: baseline; }
td:last-child { padding-right: 0; text-align: right; }
.price { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.stars { color: var(--stars); letter-spacing: .1em; white-space: nowrap; }
.problem { border-left: 3px solid var(--wrong); padding: .4rem .75rem; margin: .5rem 0; }
button { font: inherit; font-size: .87rem; }
`;

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escapeHtml = (text: unknown): string => String(text).replace(/[&<>"']/g, (c) => ESCAPES[c] ?? c);
const price = (cents: number): string => `€ ${(cents / 100).toFixed(2)}`;
const problemBox = (text: string): string => `<p class="problem">Not available now: ${escapeHtml(text)}</p>`;

const productRow = (product: Product): string => `<tr>
<td>${escapeHtml(product.name)}<br><span class="quiet">${escapeHtml(product.about)}</span></td>
<td class="price">${price(product.priceCents)}</td>
<td><form method="post" action="/buy"><button name="product" value="${escapeHtml(product.id)}">Buy</button></form></td>
</tr>`;

const starsOf = (count: number): string => {
  const full = Math.max(0, Math.min(5, Math.round(count)));
  return `<span class="stars" role="img" aria-label="${full} of 5 stars">${'★'.repeat(full)}${'☆'.repeat(5 - full)}</span>`;
};

const reviewRow = (review: Review): string => `<tr>
<td>${escapeHtml(review.reviewer)}</td><td>${escapeHtml(review.text)}</td>
<td>${review.stars === undefined ? '' : starsOf(review.stars)}</td>
</tr>`;

const orderRow = (order: OrderView): string => `<tr>
<td>${escapeHtml(order.id)}</td><td>${escapeHtml(order.product)}</td>
<td class="price">${price(order.cents)}</td><td>${escapeHtml(order.payment)}</td>
</tr>`;

const section = <T>(title: string, part: Part<T>, said: (value: T) => string, rows: (value: T) => string[]): string => {
  if (part.problem !== undefined) return `<h2>${title}</h2>\n${problemBox(part.problem)}`;
  const found = rows(part.value);
  const body = found.length ? `<table>${found.join('\n')}</table>` : '<p class="quiet">None yet.</p>';
  return `<h2>${title} <small>${said(part.value)}</small></h2>\n${body}`;
};

export const renderPage = ({ catalogue, reviews, orders }: PageParts): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The weaver's shop</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
<h1>The weaver's shop</h1>
${section(
  'For sale',
  catalogue,
  () => 'from catalogue',
  (value) => value.products.map(productRow),
)}
${section(
  'What they say about the table loom',
  reviews,
  (value) => `from reviews ${escapeHtml(value.version)}`,
  (value) => value.reviews.map(reviewRow),
)}
${section(
  'Your orders',
  orders,
  () => 'from orders and payments',
  (value) => value.orders.map(orderRow).reverse(),
)}
</html>
`;
