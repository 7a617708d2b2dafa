// The REST verbs on resources: from a parsed path to the store and back. Called by the router for paths below /api and /apis.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../lib/clock.ts';
import { nearestName } from '../lib/names.ts';
import type { Random } from '../lib/random.ts';
import type { Resource } from '../model/resource.ts';
import type { Store, StoreEntry } from '../store/store.ts';
import type { Incoming, Part } from './admission.ts';
import { addWarning, sendJson } from './answer.ts';
import { isObject, mediaTypeOf, parseBody, readBody, readObject } from './body.ts';
import { parseDeleteOptions } from './deletion.ts';
import type { KindIndex, ServedKind } from './kind-index.ts';
import { listObjects } from './lists.ts';
import { type Accepted, negotiate } from './negotiate.ts';
import type { Objects } from './objects.ts';
import { checkApplyConfig } from './ownership.ts';
import { jsonPatch, mergePatch, strategicMergePatch } from './patch.ts';
import { answerPodLog } from './pod-log.ts';
import { parseUrl, type Query, type ResourcePath } from './request.ts';
import { answerReview, answerTokenRequest } from './reviews.ts';
import { ApiError, badRequest, forbidden, notFound, successStatus, unsupportedMediaType } from './status.ts';
import { tableOf } from './table.ts';
import { isAdmin, type TokenIssuer, type User } from './user.ts';
import { watchObjects } from './watch.ts';
import { metadataOnly, toWire } from './wire.ts';

export interface ResourcesOptions {
  readonly store: Store;
  /** Holds what the API itself says of its kinds. */
  readonly definitions: Store;
  readonly index: KindIndex;
  readonly objects: Objects;
  readonly issuer: TokenIssuer;
  readonly clock: Clock;
  readonly random: Random;
  readonly track: (end: () => void) => () => void;
  readonly maxBufferBytes: number;
  readonly bookmarkMs: number;
}

/** One request about resources, with what was found out about it so far. */
interface Call {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly query: Query;
  readonly kind: ServedKind;
  readonly namespace: string | undefined;
  readonly accepted: Accepted;
}

const OBJECT_FORMS = ['object', 'table', 'metadata'] as const;

const methodNotAllowed = (req: IncomingMessage): ApiError =>
  new ApiError(405, 'MethodNotAllowed', `the server does not allow ${req.method} on this resource`);

const readOnly = (req: IncomingMessage, { kind, plural }: ServedKind): ApiError =>
  new ApiError(
    405,
    'MethodNotAllowed',
    `${req.method} is not supported on ${plural}: Weft brings its kinds along, so each ${kind} can only be read`,
  );

/** As Kubernetes names them. */
const verbOf = (method: string | undefined, name: string): string => {
  if (method === 'POST') return 'create';
  if (method === 'PUT') return 'update';
  if (method === 'DELETE') return name ? 'delete' : 'deletecollection';
  if (method === 'PATCH') return 'patch';
  return name ? 'get' : 'list';
};

/** As Kubernetes does for clients that do not say who they are: `kubectl/v1.32.4 (linux/amd64)` is `kubectl`. */
const managerOf = (req: IncomingMessage): string =>
  (req.headers['user-agent'] ?? '').split('/', 1)[0]!.slice(0, 128) || 'unknown';

export class Resources {
  readonly #options: ResourcesOptions;

  constructor(options: ResourcesOptions) {
    this.#options = options;
  }

