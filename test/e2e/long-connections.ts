// Connections that stay open while a test goes on: a response that never ends, and raw TCP. Each tells how far it came, and
// what ended it. Used by certificates.test.ts.
import { get } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

export interface LongConnection {
  /** Lines that have come so far. */
  count(): number;
  /** What was wrong; undefined while all is well. */
  failure(): string | undefined;
  close(): void;
}

/** Follows `/ticks` of ticker.ts: lines that count up from one. */
export const followTicks = (url: string): LongConnection => {
  let count = 0;
  let failure: string | undefined;
  const fail = (reason: string) => {
    failure ??= reason;
  };
  const call = get(url, { agent: false }, (response) => {
    if (response.statusCode !== 200) fail(`status ${response.statusCode}`);
    const lines = createInterface({ input: response });
    lines.on('line', (line) => {
      if (line !== String(++count)) fail(`line ${count} is "${line}"`);
    });
    lines.on('error', (error: Error) => fail(error.message));
    response.on('error', (error) => fail(error.message));
    response.on('close', () => fail('the response has ended'));
  });
  call.on('error', (error) => fail(error.message));
  return { count: () => count, failure: () => failure, close: () => call.destroy() };
};

const PING_EVERY_MS = 100;

/** Sends a line at a time to an echo, and the next one a little after it has come back. */
export const pingOverTcp = (port: number): LongConnection => {
  let count = 0;
  let failure: string | undefined;
  const fail = (reason: string) => {
    failure ??= reason;
  };
  const socket = connect(port, '127.0.0.1');
  const send = () => socket.writable && socket.write(`ping ${count + 1}\n`);
  socket.once('connect', send);
  const lines = createInterface({ input: socket });
  lines.on('line', (line) => {
    if (line !== `ping ${++count}`) fail(`line ${count} is "${line}"`);
    setTimeout(send, PING_EVERY_MS);
  });
  lines.on('error', (error: Error) => fail(error.message));
  socket.on('error', (error) => fail(error.message));
  socket.on('close', () => fail('the connection was closed'));
  return { count: () => count, failure: () => failure, close: () => socket.destroy() };
};
