// Which program moves the bytes: the options of up, run and proxy.
import { Option } from 'commander';

export const engineOption = (): Option =>
  new Option('--engine ENGINE', 'The data plane: weft or envoy.').choices(['weft', 'envoy']).default('weft');

export const envoyOption = (): Option =>
  new Option('--envoy FILE', 'The Envoy binary; else $WEFT_ENVOY, PATH, and where pip puts it.');
