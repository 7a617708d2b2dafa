// Weft's own proxy as the engine of a gateway without a control plane. Loaded by standalone.ts.
import { systemClock } from '../lib/clock.ts';
import { systemRandom } from '../lib/random.ts';
import { openProxy } from '../proxy/proxy.ts';
import type { StandaloneEngine, StandaloneEngineOptions } from './standalone-engine.ts';

export const openStandaloneWeft = ({ node, onEvent, log }: StandaloneEngineOptions): StandaloneEngine =>
  openProxy({
    node,
    onEvent: onEvent ?? (() => {}),
    clock: systemClock,
    random: systemRandom,
    log: log.child('engine'),
  });
