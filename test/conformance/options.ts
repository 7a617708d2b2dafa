// What run.ts tells the harness that it starts.
import type { Tools } from './tools.ts';

export interface HarnessOptions {
  readonly tools: Tools;
  /** For state and logs. */
  readonly folder: string;
  readonly engine: string;
  /** Further flags of the suite. */
  readonly suiteFlags: readonly string[];
  /** Only the features that the GatewayClass claims. */
  readonly claimed: boolean;
}
