// The network of a run, inside its own namespace: addresses for Gateways on the loopback interface, and a bridge for Pods.
// Called by the harness and by pods.ts.
import { execFileSync } from 'node:child_process';

/** For Gateways that ask for no address. */
export const GATEWAY_BLOCK = '10.96.0.0/17';
/** A Gateway may ask for this one; the whole block is local. */
export const USABLE_ADDRESS = '10.96.200.1';
/** Nothing of this machine. */
export const UNUSABLE_ADDRESS = '192.0.2.1';

const LOCAL = '10.96.0.1/16';
const BRIDGE = 'pods';
const BRIDGE_ADDRESS = '10.244.0.1/16';

const ip = (...args: string[]): void => {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
};

export const openNetwork = (): void => {
  ip('link', 'set', 'lo', 'up');
  ip('address', 'add', LOCAL, 'dev', 'lo');
  ip('link', 'add', BRIDGE, 'type', 'bridge');
  ip('address', 'add', BRIDGE_ADDRESS, 'dev', BRIDGE);
  ip('link', 'set', BRIDGE, 'up');
};

/** The address of the nth Pod. */
export const podAddress = (n: number): string => `10.244.${1 + Math.floor(n / 250)}.${1 + (n % 250)}`;

/** Run by `sh -c` in a Pod's own namespace: waits for its cable, then becomes the program. */
export const POD_START = `
echo apart
read -r _
ip link set lo up
ip address add "$0/16" dev eth0
ip link set eth0 up
exec "$@"`;

/** Lays a cable from the bridge into the namespace of a process; it goes with that. */
export const connectPod = (n: number, pid: number): void => {
  const outer = `pod${n}`;
  ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${pid}`);
  ip('link', 'set', outer, 'master', BRIDGE, 'up');
};
