// Which program moves the bytes: the options of up, run and proxy.
import { Option } from 'commander';
import { WeftError } from '../lib/errors.ts';

export const engineOption = (): Option =>
  new Option('--engine ENGINE', 'The data plane: weft or envoy.').choices(['weft', 'envoy']).default('weft');

const MAX_CORES = 256;

const concurrencyFlag = (value: string): number | 'auto' => {
  const count = Number(value);
  if (value === 'auto' || (/^\d{1,3}$/.test(value) && count >= 1 && count <= MAX_CORES))
    return value === 'auto' ? value : count;
  throw new WeftError('USAGE', `--concurrency "${value}" is not auto or a number of cores (1 to ${MAX_CORES})`);
};

export const concurrencyOption = (): Option =>
  new Option('--concurrency N', 'On how many cores it works; auto: on all of this machine. Else on one.').argParser(
    concurrencyFlag,
  );

export const envoyOption = (): Option =>
  new Option('--envoy FILE', 'The Envoy binary; else $WEFT_ENVOY, PATH, and where pip puts it.');
