// `weft edit`: one resource in the user's editor; what the API refuses is opened again with the reason at the top.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { LAST_APPLIED } from '../client/apply.ts';
import type { Client } from '../client/client.ts';
import type { Kind } from '../kinds/kind.ts';
import { parseManifests } from '../kinds/yaml.ts';
import { systemClock } from '../lib/clock.ts';
import { WeftError } from '../lib/errors.ts';
import { type Resource, withoutManagedFields } from '../model/resource.ts';
import { planOne } from './apply-plan.ts';
import { newCommand } from './command.ts';
import { addConnectionOptions, type ConnectionOptions, namespaceOption, withClient } from './connect.ts';
import { openEditor } from './editor.ts';
import { toYaml } from './get-output.ts';
import { kindPrefix, parseOne } from './kind-names.ts';
import { orNotFound } from './not-found.ts';
import { awaitStatus, statusWarnings } from './status-wait.ts';
import type { Terminal } from './terminal.ts';

const HEADER = [
  'Change what you need, save, and close the editor. Lines that begin with # do not count.',
  'Nothing happens when the file stays as it is, or is left empty.',
];

/** What people edit: no status, and nothing that only tools read. */
const editable = (resource: Resource): Resource => {
  const { status: _status, ...rest } = withoutManagedFields(resource);
  const { uid: _uid, generation: _generation, creationTimestamp: _created, ...metadata } = rest.metadata;
  const { [LAST_APPLIED]: _applied, ...annotations } = metadata.annotations ?? {};
  const { annotations: _annotations, ...withoutAnnotations } = metadata;
  return {
    ...rest,
    metadata: Object.keys(annotations).length ? { ...metadata, annotations } : withoutAnnotations,
  };
};

const withComments = (body: string, lines: readonly string[]): string =>
  `${lines.map((line) => `# ${line}`.trimEnd()).join('\n')}\n${body}`;

