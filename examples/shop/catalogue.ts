// What the shop sells: GET /products. Called by front.
import { notFound, serve } from './serve.ts';

export interface Product {
  id: string;
  name: string;
  about: string;
  priceCents: number;
}

const products: Product[] = [
  { id: 'loom', name: 'Table loom', about: 'Four shafts, 60 cm wide, beech.', priceCents: 18_900 },
  { id: 'shuttle', name: 'Boat shuttle', about: 'Closed bottom, takes a 10 cm bobbin.', priceCents: 2_450 },
  { id: 'yarn', name: 'Linen yarn', about: 'Wet spun, 250 g, natural grey.', priceCents: 1_380 },
  { id: 'reed', name: 'Steel reed', about: '40 dents to 10 cm.', priceCents: 4_100 },
];

serve('catalogue', (request, url) => {
  if (request.method !== 'GET' || url.pathname !== '/products') return notFound;
  return { status: 200, body: { products } };
});
