// Logs each problem once, when it appears, and says when it is gone. Used by control.ts.
import type { Log } from '../lib/log.ts';
import type { Problem } from '../model/problem.ts';

// A broken import of thousands of resources must not flood the log; the API has them all.
const MAX_LINES = 20;

export class ProblemLog {
  readonly #log: Log;
  #known = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  update(problems: readonly Problem[]): void {
    const now = new Set<string>();
    let fresh = 0;
    for (const { code, severity, message, resource, path, hint } of problems) {
      const where = resource
        ? `${resource.kind} ${resource.namespace ? `${resource.namespace}/` : ''}${resource.name}`
        : '';
      const id = `${code} ${where} ${path ?? ''} ${message}`;
      if (now.has(id)) continue;
      now.add(id);
      if (this.#known.has(id)) continue;
      fresh++;
      if (fresh > MAX_LINES) continue;
      const fields = { code, resource: where, ...(path ? { path } : {}), ...(hint ? { hint } : {}) };
      this.#log[severity === 'error' ? 'warn' : 'info'](message, fields);
    }
    if (fresh > MAX_LINES) this.#log.warn(`${fresh - MAX_LINES} more problems`);
    this.#known = now;
  }
}