  async handle(req: IncomingMessage, res: ServerResponse, path: ResourcePath, query: Query, user: User): Promise<void> {
    if (await this.#review(req, res, path, user)) return;
    if (!isAdmin(user)) throw this.#denied(req, path, user);
    if (path.group === '' && path.plural === 'events') return this.#events(req, res, query);
    const kind = this.#find(path);
    const accepted = negotiate(req.headers.accept, OBJECT_FORMS);
    const call: Call = { req, res, query, kind, namespace: path.namespace, accepted };
    if (!kind.definition.namespaced && path.namespace !== undefined) throw this.#unknown(path);
    if (kind.definition.readOnly && req.method !== 'GET') throw readOnly(req, kind);
    if (path.name === undefined) return this.#collection(call);
    if (kind.definition.namespaced && path.namespace === undefined) throw this.#unknown(path);
    if (path.subresource === undefined) return this.#object(call, path.name, 'main');
    if (path.subresource === 'status' && kind.definition.statusSubresource)
      return this.#object(call, path.name, 'status');
    const isNamespace = kind.group === '' && kind.kind === 'Namespace';
    if (isNamespace && path.subresource === 'finalize' && req.method === 'PUT') {
      return this.#object(call, path.name, 'finalize');
    }
    const isAccount = kind.group === '' && kind.kind === 'ServiceAccount';
    if (isAccount && path.subresource === 'token') return this.#token(call, path.name);
    const isPod = kind.group === '' && kind.kind === 'Pod';
    if (isPod && path.subresource === 'log') return this.#log(call, path.name);
    throw this.#unknown(path);
  }

  async #log({ req, res, kind, namespace }: Call, name: string): Promise<void> {
    if (req.method !== 'GET') throw methodNotAllowed(req);
    const { value } = await this.#options.objects.get(kind, namespace, name);
    await answerPodLog(this.#options.store, value, parseUrl(req.url ?? '/').searchParams, res);
  }

  /** Reviews are about the caller, so everyone who is known may post them. */
  async #review(req: IncomingMessage, res: ServerResponse, path: ResourcePath, user: User): Promise<boolean> {
    if (req.method !== 'POST' || path.name !== undefined || !/^auth(entic|oriz)ation\.k8s\.io$/.test(path.group))
      return false;
    const answer = answerReview(path.group, path.version, path.plural, await readObject(req), user);
    if (answer) sendJson(res, 201, answer);
    return answer !== undefined;
  }

