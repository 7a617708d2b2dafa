// Golden cases: each file in cases/ has resources (`# input`), perhaps proxies (`# node`), and the parts of the result that
// it is about (`# mesh PATH`, `# snapshot NODE PATH`, `# status KIND/NAME`, `# problems`). GOLDEN=1 rewrites them, `npm run fix` formats them.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse, parseAllDocuments, stringify } from 'yaml';
import type { ProxyNode } from '../model/node.ts';
import { qualifiedName, type Resource } from '../model/resource.ts';
import { type Compiled, openCompiler } from './compiler.ts';

interface Section {
  readonly title: string;
  readonly kind: string;
  readonly rest: string;
  readonly body: string;
}

const dir = join(import.meta.dirname, 'cases');
const NOW_MS = Date.UTC(2026, 0, 1);

/** Sections are YAML documents that begin with their title; an input goes on over further documents. */
const parseSections = (text: string): { preamble: string; sections: Section[] } => {
  const parts = text.split(/^(?:---\n)?(?=# (?:input|node|mesh|snapshot|status|problems)\b)/m);
  const preamble = parts[0]?.startsWith('# input') ? '' : (parts.shift() ?? '');
  const sections = parts.map((part) => {
    const end = part.indexOf('\n');
    const title = part.slice(0, end);
    const [, kind = '', rest = ''] = /^# (\w+) ?(.*)$/.exec(title) ?? [];
    return { title, kind, rest, body: part.slice(end + 1) };
  });
  return { preamble, sections };
};

const node = (given: Partial<ProxyNode>): ProxyNode => {
  const { role = 'sidecar', name = 'proxy', namespace = 'default' } = given;
  return {
    id: `${role}~127.0.0.1~${name}.${namespace}~${namespace}.svc.cluster.local`,
    role,
    engine: 'weft',
    name,
    namespace,
    serviceAccount: name,
    labels: {},
    localPorts: [],
    ports: {},
    appAddress: '127.0.0.1',
    ...given,
  };
};

/** Maps as objects, so that YAML shows them. */
const plain = (value: unknown): unknown => {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
};

const at = (value: unknown, path: string): unknown =>
  path
    .split(' > ')
    .filter((step) => step)
    .reduce<unknown>((inner, step) => (inner as Record<string, unknown> | undefined)?.[step], plain(value));

const sectionValue = (section: Section, compiled: Compiled, snapshot: (name: string) => unknown): unknown => {
  const { kind, rest } = section;
  if (kind === 'mesh') return at(compiled.mesh, rest);
  if (kind === 'snapshot') {
    const [name = '', ...path] = rest.split(' ');
    return at(snapshot(name), path.join(' '));
  }
  if (kind === 'status') {
    const found = [...compiled.statuses.values()].find(
      ({ resource }) => `${resource.kind} ${qualifiedName(resource.metadata)}` === rest,
    );
    return plain(found?.status);
  }
  return compiled.problems.map(({ code, severity, message, resource, path, hint }) =>
    [
      severity,
      code,
      `${resource?.kind} ${resource?.namespace ?? ''}/${resource?.name}`,
      path ?? '',
      message,
      hint ?? '',
    ]
      .filter((part) => part)
      .join(' | '),
  );
};

const run = (sections: readonly Section[]): string[] => {
  const of = (kind: string) => sections.filter((section) => section.kind === kind);
  const resources = of('input').flatMap(({ body }) =>
    parseAllDocuments(body).flatMap((document) => (document.toJS() as Resource | null) ?? []),
  );
  const nodes = of('node').map(({ body }) => node(parse(body) as Partial<ProxyNode>));
  const compiler = openCompiler({ trustDomain: 'cluster.local' });
  const gatewayAddresses = nodes.filter(({ role }) => role === 'gateway').map(() => ({ address: '127.0.0.1' }));
  const compiled = compiler.compile(resources, { revision: 1, nowMs: NOW_MS, gatewayAddresses });
  const snapshot = (name: string) => {
    const found = nodes.find((candidate) => candidate.name === name);
    assert.ok(found, `no node ${name}`);
    return compiler.snapshotFor(compiled.mesh, found);
  };
  return sections.map((section) =>
    section.kind === 'input' || section.kind === 'node'
      ? section.body
      : stringify(sectionValue(section, compiled, snapshot) ?? null, { lineWidth: 120, aliasDuplicateObjects: false }),
  );
};

describe('compile', () => {
  for (const file of readdirSync(dir).sort()) {
    it(file.replace(/\.yaml$/, '').replaceAll('-', ' '), () => {
      const path = join(dir, file);
      const { preamble, sections } = parseSections(readFileSync(path, 'utf8'));
      const bodies = run(sections);
      if (process.env.GOLDEN) {
        const text = sections.map(({ title }, i) => `${title}\n${bodies[i]}`).join('---\n');
        writeFileSync(path, preamble ? `${preamble}---\n${text}` : text);
        return;
      }
      for (const [i, section] of sections.entries()) {
        if (section.kind === 'input' || section.kind === 'node') continue;
        assert.deepEqual(parse(bodies[i]!), parse(section.body), section.title);
      }
    });
  }
});
