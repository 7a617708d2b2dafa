// Ports on loopback: whether one is free, and free ones for sidecars. Called by up.ts and run.ts.
import { createServer, type Server } from 'node:net';
import { systemCode, WeftError } from '../lib/errors.ts';
import { bindError } from '../lib/ports.ts';

/** A port that is held until `release`, so that nobody takes it before its user listens on it. */
export interface HeldPort {
  readonly port: number;
  release(): Promise<void>;
}

const listen = (address: string, port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ host: address, port, exclusive: true }, () => resolve(server));
  });

const held = (server: Server): HeldPort => {
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    release: () => new Promise((resolve) => server.close(() => resolve())),
  };
};

// Below the kernel's range for outgoing connections, which would otherwise take a port between choosing and listening.
const [FIRST, COUNT] = [16_000, 16_000];

// Each process looks in places of its own, and nowhere twice: programs that start together would now and then choose the same
// port otherwise, each before the other listens there.
const PLACES_OF_PROCESS = 16;
let looked = 0;
const nextPlace = (): number => FIRST + ((process.pid * PLACES_OF_PROCESS + looked++) % COUNT);

/** Holds a free port for a listener that starts a moment later. */
export const holdFreePort = async (address: string): Promise<HeldPort> => {
  for (let attempt = 0; attempt < COUNT; attempt++) {
    try {
      return held(await listen(address, nextPlace()));
    } catch (error) {
      if (systemCode(error) !== 'EADDRINUSE' && systemCode(error) !== 'EACCES') throw error;
    }
  }
  throw new WeftError('NO_FREE_PORT', `no free port found on ${address}`, {
    hint: 'end programs that hold many ports',
  });
};

/** A port number that was free a moment ago. */
export const findFreePort = async (address: string): Promise<number> => {
  const port = await holdFreePort(address);
  await port.release();
  return port.port;
};

/** Throws PORT_TAKEN, naming the program, when something listens on the port already. */
export const requireFreePort = async (address: string, port: number, use: string, flag?: string): Promise<void> => {
  if (port === 0) return;
  try {
    await held(await listen(address, port)).release();
  } catch (cause) {
    throw bindError(cause, { address, port, use, flag });
  }
};
