// Routes of every kind before they are attached anywhere: what they lead to, and what can't be done of them. Used by routing.ts and the files of the kinds.
import type { SessionPersistence } from '../filters/session-affinity/schema.ts';
import type { BackendRef, RouteSpec, WeightedBackendRef } from '../kinds/route-parts.ts';
import { openConcat, openMap } from '../lib/lists.ts';
import { INVALID_CLUSTER, type WeightedCluster } from '../model/snapshot.ts';
import type { BackendProblem, Backends, ResolvedBackend } from './backends.ts';
import { no, type Verdict, yes } from './conditions.ts';
import type { Extension, ExtensionRef } from './extensions.ts';
import type { Input } from './input.ts';
import { keepEqual } from './keep.ts';
import type { OrderedRoute } from './route-order.ts';

/** What compile knows of a kind of route; the list of them stands in route-kinds.ts. */
export interface RouteKind<Spec extends RouteSpec = RouteSpec> {
  readonly kind: string;
  /** What its backends must speak: the transport, and whether gRPC is sent to ports whose protocol is not declared. */
  readonly backends: 'http' | 'grpc' | 'tcp' | 'udp';
  /** What a request or connection gets whose backend can't be used, for people. */
  readonly lost: string;
  compile(spec: Spec, context: RouteContext): RouteContent;
}

export interface RouteContext {
  readonly key: string;
  /** The clusters of backends by weight; what can't be used is a share of INVALID_CLUSTER, and a problem. */
  targets<Ref extends WeightedBackendRef>(refs: readonly Ref[]): readonly Target<Ref>[];
  /** What answers in place of a backend; undefined, and a problem, where it can't be used. */
  extension(ref: ExtensionRef): Exclude<Extension, { readonly problem: object }> | undefined;
  /** The cluster of a backend that is asked beside the targets; undefined, and a problem, where it can't be used. */
  besides(ref: BackendRef, speaks?: RouteKind['backends']): string | undefined;
}

/** `ref` is absent where the share leads nowhere. */
export interface Target<Ref> extends WeightedCluster {
  /** Of its Service. */
  readonly session?: SessionPersistence;
  readonly ref?: Ref;
}

export interface RouteContent {
  /** For HTTP: one for each match. */
  readonly routes?: readonly OrderedRoute[];
  /** For connections and datagrams. */
  readonly targets?: readonly WeightedCluster[];
  readonly unsupported?: readonly Unsupported[];
}

export interface Unsupported {
  readonly path: string;
  readonly what: string;
}

export interface CompiledRoute {
  readonly kind: RouteKind;
  readonly input: Input<RouteSpec>;
  /** Empty when the route can't be taken. */
  readonly routes: readonly OrderedRoute[];
  readonly targets: readonly WeightedCluster[];
  /** Whether Weft can do what the route says; its parents may still refuse it. */
  readonly accepted: Verdict;
  readonly resolvedRefs: Verdict;
  readonly unsupported: readonly Unsupported[];
}

/** True for what leads connections or datagrams, not requests. */
export const isStream = ({ kind: { backends } }: CompiledRoute): boolean => backends === 'tcp' || backends === 'udp';

interface RouteInputs {
  readonly kind: RouteKind;
  readonly inputs: readonly Input<RouteSpec>[];
}

/** Compiles routes; one whose spec and backends are the same keeps its result. */
export const openRoutes = () => {
  const compilers = new Map<RouteKind, ReturnType<typeof openKind>>();
  const join = openConcat<CompiledRoute>();
  return (lists: readonly RouteInputs[], backends: Backends): readonly CompiledRoute[] => {
    const compiled = lists.map(({ kind, inputs }) => {
      const compile = compilers.get(kind) ?? openKind(kind);
      compilers.set(kind, compile);
      return compile(inputs, backends);
    });
    return join(compiled);
  };
};

/** Something that a compiled route was made from, besides its spec. */
interface Dependency {
  readonly ask: (backends: Backends) => unknown;
  readonly answer: unknown;
}

interface Memo {
  readonly input: Input<RouteSpec>;
  readonly dependencies: readonly Dependency[];
  readonly compiled: CompiledRoute;
}

