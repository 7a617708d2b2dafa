import { deepEqual, equal, match } from 'node:assert/strict';
import { test } from 'node:test';
import { fakeTerminal } from '../../test/fakes/terminal.ts';
import { commands } from './commands.ts';
import { commandFirst, runProgram } from './program.ts';

test('the command may stand behind shared options', () => {
  const cases: [string[], string[]][] = [
    [
      ['get', 'services'],
      ['get', 'services'],
    ],
    [
      ['-n', 'get', 'get', 'services'],
      ['get', '-n', 'get', 'services'],
    ],
    [
      ['--data-dir=x', 'get'],
      ['get', '--data-dir=x'],
    ],
    [
      ['run', '--', 'node', 'a.js'],
      ['run', '--', 'node', 'a.js'],
    ],
    [['--help'], ['--help']],
    [[], []],
  ];
  for (const [args, want] of cases) deepEqual(commandFirst(args), want);
});

test('without a command, or with --help, it shows the commands', async () => {
  for (const args of [[], ['--help'], ['-h'], ['help']]) {
    const terminal = fakeTerminal();
    equal(await runProgram(args, terminal), 0);
    for (const { name, summary } of commands) match(terminal.out(), new RegExp(`${name} +${summary}`));
  }
});

test('every command has a help with one sentence, examples and options', async () => {
  for (const { name } of commands) {
    const terminal = fakeTerminal();
    equal(await runProgram([name, '--help'], terminal), 0);
    match(terminal.out(), /^[A-Z][^\n]+\.\n\nExamples:\n( {2}.+\n)+\nUsage: weft /, name);
    match(terminal.out(), / {2}-h, --help +Show this help\./, name);
    equal(terminal.err(), '');
    const asked = fakeTerminal();
    await runProgram(['help', name], asked);
    equal(asked.out(), terminal.out());
  }
});

test('every option of every command says what it is for', async () => {
  for (const { load, name } of commands) {
    const command = (await load()).command(fakeTerminal());
    for (const one of [command, ...command.commands]) {
      for (const option of one.options) match(option.description, /^.+\.$/, `${name} ${option.flags}`);
    }
  }
});

test('wrong usage ends with 2 and the nearest right word', async () => {
  const cases: Record<string, RegExp> = {
    gte: /^error: unknown command "gte" \(USAGE\)\n {2}try: weft get\n$/,
    'frobnicate now': /^error: unknown command "frobnicate" \(USAGE\)\n {2}try: "weft --help" lists the commands\n$/,
    'flows --fllow': /^error: unknown option '--fllow' \(USAGE\)\n {2}try: --follow\n$/,
    'version --nonsense-at-all':
      /^error: unknown option '--nonsense-at-all' \(USAGE\)\n {2}try: weft version --help\n$/,
    '--nonsense': /^error: unknown option "--nonsense" \(USAGE\)/,
    'token create':
      /^error: required option '--service-account NAME' not specified \(USAGE\)\n {2}try: weft token create --help\n$/,
    token: /^error: "weft token" needs a command behind it: create, show \(USAGE\)/,
    get: /^error: name a kind \(USAGE\)\n {2}try: weft get services\n$/,
    'get services -o yml':
      /^error: -o yml is not supported; it takes yaml, json, wide, name \(USAGE\)\n {2}try: -o yaml\n$/,
    'get all reviews': /^error: "all" takes no names/,
    'get service/a reviews': /^error: "reviews" is not of the form KIND\/NAME/,
    'get services,gateways -w': /^error: --watch takes one kind/,
    'get svc a -A': /^error: a resource can't be got by name across all namespaces/,
    apply: /^error: name the files \(USAGE\)\n {2}try: weft apply -f FILE\n$/,
    'apply -f x --dry-run=maybe': /^error: --dry-run "maybe" is not one of server, client, none/,
    'delete services': /^error: name what to delete: names, labels with -l, or --all/,
    'delete services a -f x': /^error: -f stands alone/,
    'flows --limit many': /^error: --limit "many" is not a number from 0 to 10000/,
    'flows --verdict maybe': /^error: --verdict "maybe" is neither allowed nor denied/,
    'token create --service-account a --duration soon': /^error: --duration "soon" is not a span of time/,
    'control --svid-ttl 2s': /^error: --svid-ttl "2s" is not a span of time from 5s to 90d/,
    'up --svid-ttl forever': /^error: --svid-ttl "forever" is not a span of time/,
    'completion tcsh': /^error: no completion for "tcsh"/,
    'edit services': /^error: name one resource: KIND NAME/,
  };
  for (const [line, want] of Object.entries(cases)) {
    const terminal = fakeTerminal();
    equal(await runProgram(line.split(' ').filter(Boolean), terminal), 2, line);
    match(terminal.err(), want, line);
    equal(terminal.out(), '', line);
  }
});

test('a failure ends with 1 and says what to do', async () => {
  const terminal = fakeTerminal({ env: { HOME: '/nonexistent' } });
  equal(await runProgram(['get', 'services'], terminal), 1);
  equal(
    terminal.err(),
    'error: no network is known on this machine yet (CLIENT_NO_KUBECONFIG)\n' +
      '  at: /nonexistent/.local/share/weft/kubeconfig\n' +
      '  try: start one with "weft up", or name another with --kubeconfig or --data-dir\n',
  );
});

test('a kind that is not known is named with the nearest one', async () => {
  const terminal = fakeTerminal();
  equal(await runProgram(['get', 'htproutes'], terminal), 1);
  equal(terminal.err(), 'error: unknown kind "htproutes" (UNKNOWN_KIND)\n  try: did you mean httproutes?\n');
});
