// The commands of weft, in the order of the help. A new command is a file beside this one, and a line here.
import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';

/** What a command's file exports. */
export interface CommandModule {
  /** Built anew for each run; its action throws WeftError, or sets `terminal.exitCode`. */
  command(terminal: Terminal): Command;
}

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly group: 'Network' | 'Resources' | 'Traffic' | 'More';
  /** Loaded only when the command runs, so that a light command starts fast. */
  readonly load: () => Promise<CommandModule>;
}

export const commands: readonly CommandEntry[] = [
  {
    name: 'up',
    summary: 'Start the whole network on this machine, with a demo',
    group: 'Network',
    load: () => import('./up.ts'),
  },
  {
    name: 'run',
    summary: 'Start any program as a workload of the mesh',
    group: 'Network',
    load: () => import('./run.ts'),
  },
  {
    name: 'proxy',
    summary: 'Run one data-plane process: a sidecar or a gateway',
    group: 'Network',
    load: () => import('./proxy.ts'),
  },
  {
    name: 'control',
    summary: 'Run the control plane alone',
    group: 'Network',
    load: () => import('./control.ts'),
  },
  {
    name: 'get',
    summary: 'Show resources as a table, YAML or JSON',
    group: 'Resources',
    load: () => import('./get.ts'),
  },
  {
    name: 'describe',
    summary: 'Show one resource in full, with its conditions',
    group: 'Resources',
    load: () => import('./describe.ts'),
  },
  {
    name: 'apply',
    summary: 'Create or change resources from files',
    group: 'Resources',
    load: () => import('./apply.ts'),
  },
  {
    name: 'edit',
    summary: 'Change one resource in your editor',
    group: 'Resources',
    load: () => import('./edit.ts'),
  },
  {
    name: 'delete',
    summary: 'Delete resources',
    group: 'Resources',
    load: () => import('./delete.ts'),
  },
  {
    name: 'explain',
    summary: 'Show the fields of a kind',
    group: 'Resources',
    load: () => import('./explain.ts'),
  },
  {
    name: 'flows',
    summary: 'Show requests as they happen: who called whom, and what was denied',
    group: 'Traffic',
    load: () => import('./flows.ts'),
  },
  {
    name: 'proxy-config',
    summary: 'Show what a proxy has in use: listeners, routes, clusters, endpoints, secrets',
    group: 'Traffic',
    load: () => import('./proxy-config.ts'),
  },
  {
    name: 'token',
    summary: 'Make tokens that let workloads join',
    group: 'More',
    load: () => import('./token.ts'),
  },
  {
    name: 'completion',
    summary: 'Print a completion script for your shell',
    group: 'More',
    load: () => import('./completion.ts'),
  },
  {
    name: 'version',
    summary: 'Show the versions of this program and of the network',
    group: 'More',
    load: () => import('./version.ts'),
  },
];