const openKind = (kind: RouteKind) => {
  const memos = new Map<string, Memo>();
  let compileEach = openMap<Input<RouteSpec>, CompiledRoute>();
  let last: Backends | undefined;
  const compileOne = (input: Input<RouteSpec>, backends: Backends): CompiledRoute => {
    const before = memos.get(input.key);
    if (before?.input === input && before.dependencies.every(({ ask, answer }) => ask(backends) === answer)) {
      return before.compiled;
    }
    const dependencies: Dependency[] = [];
    const compiled = compileRoute(kind, input, openLookup(kind, input, backends, dependencies), before?.compiled);
    memos.set(input.key, { input, dependencies, compiled });
    return compiled;
  };
  return (inputs: readonly Input<RouteSpec>[], backends: Backends): readonly CompiledRoute[] => {
    if (backends !== last) compileEach = openMap();
    last = backends;
    const compiled = compileEach(inputs, (input) => compileOne(input, backends));
    if (memos.size > inputs.length) {
      const present = new Set(inputs.map(({ key }) => key));
      for (const key of memos.keys()) if (!present.has(key)) memos.delete(key);
    }
    return compiled;
  };
};

interface Lookup {
  backend(ref: BackendRef, speaks?: RouteKind['backends']): ResolvedBackend;
  extension(ref: ExtensionRef): Extension;
}

/** Looks backends up, and remembers what was found. */
const openLookup = (kind: RouteKind, { namespace }: Input, backends: Backends, dependencies: Dependency[]): Lookup => ({
  backend(ref, speaks) {
    const spoken = speaks ? { ...kind, backends: speaks } : kind;
    const ask = (known: Backends) => {
      const { cluster, session, problem } = known.resolve(ref, spoken, namespace);
      return `${cluster} ${problem?.message ?? ''}${session ? JSON.stringify(session) : ''}`;
    };
    dependencies.push({ ask, answer: ask(backends) });
    return backends.resolve(ref, spoken, namespace);
  },
  extension(ref) {
    const ask = (known: Backends) => known.extension(ref, namespace);
    const answer = ask(backends);
    dependencies.push({ ask, answer });
    return answer;
  },
});

const compileRoute = (
  kind: RouteKind,
  input: Input<RouteSpec>,
  lookup: Lookup,
  before: CompiledRoute | undefined,
): CompiledRoute => {
  const { spec, key } = input;
  const problems: BackendProblem[] = [];
  const {
    routes,
    targets,
    unsupported = [],
  } = kind.compile(spec, {
    key,
    targets: (refs) => resolveTargets(refs, lookup, problems),
    extension(ref) {
      const found = lookup.extension(ref);
      if (!found.problem) return found;
      problems.push(found.problem);
      return undefined;
    },
    besides(ref, speaks) {
      const { cluster, problem } = lookup.backend(ref, speaks);
      if (problem) problems.push(problem);
      return problem ? undefined : cluster;
    },
  });
  const usable = unsupported.length === 0;
  const messages = unsupported.map(({ path, what }) => `${path}: ${what} is not supported`);
  const [problem] = problems;
  return {
    kind,
    input,
    routes: usable ? keepEqual(before?.routes, routes ?? []) : [],
    targets: usable ? keepEqual(before?.targets, targets ?? []) : [],
    accepted: usable ? yes('Accepted', 'Accepted') : no('Accepted', 'UnsupportedValue', messages.join('; ')),
    resolvedRefs: problem
      ? no('ResolvedRefs', problem.reason, [...new Set(problems.map(({ message }) => message))].join('; '))
      : yes('ResolvedRefs', 'ResolvedRefs'),
    unsupported,
  };
};

const resolveTargets = <Ref extends WeightedBackendRef>(
  refs: readonly Ref[],
  { backend }: Lookup,
  problems: BackendProblem[],
): Target<Ref>[] => {
  const targets: Target<Ref>[] = [];
  let lost = 0;
  for (const ref of refs) {
    const { cluster, session, problem } = backend(ref);
    if (problem) problems.push(problem);
    if (problem) lost += ref.weight;
    else if (ref.weight > 0) targets.push({ cluster, weight: ref.weight, ...(session && { session }), ref });
  }
  if (lost > 0) targets.push({ cluster: INVALID_CLUSTER, weight: lost });
  // No backend to go to: the API wants an error, not "no such route".
  return targets.length > 0 ? targets : [{ cluster: INVALID_CLUSTER, weight: 1 }];
};
