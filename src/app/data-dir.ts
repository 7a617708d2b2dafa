// Where state is kept, and what a running control plane tells the other commands of this machine about itself.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeDurably } from '../lib/durable-file.ts';
import { messageOf, systemCode, WeftError } from '../lib/errors.ts';

/** The files of a data directory. */
export interface DataDir {
  readonly root: string;
  readonly store: string;
  readonly ca: string;
  readonly tokens: string;
  readonly kubeconfig: string;
  readonly control: string;
  readonly logs: string;
}

/** What `control.json` holds while a control plane runs. */
export interface ControlInfo {
  readonly pid: number;
  /** `https://127.0.0.1:7443` */
  readonly api: string;
  /** `http://127.0.0.1:7070` */
  readonly browser: string;
  /** `host:port` of xDS, CA and telemetry over mutual TLS. */
  readonly xds: string;
  /** `host:port` of plain-text xDS. */
  readonly xdsPlain: string;
  readonly trustDomain: string;
  /** PEM of the mesh's roots. */
  readonly rootPem: string;
}

export const dataDirAt = (path: string): DataDir => {
  const root = resolve(path);
  return {
    root,
    store: join(root, 'store.db'),
    ca: join(root, 'ca'),
    tokens: join(root, 'tokens'),
    kubeconfig: join(root, 'kubeconfig'),
    control: join(root, 'control.json'),
    logs: join(root, 'logs'),
  };
};

const WORDS: Readonly<Record<string, string>> = {
  EEXIST: 'there is a file where a folder should be',
  ENOTDIR: 'there is a file where a folder should be',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'it is on a file system that is read-only',
  ENOSPC: 'the disk is full',
};

const inWords = (cause: unknown): string => {
  const code = systemCode(cause);
  return code === undefined ? messageOf(cause) : (WORDS[code] ?? code);
};

/** Makes the directory (mode 0700) or says why it can't be used. */
export const openDataDir = (path: string): DataDir => {
  const dir = dataDirAt(path);
  try {
    mkdirSync(dir.root, { recursive: true, mode: 0o700 });
    mkdirSync(dir.logs, { recursive: true, mode: 0o700 });
    const probe = join(dir.root, `.probe-${process.pid}`);
    writeFileSync(probe, '');
    rmSync(probe);
  } catch (cause) {
    throw new WeftError('DATA_DIR_UNUSABLE', `the data directory ${dir.root} can't be used: ${inWords(cause)}`, {
      hint: 'check who owns it and whether the disk is full, or choose another with --data-dir',
      cause,
    });
  }
  return dir;
};

export const writeControlInfo = (dir: DataDir, info: ControlInfo): void =>
  writeDurably(dir.control, `${JSON.stringify(info, null, 2)}\n`, { replace: true });

/** The control plane that runs on this data directory, or an error that says how to start one. */
export const readControlInfo = (dir: DataDir): ControlInfo => {
  const hint = `start it with "weft up", or name another with --data-dir`;
  let text: string;
  try {
    text = readFileSync(dir.control, 'utf8');
  } catch (cause) {
    throw new WeftError('CONTROL_NOT_FOUND', `no control plane runs on ${dir.root}`, { hint, cause });
  }
  try {
    return JSON.parse(text) as ControlInfo;
  } catch (cause) {
    throw new WeftError('CONTROL_NOT_FOUND', `${dir.control} is not readable`, { at: dir.control, hint, cause });
  }
};

/** True while a process with this id exists. */
export const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
};
