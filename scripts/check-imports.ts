// Holds the import table of ARCHITECTURE.md against the code, and keeps time and chance inside lib/.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const source = join(root, 'src');

const allowed = new Map<string, Set<string> | 'all but cli'>();
for (const line of readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8').split('\n')) {
  const row = /^\| ([a-z]+) \| .+ \| (.+) \|$/.exec(line);
  if (!row || row[1] === 'folder') continue;
  const [, folder, list] = row as unknown as [string, string, string];
  if (list === 'every folder but cli') allowed.set(folder, 'all but cli');
  else allowed.set(folder, new Set(list === 'nothing' ? [] : list.split(', ')));
}

const problems: string[] = [];
const FORBIDDEN = /\b(Date\.now|new Date\(\)|Math\.random|(?<![.\w])setTimeout\(|(?<![.\w])setInterval\()/;
// The proxy runs on other runtimes too, and must stay light: Node's own modules only.
const NODE_ONLY = new Set(['proxy', 'model', 'policy', 'lib']);

const checkFile = (path: string) => {
  const name = relative(root, path);
  const folder = relative(source, path).split('/')[0]!;
  const isTest = /\.test\.ts$|\/cases\/|-suite\.ts$/.test(path);
  const text = readFileSync(path, 'utf8');
  if (folder === 'main.ts' || folder === 'gen') return;
  const permitted = allowed.get(folder);
  if (!permitted) {
    problems.push(`${name}: the folder ${folder} is not in the table of ARCHITECTURE.md`);
    return;
  }
  for (const [, target] of text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
    if (!target!.startsWith('.')) {
      if (NODE_ONLY.has(folder) && !isTest && !target!.startsWith('node:')) {
        problems.push(`${name}: imports ${target}; ${folder} uses Node's own modules only`);
      }
      continue;
    }
    const other = relative(source, join(dirname(path), target!)).split('/')[0]!;
    if (other === folder || other === 'lib' || (isTest && other === '..')) continue;
    if (permitted === 'all but cli' ? other === 'cli' : !permitted.has(other)) {
      problems.push(`${name}: ${folder} may not import ${other} (${target})`);
    }
  }
  if (folder === 'lib' || isTest) return;
  if (/^import (?!type\b).+ from 'node:http'/m.test(text)) problems.push(`${name}: node:http comes from lib/http.ts`);
  text.split('\n').forEach((line, i) => {
    if (FORBIDDEN.test(line)) problems.push(`${name}:${i + 1}: time and chance come from lib/: ${line.trim()}`);
  });
};

for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
  if (entry.isFile() && entry.name.endsWith('.ts')) checkFile(join(entry.parentPath, entry.name));
}
for (const problem of problems) console.error(problem);
console.log(problems.length ? `${problems.length} import problems` : 'imports: ok');
process.exit(problems.length ? 1 : 0);
