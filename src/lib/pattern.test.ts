import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePattern } from './pattern.ts';

const cases: Record<string, { pattern: string; yes?: string[]; no?: string[] }> = {
  'a literal matches itself and nothing longer': { pattern: '/a', yes: ['/a'], no: ['/ab', 'x/a', '', '/A'] },
  'the empty pattern matches the empty text': { pattern: '', yes: [''], no: ['a'] },
  'a choice takes one side, as a whole': { pattern: 'ab|cd|', yes: ['ab', 'cd', ''], no: ['abcd', 'acd'] },
  'star, plus and question mark': { pattern: 'a*b+c?', yes: ['b', 'aabbc', 'bc'], no: ['a', 'acc', 'bcc'] },
  'counted repetition': { pattern: '(ab){2,3}', yes: ['abab', 'ababab'], no: ['ab', 'abababab'] },
  'an open count': { pattern: 'a{2,}', yes: ['aa', 'aaaaa'], no: ['a'] },
  'an exact count': { pattern: '\\d{3}', yes: ['123'], no: ['12', '1234'] },
  'a brace that is no count is a letter': { pattern: 'a{x}', yes: ['a{x}'] },
  'classes, ranges and their opposites': { pattern: '[a-c_][^/]*', yes: ['a', '_xy', 'cat'], no: ['d', 'a/b', ''] },
  'a closing bracket in front is a letter': { pattern: '[]a]+', yes: [']a]'] },
  'a hyphen at the end is a letter': { pattern: '[a-]+', yes: ['a-a'], no: ['b'] },
  'classes with names': { pattern: '[[:alpha:]]+[[:^digit:]]', yes: ['ab-'], no: ['ab1', '1a'] },
  'digit, word and space classes': { pattern: '\\w+\\s\\D[\\d.]+', yes: ['ab x1.5'], no: ['ab 11'] },
  'the dot takes anything but a line feed': { pattern: '.+', yes: ['a/ÿ'], no: ['a\nb', ''] },
  'the flag s lets the dot take a line feed': { pattern: '(?s).+', yes: ['a\nb'] },
  'the flag i forgets case': { pattern: '(?i)ab[c-d]', yes: ['ABC', 'abD'], no: ['abe'] },
  'the flag i of one group ends with it': { pattern: '(?i:a)b', yes: ['Ab'], no: ['AB'] },
  'named groups are groups': { pattern: '(?P<x>a)(?<y>b)(?:c)', yes: ['abc'] },
  'anchors at the ends change nothing': { pattern: '^/a$', yes: ['/a'], no: ['/ab'] },
  'anchors in the middle never match': { pattern: 'a^b|a$b', no: ['ab', 'a'] },
  'anchors in a choice': { pattern: '(^|/)a($|/)', yes: ['a', '/a', 'a/', '/a/'], no: ['ba'] },
  'escaped letters of the syntax': { pattern: '\\.\\*\\[\\\\\\x2F', yes: ['.*[\\/'] },
  'quoted text': { pattern: '\\Qa.b*\\E+', yes: ['a.b*'], no: ['axb'] },
  'a letter beyond ASCII is its UTF-8 bytes': { pattern: 'é', yes: [Buffer.from('é').toString('latin1')] },
  'nothing beyond latin1 matches': { pattern: '.*', no: ['€'] },
  'lazy repetition finds the same': { pattern: 'a+?b*?', yes: ['aab'] },
  'empty loops end': { pattern: '(a*)*(|b)*', yes: ['', 'aab'] },
  'a typical path': {
    pattern: '/v[0-9]+/users/[^/]+(/.*)?',
    yes: ['/v1/users/x', '/v22/users/x/y'],
    no: ['/v/users/x'],
  },
};

for (const [name, { pattern, yes = [], no = [] }] of Object.entries(cases)) {
  test(name, () => {
    const compiled = compilePattern(pattern);
    for (const text of yes) assert.equal(compiled.matches(text), true, `${pattern} on ${JSON.stringify(text)}`);
    for (const text of no) assert.equal(compiled.matches(text), false, `${pattern} on ${JSON.stringify(text)}`);
  });
}

const refused: Record<string, string> = {
  'look-ahead': '(?=a)',
  'look-behind': '(?<=a)b',
  'back-reference': '(a)\\1',
  'word border': '\\bx',
  'unicode class': '\\pL',
  'open group': '(a',
  'closing without opening': 'a)',
  'open class': '[a',
  'range backwards': '[b-a]',
  'nothing to repeat': '*a',
  'repeated repetition': 'a**',
  'large count': 'a{1001}',
  'count backwards': 'a{3,2}',
  'trailing backslash': 'a\\',
  'unknown class name': '[[:foo:]]',
  'too large a program': '((a{100}){100}){100}',
  'too deep': `${'('.repeat(200)}a${')'.repeat(200)}`,
  'too long': 'a'.repeat(1025),
};

for (const [name, pattern] of Object.entries(refused)) {
  test(`refuses with a clear error: ${name}`, () => {
    assert.throws(() => compilePattern(pattern), { code: 'PATTERN_INVALID', message: /regular expression/ });
  });
}

test('loops of nothing end at once', () => {
  assert.equal(compilePattern('((((){1000}){1000}){1000}){1000}').matches(''), true);
});

test('patterns that stall a backtracking engine take time in proportion to the text', () => {
  const pattern = compilePattern('(a+)+(a|aa)*b');
  assert.equal(pattern.matches('a'.repeat(60_000)), false);
  assert.equal(pattern.matches(`${'a'.repeat(60_000)}b`), true);
});

test('stays right when it must forget its states', () => {
  // Needs about 2^12 states: whether the 12th letter from the end is an a.
  const pattern = compilePattern('[ab]*a[ab]{11}');
  let seed = 7;
  let text = '';
  for (let i = 0; i < 3_000; i++) {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    text += seed & 65536 ? 'a' : 'b';
  }
  for (let end = 2_950; end < 2_960; end++) {
    assert.equal(pattern.matches(text.slice(0, end)), text[end - 12] === 'a');
  }
});

test('agrees with RegExp on random patterns', () => {
  let seed = 11;
  const random = (n: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * n);
  };
  const make = (depth: number): string => {
    const kind = depth ? random(6) : random(2);
    if (kind === 0) return 'ab'[random(2)]!;
    if (kind === 1) return ['[ab]', '.', '[^a]'][random(3)]!;
    if (kind === 2) return make(depth - 1) + make(depth - 1);
    if (kind === 3) return `(${make(depth - 1)}|${make(depth - 1)})`;
    return `(${make(depth - 1)})${['*', '+', '?', '{1,2}'][random(4)]}`;
  };
  for (let i = 0; i < 400; i++) {
    const source = make(3);
    const ours = compilePattern(source);
    const theirs = new RegExp(`^(?:${source})$`);
    for (const text of ['', 'a', 'b', 'ab', 'ba', 'aab', 'abab', 'bbaa', 'c']) {
      assert.equal(ours.matches(text), theirs.test(text), `${source} on "${text}"`);
    }
  }
});
