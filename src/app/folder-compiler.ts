// Compiles what a folder of manifests says, for one gateway; tells what of it could not be used. Used by standalone.ts.
import { type CompilerOptions, openCompiler } from '../compile/compiler.ts';
import type { Clock } from '../lib/clock.ts';
import type { Fields, Log } from '../lib/log.ts';
import type { ProxyNode } from '../model/node.ts';
import { type Condition, qualifiedName, type Resource } from '../model/resource.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { ResourceFolder } from './resource-folder.ts';

type Named = Pick<Resource, 'apiVersion' | 'kind' | 'metadata'>;

/** Conditions that are in order when they are False. OverlappingTLSConfig may be true: gateways tell such requests apart. */
const NEGATIVE = new Set(['Conflicted']);

/** Conditions that say no: without an API nobody could read them elsewhere. */
const refusalsIn = (status: unknown): Condition[] => {
  const found: Condition[] = [];
  JSON.stringify(status, (_key, value: unknown) => {
    const { type, status: state, reason } = (value ?? {}) as Partial<Condition>;
    if (type && state && reason && state !== (NEGATIVE.has(type) ? 'False' : 'True')) found.push(value as Condition);
    return value;
  });
  return found;
};

interface Remark {
  readonly about: Named;
  readonly text: string;
  readonly fields: Fields;
}

/** Compiles what the folder says now. Each remark is told once, for as long as it holds. */
export const openFolderCompiler = (node: ProxyNode, settings: CompilerOptions, clock: Clock, log: Log) => {
  const compiler = openCompiler(settings);
  const gatewayAddresses = [{ ...(node.gateway && { gateway: node.gateway }), address: node.bindAddress ?? '' }];
  let told = new Set<string>();
  let revision = 0;

  const tell = (remarks: readonly Remark[], folder: ResourceFolder) => {
    const current = new Set<string>();
    for (const { about, text, fields } of remarks) {
      const line = `${about.kind} ${qualifiedName(about.metadata)}: ${text}`;
      if (current.has(line)) continue;
      current.add(line);
      const at = folder.placeOf(about);
      if (!told.has(line)) log.warn(line, { ...fields, ...(at && { at }) });
    }
    told = current;
  };

  return (folder: ResourceFolder): Snapshot => {
    const options = { revision: ++revision, nowMs: clock.now(), gatewayAddresses };
    const { mesh, statuses, problems } = compiler.compile(folder.resources(), options);
    const remarks: Remark[] = [];
    for (const { message, resource, code, path, hint } of problems) {
      if (!resource) continue;
      const { apiVersion, kind, name, namespace } = resource;
      const about = { apiVersion, kind, metadata: { name, ...(namespace && { namespace }) } };
      remarks.push({ about, text: message, fields: { code, ...(path && { path }), ...(hint && { try: hint }) } });
    }
    for (const { resource, status } of statuses.values()) {
      for (const { type, status: state, reason, message } of refusalsIn(status)) {
        // Most of them say in other words what a problem said already.
        const isSaid = ({ about, text }: Remark) => about.kind === resource.kind && text.includes(message);
        // A Gateway that is not this one's has no address here.
        if (reason === 'AddressNotAssigned' || remarks.some(isSaid)) continue;
        remarks.push({ about: resource, text: message, fields: { condition: `${type}=${state}`, reason } });
      }
    }
    tell(remarks, folder);
    return compiler.snapshotFor(mesh, node);
  };
};
