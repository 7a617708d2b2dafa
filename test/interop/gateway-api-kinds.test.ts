// Every kind of the Gateway API against what is published: names, fields, defaults, bounds and rules. The validator of Kubernetes'
// API server and Weft's admission get the same objects and must say the same, at the same place.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { findKind, kinds } from '../../src/kinds/registry.ts';
import { validateResource } from '../../src/kinds/validate.ts';
import { type Json, officialVerdicts, type Verdict } from '../fakes/crd-validator.ts';
import { type PublishedSchema, type PublishedVersion, publishedKinds, publishedObjects } from './published-kinds.ts';
import { shapesOf, type Variation, Variations, withValue } from './variations.ts';

interface Seeds {
  readonly objects: readonly Json[];
  readonly changes: readonly {
    readonly kinds: readonly string[];
    readonly at: string;
    readonly values: readonly unknown[];
  }[];
}

const SEEDS = join(import.meta.dirname, 'gateway-api-seeds.yaml');
// Through JSON: what is shared in the file must not be shared here, where one place is changed.
const read = parse(readFileSync(SEEDS, 'utf8'), { maxAliasCount: -1 });
const { objects, changes } = JSON.parse(JSON.stringify(read)) as Seeds;
// XBackend, XMesh and XTelemetryPolicy are for other parts than gateways; Weft does not have them.
const published = publishedKinds().filter(({ names }) => kinds.some(({ kind }) => kind === names.kind));

const versionOf = ({ apiVersion, kind }: Json): PublishedVersion | undefined => {
  const [group, version] = String(apiVersion).split('/');
  const known = published.find((candidate) => candidate.group === group && candidate.names.kind === kind);
  return known?.versions.find(({ name }) => name === version);
};

const schemaOf = (object: Json): PublishedSchema => versionOf(object)!.schema.openAPIV3Schema;

