// The pages stay true: links lead somewhere, YAML in them is valid, and the table of kinds is that of the registry.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { apiVersionOf, kinds } from '../../src/kinds/registry.ts';
import { formatManifestProblem, parseManifests } from '../../src/kinds/yaml.ts';

const ROOT = join(import.meta.dirname, '../..');
const pages = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
].map((name) => ({ name, text: readFileSync(join(ROOT, name), 'utf8') }));

for (const { name, text } of pages) {
  test(`every link of ${name} leads to a file`, () => {
    const targets = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, target]) => target!);
    const missing = targets.filter(
      (target) => !target.includes('://') && !existsSync(join(ROOT, dirname(name), target)),
    );
    assert.deepEqual(missing, []);
  });

  const blocks = [...text.matchAll(/```yaml\n(.*?)```/gs)].map(([, block]) => block!);
  if (blocks.length === 0) continue;
  test(`the YAML in ${name} is valid`, () => {
    const problems = blocks.flatMap((block) => parseManifests(block, { file: name }).problems);
    assert.deepEqual(problems.map(formatManifestProblem), []);
  });
}

const row = /^\| ([A-Z][A-Za-z, ]+) \| `([^`]+)` \| (.*?) *\|$/gm;

test('the table of kinds in docs/resources.md is that of the registry', () => {
  const { text } = pages.find(({ name }) => name === 'docs/resources.md')!;
  const listed = [...text.matchAll(row)].flatMap(([, names, apiVersion, also]) =>
    names!.split(', ').map((kind) => `${kind} ${apiVersion} ${also!.replaceAll('`', '')}`.trim()),
  );
  const known = kinds.map((kind) => `${kind.kind} ${apiVersionOf(kind)} ${kind.alsoServed.join(', ')}`.trim());
  assert.deepEqual(listed.sort(), known.sort());
});

test('the commands of README.md are those of the program', () => {
  const { text } = pages.find(({ name }) => name === 'README.md')!;
  const shell = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!).join('\n');
  const used = new Set([...shell.matchAll(/^weft ([a-z]+)/gm)].map(([, command]) => command!));
  const missing = [...used].filter((command) => !existsSync(join(ROOT, 'src/cli', `${command}.ts`)));
  assert.deepEqual(missing, []);
  for (const file of shell.match(/examples\/\S+/g)!) assert.ok(existsSync(join(ROOT, file)), file);
});
