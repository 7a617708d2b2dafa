// A server that says back what it was asked, over HTTP and, on a second port, over TCP. Joins the mesh by `weft run`;
// used by the end-to-end tests of features. Usage: echo.mjs NAME [HTTP-PORT [TCP-PORT]]; without a port: $PORT.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';

const [name, httpPort = process.env.PORT, tcpPort] = process.argv.slice(2);
const counts = new Map();

const readBody = async (request) => {
  const hash = createHash('sha256');
  let bytes = 0;
  let text = '';
  for await (const chunk of request) {
    hash.update(chunk);
    bytes += chunk.length;
    if (bytes < 4096) text += chunk;
  }
  return { bytes, sha256: hash.digest('hex'), text };
};

/** Some MiB, each of another byte, with the checksum of all of them behind. */
const sendLarge = async (response, mib) => {
  const hash = createHash('sha256');
  response.writeHead(200, { trailer: 'x-sha256' });
  for (let i = 0; i < mib; i++) {
    const chunk = Buffer.alloc(1 << 20, i);
    hash.update(chunk);
    if (!response.write(chunk)) await new Promise((resolve) => response.once('drain', resolve));
  }
  response.addTrailers({ 'x-sha256': hash.digest('hex') });
  response.end();
};

const events = (response, url) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(`data: 1\n\n`);
  waiting.set(url.searchParams.get('key'), () => response.end('data: 2\n\n'));
};

// Requests that wait until another one lets them go on.
const waiting = new Map();

const special = {
  '/hang': () => {},
  '/large': (response, url) => sendLarge(response, Number(url.searchParams.get('mib'))),
  '/events': events,
  '/go-on': (response, url) => {
    const key = url.searchParams.get('key');
    waiting.get(key)?.();
    response.end(String(waiting.delete(key)));
  },
  '/status': (response, url) => response.writeHead(Number(url.searchParams.get('code'))).end('as asked'),
  // Fails all but each third request of a key.
  '/flaky': (response, url) => {
    const key = url.searchParams.get('key');
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    response.writeHead(count % 3 === 0 ? 200 : 503).end(String(count));
  },
  '/cut': (response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('only this', () => response.destroy());
  },
  '/reset': (response) => response.socket.resetAndDestroy(),
};

const answer = async (request, response) => {
  const url = new URL(request.url, 'http://any');
  const act = special[url.pathname];
  if (act) return act(response, url);
  const { method, headers, rawHeaders, httpVersion } = request;
  const body = await readBody(request);
  const said = { name, method, url: request.url, headers, rawHeaders, httpVersion, body, trailers: request.trailers };
  response.writeHead(200, { 'content-type': 'application/json', 'x-name': name, 'x-drop': 'me' });
  response.end(JSON.stringify(said));
};

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});

// A protocol of its own after the upgrade: sends back what it gets.
server.on('upgrade', (request, socket, head) => {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${request.headers.upgrade}\r\n\r\n`,
  );
  socket.write(head);
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
});
server.listen(Number(httpPort), '127.0.0.1');

// Answers once its caller has said all: that takes a half-closed connection.
if (tcpPort !== undefined) {
  createTcpServer({ allowHalfOpen: true }, (socket) => {
    const hash = createHash('sha256');
    let bytes = 0;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      hash.update(chunk);
      bytes += chunk.length;
      if (chunk.includes('ping')) socket.write('pong');
    });
    socket.on('end', () => socket.end(`${name} ${bytes} ${hash.digest('hex')}`));
  }).listen(Number(tcpPort), '127.0.0.1');
}
process.on('SIGTERM', () => process.exit(0));
