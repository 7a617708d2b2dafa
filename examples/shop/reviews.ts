// What people say of a product: GET /reviews/<product>. VERSION says which release this is; v2 adds stars. Called by front.
import { notFound, serve } from './serve.ts';

export interface Review {
  reviewer: string;
  text: string;
  stars?: number;
}

const version = process.env.VERSION ?? 'v1';

const written: Record<string, Required<Review>[]> = {
  loom: [
    { reviewer: 'Ada', text: 'Stands still, even when I do not.', stars: 5 },
    { reviewer: 'Joseph', text: 'Punched cards sold separately.', stars: 4 },
  ],
  shuttle: [{ reviewer: 'Anni', text: 'Light, and it comes back.', stars: 5 }],
};

serve(`reviews ${version}`, (request, url) => {
  const product = /^\/reviews\/([a-z-]{1,40})$/.exec(url.pathname)?.[1];
  if (request.method !== 'GET' || product === undefined) return notFound;
  const reviews: Review[] = (written[product] ?? []).map(({ stars, ...rest }) =>
    version === 'v1' ? rest : { ...rest, stars },
  );
  return { status: 200, body: { version, reviews } };
});
