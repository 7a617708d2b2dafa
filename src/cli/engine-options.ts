// Which program moves the bytes: the options of up, run and proxy.
import { Option } from 'commander';
import type { DrainSettings } from '../app/drain.ts';
import { WeftError } from '../lib/errors.ts';
import { portFlag, spanFlag } from './flag-values.ts';

/** The heading of what is said of a proxy. */
export const PROXY = 'Proxy:';

export const engineOption = (): Option =>
  new Option('--engine ENGINE', 'The data plane.').choices(['weft', 'envoy']).default('weft').helpGroup(PROXY);

export interface HboneFlags {
  readonly engine: 'weft' | 'envoy';
  readonly hbonePort?: number | 'off';
}

const parseHbonePort = portFlag('--hbone-port', 1);

export const hboneOption = (): Option =>
  new Option('--hbone-port PORT', 'Where peers may reach it by HBONE, e.g. 15008; or off.')
    .helpGroup(PROXY)
    .argParser((value: string) => (value === 'off' ? value : parseHbonePort(value)))
    .default('off');

/** Undefined: it is off. */
export const hbonePortOf = ({ engine, hbonePort }: HboneFlags): number | undefined => {
  if (hbonePort === undefined || hbonePort === 'off') return undefined;
  if (engine === 'weft') return hbonePort;
  throw new WeftError('USAGE', '--hbone-port is for the engine weft', {
    hint: 'with Envoy peers reach it by mutual TLS without HBONE',
  });
};

const MAX_CORES = 256;

const concurrencyFlag = (value: string): number | 'auto' => {
  const count = Number(value);
  if (value === 'auto' || (/^\d{1,3}$/.test(value) && count >= 1 && count <= MAX_CORES))
    return value === 'auto' ? value : count;
  throw new WeftError('USAGE', `--concurrency "${value}" is not auto or a number of cores (1 to ${MAX_CORES})`);
};

export const concurrencyOption = (): Option =>
  new Option('--concurrency N', 'Cores that it works on, one unless told otherwise; auto: all of this machine.')
    .helpGroup(PROXY)
    .argParser(concurrencyFlag);

const DRAIN = { lowest: '0s', highest: '1h' };

export interface DrainFlags {
  readonly drainDelay?: number;
  readonly drainTime?: number;
}

/** How a proxy ends. */
export const drainOptions = (): Option[] => [
  new Option(
    '--drain-delay SPAN',
    'At the end: from failing readiness to closing the ports; 5s where something asks for readiness, else none.',
  )
    .helpGroup(PROXY)
    .argParser(spanFlag('--drain-delay', DRAIN.lowest, DRAIN.highest)),
  new Option(
    '--drain-time SPAN',
    'At the end: what requests under way get; 10s for a gateway, 5s for a sidecar unless told otherwise.',
  )
    .helpGroup(PROXY)
    .argParser(spanFlag('--drain-time', DRAIN.lowest, DRAIN.highest)),
];

export const drainSettingsOf = ({ drainDelay, drainTime }: DrainFlags): { drain: DrainSettings } => ({
  drain: { delayMs: drainDelay, timeMs: drainTime },
});

/** The same as flags, for a proxy that another command starts. */
export const drainFlags = ({ drainDelay, drainTime }: DrainFlags): string[] => [
  ...(drainDelay === undefined ? [] : [`--drain-delay=${drainDelay / 1000}s`]),
  ...(drainTime === undefined ? [] : [`--drain-time=${drainTime / 1000}s`]),
];

export const envoyOption = (): Option =>
  new Option('--envoy FILE', 'The Envoy binary; else $WEFT_ENVOY, PATH, and where pip puts it.').helpGroup(PROXY);