const withoutComments = (text: string): string => text.replace(/^(#.*\n?)+/, '');

/** Puts the hidden annotation back, so that a later apply knows what it had written. */
const completed = (edited: Resource, live: Resource): Resource => {
  const applied = live.metadata.annotations?.[LAST_APPLIED];
  if (applied === undefined) return edited;
  const annotations = { ...edited.metadata.annotations, [LAST_APPLIED]: applied };
  return { ...edited, metadata: { ...edited.metadata, annotations } };
};

interface Session {
  readonly client: Client;
  readonly kind: Kind;
  readonly live: Resource;
  readonly terminal: Terminal;
}

interface Reason {
  readonly text: string;
  /** In the text below the comments, from 1. */
  readonly line?: number;
}

/** The edited text as a resource, or what is wrong with it. */
const readEdited = (body: string, { kind, live }: Session): Resource | Reason[] => {
  const { resources, problems } = parseManifests(body, { file: '' });
  if (problems.length) {
    return problems.map(({ line, message, hint }) => ({ line, text: hint ? `${message} (${hint})` : message }));
  }
  const [manifest] = resources;
  if (resources.length !== 1 || !manifest) return [{ text: 'the file must hold exactly one resource' }];
  const edited = planOne(manifest, live.metadata.namespace ?? '').resource;
  const isSame = manifest.kind === kind && edited.metadata.name === live.metadata.name;
  if (!isSame || edited.metadata.namespace !== live.metadata.namespace) {
    return [{ text: 'kind, name and namespace can\'t be changed here; make a new resource with "weft apply"' }];
  }
  return completed(edited, live);
};

type Saved = { readonly resource: Resource } | { readonly reasons: readonly Reason[] };

const save = async (body: string, session: Session): Promise<Saved> => {
  const edited = readEdited(body, session);
  if (Array.isArray(edited)) return { reasons: edited };
  try {
    const { resource } = await session.client.replace(session.kind, edited as Resource, { fieldValidation: 'Strict' });
    return { resource };
  } catch (error) {
    if (!(error instanceof WeftError) || error.code.startsWith('CLIENT_')) throw error;
    const hint = error.code === 'API_CONFLICT' ? 'close without a change, and edit it again' : error.hint;
    const lines = [...error.message.split('\n'), ...(hint ? [`try: ${hint}`] : [])];
    return { reasons: lines.map((text) => ({ text })) };
  }
};

/** The file for the next round: the reasons at the top, with the lines that they have in this very file. */
const withReasons = (body: string, reasons: readonly Reason[]): string => {
  const above = HEADER.length + reasons.length + 3;
  const lines = reasons.map(({ line, text }) => (line === undefined ? text : `line ${line + above}: ${text}`));
  return withComments(body, [...HEADER, '', 'The change was not taken:', ...lines, '']);
};

const report = async ({ client, kind, terminal }: Session, resource: Resource): Promise<void> => {
  const name = `${kindPrefix(kind)}/${resource.metadata.name}`;
  terminal.print(`${name} edited`);
  for (const one of await awaitStatus(client, [{ kind, resource }], systemClock)) {
    for (const warning of statusWarnings(one)) terminal.note(`warning: ${name}: ${warning}`);
  }
};

/** Opens the editor until the API takes the change (then the new resource) or the user gives up (then undefined). */
const editLoop = async (session: Session, original: string, file: string): Promise<Resource | undefined> => {
  const { terminal } = session;
  let opened = withComments(original, HEADER);
  for (;;) {
    writeFileSync(file, opened, { mode: 0o600 });
    await openEditor(file, terminal.env);
    const text = readFileSync(file, 'utf8');
    const body = withoutComments(text);
    if (body.trim() === '' || body === original) {
      terminal.note('Edit cancelled, no changes made.');
      return undefined;
    }
    if (text === opened) throw new WeftError('EDIT_CANCELLED', 'edit cancelled, nothing was changed');
    const saved = await save(body, session);
    if ('resource' in saved) return saved.resource;
    opened = withReasons(body, saved.reasons);
  }
};

/** Whether the file holds work that must not be thrown away. */
const holdsChanges = (file: string, original: string): boolean => {
  const body = existsSync(file) ? withoutComments(readFileSync(file, 'utf8')) : '';
  return body.trim() !== '' && body !== original;
};

const editOne = async (session: Session): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-edit-'));
  const file = join(folder, `${session.live.metadata.name}.yaml`);
  const original = await toYaml(editable(session.live));
  let isKept = false;
  let saved: Resource | undefined;
  try {
    saved = await editLoop(session, original, file);
  } catch (error) {
    isKept = holdsChanges(file, original);
    if (isKept) session.terminal.note(`your changes are kept in ${file}`);
    throw error;
  } finally {
    if (!isKept) rmSync(folder, { recursive: true, force: true });
  }
  if (saved) await report(session, saved);
};

const run = async (args: readonly string[], options: ConnectionOptions, terminal: Terminal): Promise<void> => {
  const { kind, name } = parseOne(args, 'weft edit httproute reviews');
  await withClient(options, terminal, async ({ client, namespace }) => {
    const scope = { namespace: kind.namespaced ? namespace : undefined };
    const live = await orNotFound(client, kind, name, scope.namespace, client.get(kind, name, scope));
    await editOne({ client, kind, live, terminal });
  });
};

export const command = (terminal: Terminal): Command =>
  addConnectionOptions(
    newCommand('edit', 'Changes one resource in your editor ($VISUAL, $EDITOR, else vi).', [
      'weft edit httproute reviews',
      'EDITOR=nano weft edit authorizationpolicy/front -n shop',
    ])
      .argument('[kind...]', 'KIND NAME, or KIND/NAME')
      .usage('[options] KIND NAME | KIND/NAME'),
  )
    .addOption(namespaceOption())
    .action((args: string[], options: ConnectionOptions) => run(args, options, terminal));
