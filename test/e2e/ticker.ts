// A program of the end-to-end tests, run by `weft run`: for each argument `http:PORT` a server whose answer to /ticks never
// ends, a line each 100 ms; for each `tcp:PORT` one that echoes.
import { createServer as createHttp } from 'node:http';
import { createServer as createTcp } from 'node:net';

const EVERY_MS = 100;

const openHttp = (port: number) => {
  const server = createHttp((request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    if (request.url !== '/ticks') return response.end('hello\n');
    let count = 0;
    const timer = setInterval(() => response.write(`${++count}\n`), EVERY_MS);
    response.on('close', () => clearInterval(timer));
  });
  server.listen(port, '127.0.0.1');
};

const openEcho = (port: number) => {
  const server = createTcp((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(port, '127.0.0.1');
};

for (const arg of process.argv.slice(2)) {
  const [protocol, port] = arg.split(':');
  if (protocol === 'tcp') openEcho(Number(port));
  else openHttp(Number(port));
}
