// Another release of the shop's reviews, as a program of your own could be: it knows the shop's paths and nothing of the mesh.
import { createServer } from 'node:http';

const reviews = [
  { reviewer: 'Grace', text: 'Found a moth in it. Kept the moth.', stars: 5 },
  { reviewer: 'Kateryna', text: 'Weaves what you tell it to, not what you mean.', stars: 4 },
];

const server = createServer((request, response) => {
  const isReviews = request.method === 'GET' && request.url?.startsWith('/reviews/');
  response.writeHead(isReviews ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(isReviews ? { version: 'v3', reviews } : { error: 'not found' }));
});

const port = Number(process.env.PORT ?? 9080);
server.listen(port, '127.0.0.1', () => console.log(`reviews v3: serves on 127.0.0.1:${server.address().port}`));

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    server.close();
    server.closeIdleConnections();
  });
}
