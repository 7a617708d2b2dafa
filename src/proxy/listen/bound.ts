// A bound port, whatever comes to it: what proxy.ts does with TCP and UDP listeners alike.
import { messageOf, systemCode } from '../../lib/errors.ts';
import { portHolder } from '../../lib/ports.ts';
import type { Problem } from '../../model/problem.ts';
import type { Listener } from '../../model/snapshot.ts';
import type { LiveChain } from './chain.ts';

export interface BoundAddress {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

export interface Bound {
  readonly listener: Listener;
  readonly chains: readonly LiveChain[];
  readonly bound: BoundAddress;
  readonly accepting: boolean;
  /** Connections or sessions: those that are open, and all since it was bound. */
  readonly connections: number;
  total: number;
  /** Closed because there were too many. */
  readonly overflows: number;
  /** The swap: connections see the new chains at their next request. */
  update(listener: Listener, chains: readonly LiveChain[]): void;
  /** Takes nothing new; what is open goes on. Resolves when the port is free. */
  stopAccepting(): Promise<void>;
  /** It is no longer configured: what is open is finished. Resolves when the port is free. */
  retire(): Promise<void>;
  /** Ends what does nothing. */
  closeIdle(): void;
  destroy(): void;
  /** Resolves when nothing is open any more. */
  empty(): Promise<void>;
}

/** What tells one bound port from another: address and port, or the name where the system chooses the port. */
export const placeOf = ({ name, address, port, transport }: Listener): string =>
  `${port === 0 ? name : `${address}:${port}`}${transport ? `/${transport}` : ''}`;

/** Why a port could not be bound, and what to do. */
export const bindProblem = (listener: Listener, error: unknown): Problem => {
  const where = `${listener.address}:${listener.port}`;
  const code = systemCode(error);
  const path = listener.name;
  if (code === 'EADDRINUSE') {
    const holder = listener.transport === 'udp' ? undefined : portHolder(listener.port);
    return {
      code: 'PORT_TAKEN',
      severity: 'error',
      message: `${where} is already in use${holder ? ` by ${holder}` : ' by another program'}`,
      path,
      hint: 'stop that program, or give this listener another port',
    };
  }
  if (code === 'EACCES' || code === 'EPERM') {
    const message = `this user may not listen on ${where}`;
    return { code: 'PORT_FORBIDDEN', severity: 'error', message, path, hint: 'take a port from 1024 up' };
  }
  const why = code === 'EADDRNOTAVAIL' ? 'address not available on this machine' : messageOf(error);
  const message = `can not listen on ${where}: ${why}`;
  return { code: 'LISTEN_FAILED', severity: 'error', message, path };
};