/** Places where Weft differs on purpose, by the name of the variation; few, and each with its reason. */
const DIFFERENT: readonly { readonly where: RegExp; readonly why: string }[] = [
  { where: /can't be used: /, why: 'an expression that one of the engines could not read is refused at once' },
  {
    where: /own: .*operator: "[^"]*" is not one of "In", "NotIn"/,
    why: 'a selector with another operator selects nothing',
  },
  { where: /value: "010.0.0.1"|"010.0.0.1" is not an IP/, why: 'programs differ in how they read a leading zero' },
  { where: /^v1alpha2 TLSRoute spec.rules: /, why: 'a second rule without matches would never be reached; v1 has one' },
  { where: /lastTransitionTime: (\[|\{)/, why: 'Kubernetes takes a list where a time must be' },
];

/** Rules that no new object can break: one is about changes, and one repeats an enum. */
const NEVER_BROKEN = [
  'spec.controllerName field is immutable',
  "spec.rules[].matches[].path type must be one of ['Exact', 'PathPrefix', 'RegularExpression']",
];

const changed = (): Variation[] =>
  changes.flatMap(({ kinds: names, at, values }) =>
    names.flatMap((kind) => {
      const object = objects.find((candidate) => candidate.kind === kind)!;
      const steps = at.split('.').map((step) => (/^\d+$/.test(step) ? Number(step) : step));
      return values.map((value) => ({
        name: `${kind} ${at}: ${JSON.stringify(value)}`,
        object: withValue(object, steps, value),
      }));
    }),
  );

const content = ({ apiVersion: _, metadata: __, ...rest }: Json): Json => rest;

interface Fault {
  readonly path: string;
  readonly message: string;
  readonly type: string;
}

/** What is not the same; empty where all is. */
const difference = (object: Json, verdict: Verdict): string => {
  const kind = findKind(String(object.apiVersion), String(object.kind))!;
  const { resource, problems, warnings } = validateResource(kind, object);
  const own = problems.map(({ path = '', message, code, fault }) => ({
    path,
    message,
    type: `FieldValue${fault ?? (code === 'REQUIRED_FIELD' ? 'Required' : 'Invalid')}`,
  }));
  const isSame =
    problems.length > 0 === verdict.problems.length > 0 && (problems.length === 0 || sameFaults(own, verdict));
  if (!isSame) {
    const official = verdict.problems.map(({ type, field, detail }) => `${type} ${field}: ${detail}`);
    const said = (texts: readonly string[]) => texts.join('; ').slice(0, 400);
    return `official: ${said(official)}\n  own: ${said(own.map(({ type, message }) => `${type} ${message}`))}`;
  }
  if (problems.length > 0) return '';
  const unknown = [warnings.map(({ path }) => path), verdict.unknown ?? []].map((paths) => [...paths].sort());
  if (!sameJson(unknown[0], unknown[1])) return `unknown fields: ${unknown.join(' and ')}`;
  const taken = [resource as unknown as Json, verdict.object].map(content);
  return sameJson(taken[0], taken[1]) ? '' : `after defaults: ${taken.map((one) => JSON.stringify(one)).join('\n  ')}`;
};

/** A rule of a list or object is at that place in Kubernetes; here its problem is at the field that it is about. */
const within = (inner: string, outer: string): boolean =>
  inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`);

const sameFaults = (own: readonly Fault[], { problems }: Verdict): boolean => {
  // What Kubernetes says without a place, it mostly says again with one.
  const placed = problems.filter(({ field }) => field !== '<nil>');
  // A list that is too long is not looked through here.
  const isMissing = placed.some(
    ({ field }) =>
      !own.some(({ path, type }) => within(path, field) || (type === 'FieldValueTooMany' && within(field, path))),
  );
  // Rules are not tried by Kubernetes where the shape is wrong.
  const isWhole = placed.length === problems.length && problems.every(({ type }) => RULES_GO_ON.has(type));
  const isMore = isWhole && own.some(({ path }) => !placed.some(({ field }) => within(path, field)));
  const isOther = own.some(({ path, type }) => {
    const here = placed.filter(({ field }) => field === path);
    // To Kubernetes an address is a type.
    return here.length > 0 && !here.some((problem) => problem.type === type || problem.detail.includes('of type ipv4'));
  });
  return !isMissing && !isMore && !isOther;
};

const RULES_GO_ON: ReadonlySet<string> = new Set(['FieldValueInvalid', 'FieldValueDuplicate']);

const sameJson = (a: unknown, b: unknown): boolean => {
  try {
    assert.deepStrictEqual(a, b);
    return true;
  } catch {
    return false;
  }
};

describe('the kinds of the Gateway API', () => {
  it('have the published names, versions and columns', () => {
    for (const { group, scope, names, versions } of published) {
      const [own] = kinds.filter(({ kind, group: of }) => kind === names.kind && of === group);
      assert.ok(own, names.kind);
      assert.deepEqual(
        [own.plural, own.singular, own.shortNames, own.namespaced ? 'Namespaced' : 'Cluster'],
        [names.plural, names.singular, names.shortNames ?? [], scope],
      );
      const served = versions.filter((version) => version.served).map(({ name }) => name);
      assert.deepEqual([own.version, ...own.alsoServed].sort(), served.sort(), names.kind);
      const [{ subresources = {}, additionalPrinterColumns = [] }] = versions as [PublishedVersion];
      assert.equal(own.statusSubresource, 'status' in subresources, names.kind);
      const columns = additionalPrinterColumns.filter(({ name }) => name !== 'Age');
      assert.deepEqual(
        own.columns.map(({ name, wide = false }) => [name, wide]),
        columns.map(({ name, priority = 0 }) => [name, priority > 0]),
      );
    }
  });

  it('are all in the objects that this test begins with, with every field', () => {
    for (const { group, names, versions } of published) {
      const [{ name, schema }] = versions as [PublishedVersion];
      const has = new Set(
        objects
          .filter((object) => object.apiVersion === `${group}/${name}` && object.kind === names.kind)
          .flatMap((object) => presentShapes(object)),
      );
      const { spec, status } = schema.openAPIV3Schema.properties!;
      const wanted = [...shapesOf(spec!, 'spec'), ...(status ? shapesOf(status, 'status') : [])];
      assert.deepEqual(
        wanted.filter((shape) => !has.has(shape)),
        [],
        names.kind,
      );
    }
  });
});

const presentShapes = (value: unknown, path = ''): string[] => {
  if (Array.isArray(value)) return [path, ...value.flatMap((item) => presentShapes(item, `${path}[]`))];
  if (typeof value !== 'object' || value === null) return [path];
  return [
    path,
    ...Object.entries(value).flatMap(([name, field]) => presentShapes(field, path ? `${path}.${name}` : name)),
  ];
};

describe('admission and the validator of Kubernetes', () => {
  let cases: Variation[] = [];
  let verdicts: Verdict[] = [];

  before(() => {
    const variations = new Variations();
    const given = [...objects, ...publishedObjects().filter((object) => versionOf(object))];
    cases = [
      ...given.map((object) => ({ name: `${object.kind} ${(object.metadata as Json).name} as published`, object })),
      ...changed(),
      ...objects.flatMap((object) => variations.of(schemaOf(object), object)),
    ];
    verdicts = officialVerdicts(cases);
    assert.equal(verdicts.length, cases.length);
  });

  it('say the same of every object', () => {
    const differences = cases.flatMap(({ name, object }, i) => {
      const found = difference(object, verdicts[i]!);
      return found ? [`${name}\n  ${found}`] : [];
    });
    const unexpected = differences.filter((text) => !DIFFERENT.some(({ where }) => where.test(text)));
    assert.equal(
      unexpected.length,
      0,
      `${unexpected.length} of ${cases.length}:\n${unexpected.slice(0, 40).join('\n')}`,
    );
    for (const { where } of DIFFERENT)
      assert.ok(
        differences.some((text) => where.test(text)),
        `${where} is no difference any more`,
      );
  });

  it('try every rule, at every place that has one', () => {
    const said = new Set(
      verdicts.flatMap(({ problems }) => problems.map(({ field, detail }) => `${shape(field)} ${detail}`)),
    );
    const rulesOf = (schema: PublishedSchema, path: string): string[] => [
      ...(schema['x-kubernetes-validations'] ?? []).map(({ message }) => `${path} ${message}`),
      ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
        rulesOf(field, path ? `${path}.${name}` : name),
      ),
      ...(schema.items ? rulesOf(schema.items, `${path}[]`) : []),
    ];
    const rules = published.flatMap(({ versions }) => rulesOf(versions[0]!.schema.openAPIV3Schema, ''));
    assert.ok(rules.length > 200);
    const silent = new Set(rules.filter((rule) => !said.has(rule)));
    assert.deepEqual([...silent].sort(), NEVER_BROKEN);
  });
});

const shape = (path: string): string => path.replaceAll(/\[\d+\]/g, '[]');
