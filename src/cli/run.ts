// `weft run`: any program as a workload of the mesh.
import { type Command, Option } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { WeftError } from '../lib/errors.ts';
import { systemLog } from '../lib/log.ts';
import type { LocalPort } from '../model/node.ts';
import { newCommand } from './command.ts';
import { addDnsOptions, checkDnsFlags, type DnsFlags, dnsFlags } from './dns-options.ts';
import {
  concurrencyOption,
  type DrainFlags,
  drainFlags,
  drainOptions,
  drainSettingsOf,
  engineOption,
  envoyOption,
  type HboneFlags,
  hboneOption,
  hbonePortOf,
} from './engine-options.ts';
import { labelFlag, localPortFlag, namedPortFlag, nameFlag } from './flag-values.ts';
import { addJoinOptions, type JoinOptions, joinFlags } from './join-options.ts';
import type { Terminal } from './terminal.ts';

interface RunFlags extends DnsFlags, HboneFlags, JoinOptions, DrainFlags {
  readonly service: string;
  readonly version: string;
  readonly namespace: string;
  readonly serviceAccount?: string;
  readonly name?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly port?: Readonly<Record<string, number>>;
  readonly localPort?: readonly LocalPort[];
  readonly appAddress: string;
  readonly engine: 'weft' | 'envoy';
  readonly envoy?: string;
  readonly concurrency?: number | 'auto';
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

const EXAMPLE = 'weft run --service reviews --version v3 --port 9080 -- node reviews.js';

const run = async (program: readonly string[], flags: RunFlags, terminal: Terminal): Promise<void> => {
  terminal.endsWithReader = false;
  if (program.length === 0) {
    throw new WeftError('USAGE', 'no program to run', { hint: `name it behind "--": ${EXAMPLE}` });
  }
  checkDnsFlags(flags);
  const hbonePort = hbonePortOf(flags);
  const { runWorkload } = await import('../app/run.ts');
  const tell = (line: string, severity: 'info' | 'warn') => {
    if (severity === 'warn' || !flags.quiet) terminal.note(`weft: ${line}`);
  };
  terminal.exitCode = await runWorkload(
    {
      ...flags,
      ...drainSettingsOf(flags),
      ...(flags.control && { dataDir: undefined }),
      serviceAccount: flags.serviceAccount ?? flags.service,
      labels: { app: flags.service, version: flags.version, ...flags.label },
      ports: flags.port ?? {},
      localPorts: flags.localPort ?? [],
      proxyFlags: [
        ...joinFlags(flags),
        ...dnsFlags(flags),
        ...(flags.envoy ? [`--envoy=${flags.envoy}`] : []),
        ...(flags.concurrency ? [`--concurrency=${flags.concurrency}`] : []),
        ...(hbonePort === undefined ? [] : [`--hbone-port=${hbonePort}`]),
        ...drainFlags(flags),
        ...(flags.verbose ? [] : ['--quiet']),
      ],
      program,
    },
    { clock: systemClock, log: systemLog('run', 'warn'), env: process.env, tell },
  );
};

export const command = (terminal: Terminal): Command => {
  const command = newCommand(
    'run',
    'Starts any program as a workload of the mesh, with its own proxy and identity. Plain HTTP calls of the program go through the mesh (HTTP_PROXY is set for it).',
    [EXAMPLE, 'weft run --service web --port 8000 --local-port 15432=postgres:5432 -- python3 app.py'],
  );
  command
    .argument('[program...]', 'The program and its arguments, behind "--".')
    .addOption(
      new Option('--service NAME', 'The service it belongs to; made if missing.')
        .argParser(nameFlag('--service'))
        .makeOptionMandatory(),
    )
    .addOption(new Option('--version VERSION', 'Its version label.').default('v1'))
    .addOption(
      new Option('-n, --namespace NAME', 'Its namespace.').argParser(nameFlag('--namespace')).default('default'),
    )
    .addOption(
      new Option('--service-account NAME', 'Who it is; the name of the service unless told otherwise.').argParser(
        nameFlag('--service-account'),
      ),
    )
    .addOption(
      new Option(
        '--port [NAME=]PORT',
        'A port it listens on, http unless named; 0: any, told as PORT. Repeatable.',
      ).argParser(namedPortFlag('--port')),
    )
    .addOption(
      new Option('--local-port PORT=SERVICE:PORT', 'A local port that leads to a service. Repeatable.').argParser(
        localPortFlag('--local-port'),
      ),
    )
    .addOption(new Option('--label KEY=VALUE', 'A further label. Repeatable.').argParser(labelFlag('--label')))
    .addOption(new Option('--name NAME', 'Its own name; made if absent.').argParser(nameFlag('--name')))
    .addOption(new Option('--app-address IP', 'Where it listens.').default('127.0.0.1'))
    .addOption(engineOption())
    .addOption(envoyOption())
    .addOption(concurrencyOption())
    .addOption(hboneOption())
    .option('-q, --quiet', 'Say only what goes wrong.')
    .option('--verbose', 'Show what its proxy does.');
  for (const option of drainOptions()) command.addOption(option);
  addDnsOptions(command);
  addJoinOptions(command, terminal);
  return command.action((program: string[], flags: RunFlags) => run(program, flags, terminal));
};