  #denied(req: IncomingMessage, { group, plural, namespace, name = '' }: ResourcePath, user: User): ApiError {
    const where = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
    const what = group ? `${plural}.${group}` : plural;
    const verb = verbOf(req.method, name);
    return forbidden(
      `${what}${name && ` "${name}"`} is forbidden: User "${user.name}" cannot ${verb} resource "${plural}" in API group "${group}" ${where}`,
      { name, group, kind: plural },
    );
  }

  #find(path: ResourcePath): ServedKind {
    const kind = this.#options.index.find(path.group, path.version, path.plural);
    if (!kind) throw this.#unknown(path);
    return kind;
  }

  #unknown({ group, version, plural, subresource }: ResourcePath): ApiError {
    const kinds = this.#options.index.version(group, version)?.kinds.map((kind) => kind.plural) ?? [];
    const near = nearestName(plural, kinds);
    const apiVersion = group ? `${group}/${version}` : version;
    const supported = this.#options.index.kinds.map((kind) =>
      kind.group ? `${kind.plural}.${kind.group}` : kind.plural,
    );
    const what = subresource && near === plural ? `${plural}/${subresource}` : plural;
    const hint = near && near !== plural ? `did you mean ${near}?` : `supported are ${supported.join(', ')}`;
    return new ApiError(
      404,
      'NotFound',
      `the server could not find the requested resource: ${what} in ${apiVersion}; ${hint}`,
    );
  }

  #events(req: IncomingMessage, res: ServerResponse, query: Query): void {
    if (req.method !== 'GET') throw methodNotAllowed(req);
    const resourceVersion = String(this.#options.store.revision());
    if (!query.watch) {
      sendJson(res, 200, { kind: 'EventList', apiVersion: 'v1', metadata: { resourceVersion }, items: [] });
      return;
    }
    const forget = this.#options.track(() => res.end());
    const timer = this.#options.clock.after((query.timeoutSeconds ?? 1800) * 1000, () => res.end());
    res.once('close', () => {
      forget();
      timer.cancel();
    });
    res.socket?.setTimeout(0);
    res.writeHead(200, { 'content-type': 'application/json' });
    res.flushHeaders();
  }

  async #collection(call: Call): Promise<void> {
    const { req, kind, namespace, query } = call;
    if (req.method === 'GET') return query.watch ? this.#watch(call) : this.#list(call);
    if (kind.definition.namespaced && namespace === undefined) throw methodNotAllowed(req);
    if (req.method === 'POST') {
      const body = await readObject(req);
      const entry = await this.#options.objects.create(this.#incoming(call), body, query.dryRun);
      return this.#send(call, 201, entry);
    }
    if (req.method === 'DELETE') return this.#deleteCollection(call);
    throw methodNotAllowed(req);
  }

  async #object(call: Call, name: string, part: Part): Promise<void> {
    const { req, kind, namespace, query } = call;
    const { objects } = this.#options;
    if (req.method === 'GET' && query.watch) {
      const one = { ...query, fieldSelector: `metadata.name=${name}` };
      return this.#watch({ ...call, query: one });
    }
    if (req.method === 'GET') return this.#send(call, 200, await this.#read(call, name));
    if (req.method === 'PUT') {
      const body = await readObject(req);
      const entry = await objects.update(this.#incoming(call), name, part, query.dryRun, () => body);
      return this.#send(call, 200, entry);
    }
    if (req.method === 'PATCH' && mediaTypeOf(req).startsWith('application/apply-patch')) {
      return this.#apply(call, name, part);
    }
    if (req.method === 'PATCH') {
      if (query.force) throw badRequest('PatchOptions is invalid: force: may not be specified for non-apply patch');
      const change = await this.#patch(call);
      return this.#send(call, 200, await objects.update(this.#incoming(call), name, part, query.dryRun, change));
    }
    if (req.method === 'DELETE' && part === 'main') {
      const bytes = await readBody(req);
      const body = bytes.length > 0 ? parseBody(bytes, mediaTypeOf(req)) : undefined;
      const { entry, gone } = await objects.delete(kind, namespace, name, parseDeleteOptions(body, query));
      if (!gone) return this.#send(call, 200, entry);
      return sendJson(call.res, 200, successStatus(kind, name, entry.value.metadata.uid));
    }
    throw methodNotAllowed(req);
  }

  async #read({ kind, namespace }: Call, name: string): Promise<StoreEntry> {
    const { objects } = this.#options;
    const entry = await this.#storeOf(kind).get(objects.keyOf(kind, namespace, name));
    if (!entry) throw notFound(kind, name);
    return entry;
  }

  #storeOf(kind: ServedKind): Store {
    return kind.definition.readOnly ? this.#options.definitions : this.#options.store;
  }

  /** How the body of a PATCH changes an object. */
  async #patch({ req, kind }: Call): Promise<(current: StoreEntry) => Record<string, unknown>> {
    const type = mediaTypeOf(req);
    const apply = {
      'application/merge-patch+json': mergePatch,
      'application/json-patch+json': jsonPatch,
      'application/strategic-merge-patch+json': (target: unknown, patch: unknown) =>
        strategicMergePatch(kind.definition, target, patch),
    }[type];
    if (!apply) {
      throw unsupportedMediaType(`a patch of type "${type}" is not supported; send a merge, JSON or apply patch`);
    }
    const patch = parseBody(await readBody(req), type);
    return (current) => {
      const result = apply(toWire(kind, current), patch);
      if (!isObject(result)) throw badRequest('the patch does not leave an object');
      return result;
    };
  }

  async #apply(call: Call, name: string, part: Part): Promise<void> {
    const { req, query } = call;
    const type = mediaTypeOf(req);
    if (type !== 'application/apply-patch+yaml') {
      throw unsupportedMediaType(`an apply of type "${type}" is not supported; send application/apply-patch+yaml`);
    }
    if (query.fieldManager === undefined) {
      throw badRequest('PatchOptions is invalid: fieldManager: is required for an apply; kubectl sends it by itself');
    }
    const config = checkApplyConfig(parseBody(await readBody(req), type));
    const incoming = this.#incoming(call);
    const { entry, created } = await this.#options.objects.apply(
      incoming,
      name,
      part,
      query.dryRun,
      config,
      query.force,
    );
    this.#send(call, created ? 201 : 200, entry);
  }

  async #deleteCollection(call: Call): Promise<void> {
    const { kind, namespace, query, req } = call;
    const bytes = await readBody(req);
    const body = bytes.length > 0 ? parseBody(bytes, mediaTypeOf(req)) : undefined;
    const options = parseDeleteOptions(body, query);
    const listed = await listObjects(this.#options.store, { kind, namespace }, { ...query, limit: undefined });
    for (const entry of listed.entries) {
      const { name } = entry.value.metadata;
      await this.#options.objects.delete(kind, namespace, name, options).catch((error) => {
        // Another caller was faster; it is gone either way.
        if (!(error instanceof ApiError && error.code === 404)) throw error;
      });
    }
    this.#sendList(call, listed.entries, listed.metadata);
  }

  async #token(call: Call, name: string): Promise<void> {
    if (call.req.method !== 'POST') throw methodNotAllowed(call.req);
    const account = await this.#options.objects.get(call.kind, call.namespace, name);
    const body = await readObject(call.req);
    sendJson(
      call.res,
      201,
      await answerTokenRequest(this.#options.issuer, call.kind, account.value, body, call.query.dryRun),
    );
  }

  async #list(call: Call): Promise<void> {
    const { entries, metadata } = await listObjects(this.#storeOf(call.kind), call, call.query);
    this.#sendList(call, entries, metadata);
  }

  #watch(call: Call): Promise<void> {
    const { clock, random, track, maxBufferBytes, bookmarkMs } = this.#options;
    const store = this.#storeOf(call.kind);
    const render = (resource: Resource, first: boolean) => this.#render(call, resource, first);
    const context = { store, clock, random, track, maxBufferBytes, bookmarkMs, render };
    return watchObjects(context, call, call.query, call.res);
  }

  #incoming({ req, kind, namespace, query, res }: Call): Incoming {
    // A repeated try after a conflict finds the same again.
    const said = new Set<string>();
    const warn = (text: string) => {
      if (!said.has(text)) addWarning(res, text);
      said.add(text);
    };
    const manager = query.fieldManager ?? managerOf(req);
    return { kind, namespace, fieldValidation: query.fieldValidation, manager, warn };
  }

  #render({ kind, accepted, query }: Call, resource: Resource, withColumns = true): unknown {
    const { form, version } = accepted;
    if (form === 'metadata') return metadataOnly(resource, version);
    if (form !== 'table') return resource;
    const metadata = { resourceVersion: resource.metadata.resourceVersion ?? '' };
    const isBookmark = resource.metadata.name === undefined;
    const options = { version, includeObject: query.includeObject, nowMs: this.#options.clock.now(), withColumns };
    return tableOf(kind, isBookmark ? [] : [resource], metadata, options);
  }

  #send(call: Call, code: number, entry: StoreEntry): void {
    sendJson(call.res, code, this.#render(call, toWire(call.kind, entry)));
  }

  #sendList(call: Call, entries: readonly StoreEntry[], metadata: { resourceVersion: string }): void {
    const { kind, accepted, query, res } = call;
    sendJson(res, 200, this.#renderList(kind, accepted, query, entries, metadata));
  }

  #renderList(
    kind: ServedKind,
    { form, version }: Accepted,
    { includeObject }: Query,
    entries: readonly StoreEntry[],
    metadata: { resourceVersion: string },
  ): unknown {
    const items = entries.map((entry) => toWire(kind, entry));
    if (form === 'table') {
      return tableOf(kind, items, metadata, { version, includeObject, nowMs: this.#options.clock.now() });
    }
    if (form !== 'metadata') return { kind: `${kind.kind}List`, apiVersion: kind.apiVersion, metadata, items };
    const partial = items.map((item) => metadataOnly(item, version));
    return { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${version}`, metadata, items: partial };
  }
}
