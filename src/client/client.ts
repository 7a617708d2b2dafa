// The typed client of Weft's Kubernetes-style API. Opened by the cli and by tests; one client keeps its connections.
import type { IncomingMessage } from 'node:http';
import { WeftError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';
import type { Resource } from '../model/resource.ts';
import type { Connection } from './connection.ts';
import { parseJsonLines } from './lines.ts';
import { openTransport, streamError } from './transport.ts';
import { type Change, type FollowOptions, followList } from './watch.ts';

/** What a path needs of a kind; every `Kind` is one. */
export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface ResourceList<R = Resource> {
  readonly items: readonly R[];
  readonly resourceVersion: string;
}

export interface TableColumn {
  readonly name: string;
  readonly type: string;
  /** Over 0: shown only with `-o wide`. */
  readonly priority: number;
}

export interface TableRow {
  readonly cells: readonly unknown[];
  readonly object?: { readonly metadata: Resource['metadata'] };
}

/** A meta.k8s.io/v1 Table. */
export interface Table {
  readonly columnDefinitions: readonly TableColumn[];
  readonly rows: readonly TableRow[];
}

export interface Scope {
  /** Absent: every namespace, or a kind without namespaces. */
  readonly namespace?: string | undefined;
}

export interface Selection extends Scope {
  readonly name?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface WriteOptions {
  readonly dryRun?: boolean | undefined;
  /** What the API does with fields that it does not know. */
  readonly fieldValidation?: 'Strict' | 'Warn' | 'Ignore';
}

export interface Written {
  readonly resource: Resource;
  readonly warnings: readonly string[];
}

export type PatchType = 'merge' | 'json' | 'strategic';

export interface ServerVersion {
  readonly gitVersion: string;
  readonly [field: string]: unknown;
}

export interface IssuedToken {
  readonly token: Secret;
  /** RFC 3339. */
  readonly expires: string;
}

export interface Client {
  readonly connection: Connection;
  version(): Promise<ServerVersion>;
  /** The resources that the API serves. */
  discover(): Promise<readonly ResourceType[]>;
  get(type: ResourceType, name: string, scope?: Scope): Promise<Resource>;
  /** All pages as one list. */
  list(type: ResourceType, selection?: Selection): Promise<ResourceList>;
  /** The list as the API prints it, with the columns of the kind. With a `name`: that one, or API_NOT_FOUND. */
  table(type: ResourceType, selection?: Selection): Promise<Table>;
  create(type: ResourceType, resource: Resource, options?: WriteOptions): Promise<Written>;
  /** Writes the resource whole; with a resourceVersion in it only if it is still at that. */
  replace(type: ResourceType, resource: Resource, options?: WriteOptions): Promise<Written>;
  patch(type: ResourceType, target: Target, patch: unknown, options?: PatchOptions): Promise<Written>;
  delete(type: ResourceType, name: string, options?: Scope & Pick<WriteOptions, 'dryRun'>): Promise<void>;
  /** The list and all that changes in it, through breaks and compaction. */
  watch(
    type: ResourceType,
    selection?: Selection,
    options?: FollowOptions,
  ): AsyncGenerator<Change<ResourceList, Resource>>;
  watchTable(type: ResourceType, selection?: Selection, options?: FollowOptions): AsyncGenerator<Change<Table, Table>>;
  /** A token for a service account; the default audience is the mesh's authority, so it joins workloads. */
  createToken(namespace: string, serviceAccount: string, options?: TokenOptions): Promise<IssuedToken>;
  /** Any path of the API as JSON. */
  getJson(path: string, query?: Query): Promise<unknown>;
  /** A path that answers JSON lines, e.g. `/weft/v1/flows`. Ends when the API ends it. */
  getLines(path: string, query?: Query, signal?: AbortSignal): AsyncGenerator<unknown>;
  close(): void;
}

export interface Target extends Scope {
  readonly name: string;
  readonly subresource?: 'status';
}

export interface PatchOptions extends WriteOptions {
  readonly type?: PatchType;
}

export interface TokenOptions {
  readonly audience?: string | undefined;
  readonly seconds?: number | undefined;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
const PAGE = 500;
const PATCH_TYPES: Readonly<Record<PatchType, string>> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

/** `/api/v1/namespaces/default/services`, with the name behind it where there is one. */
export const pathOf = (type: ResourceType, namespace?: string, name?: string): string => {
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
  const scope = type.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${type.plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
};

interface RawList {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly Resource[];
  readonly apiVersion?: string;
  readonly kind?: string;
}

const asObject = <T>(body: unknown, what: string): T => {
  if (typeof body === 'object' && body !== null) return body as T;
  throw new WeftError('CLIENT_BAD_ANSWER', `the API answered ${what} with something that is not a JSON object`, {
    hint: 'is it another program that listens there?',
  });
};

const selectionQuery = (selection: Selection): Query => ({
  labelSelector: selection.labelSelector,
  fieldSelector: selection.name === undefined ? selection.fieldSelector : `metadata.name=${selection.name}`,
});

const writeQuery = (options: WriteOptions): Query => ({
  dryRun: options.dryRun ? 'All' : undefined,
  fieldValidation: options.fieldValidation,
  fieldManager: 'weft',
});

export const openClient = (connection: Connection): Client => {
  const transport = openTransport(connection);

  const getJson = async (path: string, query?: Query, accept?: string): Promise<unknown> =>
    (await transport.call({ method: 'GET', path, ...(query ? { query } : {}), ...(accept ? { accept } : {}) })).body;

  async function* lines(open: Promise<IncomingMessage>, signal?: AbortSignal): AsyncGenerator<unknown> {
    const message = await open;
    try {
      yield* parseJsonLines(message);
    } catch (error) {
      // The break came from us: it is the signal's reason that counts.
      throw signal?.aborted ? signal.reason : streamError(connection, error);
    } finally {
      message.destroy();
    }
  }

  const listPages = async (type: ResourceType, selection: Selection): Promise<ResourceList> => {
    const items: Resource[] = [];
    const path = pathOf(type, selection.namespace);
    let cursor: string | undefined;
    for (;;) {
      const query = { ...selectionQuery(selection), limit: PAGE, continue: cursor };
      const page: RawList = asObject(await getJson(path, query), path);
      const defaults: object = { apiVersion: page.apiVersion, kind: page.kind?.replace(/List$/, '') };
      // Items of a list may leave out what the list says once.
      for (const item of page.items ?? []) items.push({ ...defaults, ...item } as Resource);
      cursor = page.metadata?.continue;
      if (!cursor) return { items, resourceVersion: page.metadata?.resourceVersion ?? '0' };
    }
  };

  const fetchTable = async (type: ResourceType, selection: Selection) => {
    const { name, namespace } = selection;
    const query = name === undefined ? selectionQuery(selection) : {};
    const body = asObject<Table & RawList>(await getJson(pathOf(type, namespace, name), query, TABLE), 'a table');
    if (body.kind !== 'Table') throw new WeftError('CLIENT_BAD_ANSWER', `the API has no table of ${type.plural}`);
    return body;
  };

  const openWatch = async (
    type: ResourceType,
    selection: Selection,
    revision: string,
    options: FollowOptions,
    accept?: string,
  ) =>
    lines(
      transport.stream({
        method: 'GET',
        path: pathOf(type, selection.namespace),
        query: { ...selectionQuery(selection), watch: true, resourceVersion: revision, allowWatchBookmarks: true },
        signal: options.signal,
        ...(accept ? { accept } : {}),
      }),
      options.signal,
    );

  const write = async (
    method: 'POST' | 'PUT' | 'PATCH',
    path: string,
    body: unknown,
    options: PatchOptions,
  ): Promise<Written> => {
    const answer = await transport.call({
      method,
      path,
      body,
      query: writeQuery(options),
      ...(method === 'PATCH' ? { contentType: PATCH_TYPES[options.type ?? 'merge'] } : {}),
    });
    return { resource: asObject<Resource>(answer.body, path), warnings: answer.warnings };
  };

  return {
    connection,
    version: async () => asObject<ServerVersion>(await getJson('/version'), '/version'),
    discover: () => discover((path) => getJson(path)),
    get: async (type, name, scope = {}) => asObject<Resource>(await getJson(pathOf(type, scope.namespace, name)), name),
    list: (type, selection = {}) => listPages(type, selection),
    table: (type, selection = {}) => fetchTable(type, selection),
    create: (type, resource, options = {}) =>
      write('POST', pathOf(type, resource.metadata.namespace), resource, options),
    replace: (type, resource, options = {}) =>
      write('PUT', pathOf(type, resource.metadata.namespace, resource.metadata.name), resource, options),
    patch: (type, target, patch, options = {}) => {
      const path = pathOf(type, target.namespace, target.name);
      return write('PATCH', target.subresource ? `${path}/${target.subresource}` : path, patch, options);
    },
    async delete(type, name, options = {}) {
      await transport.call({
        method: 'DELETE',
        path: pathOf(type, options.namespace, name),
        query: { dryRun: options.dryRun ? 'All' : undefined },
      });
    },
    watch: (type, selection = {}, options = {}) =>
      followList<ResourceList, Resource>(
        {
          async list() {
            const list = await listPages(type, selection);
            return { list, resourceVersion: list.resourceVersion };
          },
          watch: (revision) => openWatch(type, selection, revision, options),
        },
        options,
      ),
    watchTable: (type, selection = {}, options = {}) =>
      followList<Table, Table>(
        {
          async list() {
            // A named one is listed by field selector: its own table has no revision of the list.
            const { name, ...rest } = selection;
            const fields = name === undefined ? rest : { ...rest, fieldSelector: `metadata.name=${name}` };
            const list = await fetchTable(type, fields);
            return { list, resourceVersion: list.metadata?.resourceVersion ?? '0' };
          },
          watch: (revision) => openWatch(type, selection, revision, options, TABLE),
        },
        options,
      ),
    async createToken(namespace, serviceAccount, options = {}) {
      const spec = {
        ...(options.audience === undefined ? {} : { audiences: [options.audience] }),
        ...(options.seconds === undefined ? {} : { expirationSeconds: options.seconds }),
      };
      const accounts = { group: '', version: 'v1', plural: 'serviceaccounts', namespaced: true };
      const answer = await transport.call({
        method: 'POST',
        path: `${pathOf(accounts, namespace, serviceAccount)}/token`,
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, spec },
      });
      const { status } = asObject<{ status?: { token?: string; expirationTimestamp?: string } }>(
        answer.body,
        'a token',
      );
      if (!status?.token) throw new WeftError('CLIENT_BAD_ANSWER', 'the API answered a token request without a token');
      return { token: new Secret(status.token), expires: status.expirationTimestamp ?? '' };
    },
    getJson: (path, query) => getJson(path, query),
    getLines: (path, query = {}, signal) => lines(transport.stream({ method: 'GET', path, query, signal }), signal),
    close: () => transport.close(),
  };
};

interface RawGroups {
  readonly groups?: readonly { readonly versions?: readonly { readonly groupVersion: string }[] }[];
}

interface RawResources {
  readonly resources?: readonly { readonly name: string; readonly namespaced?: boolean }[];
}

const discover = async (getJson: (path: string) => Promise<unknown>): Promise<ResourceType[]> => {
  const { groups = [] } = asObject<RawGroups>(await getJson('/apis'), '/apis');
  const roots = [{ path: '/api/v1', group: '', version: 'v1' }];
  for (const { groupVersion } of groups.flatMap(({ versions = [] }) => versions)) {
    const [group = '', version = ''] = groupVersion.split('/');
    roots.push({ path: `/apis/${groupVersion}`, group, version });
  }
  const found = await Promise.all(
    roots.map(async ({ path, group, version }) => {
      const { resources = [] } = asObject<RawResources>(await getJson(path), path);
      return resources
        .filter(({ name }) => !name.includes('/'))
        .map(({ name, namespaced = false }) => ({ group, version, plural: name, namespaced }));
    }),
  );
  return found.flat();
};
