// Which kind a user means by `svc`, `httproutes`, `gateways.gateway.networking.k8s.io` or `all`. Used by most commands.
import type { Kind } from '../kinds/kind.ts';
import { findKindByName, kindNames, kinds } from '../kinds/registry.ts';
import { WeftError } from '../lib/errors.ts';
import { nearestName } from '../lib/names.ts';

/** `httproute.gateway.networking.k8s.io`, `service`: how kubectl names the kind in front of a `/name`. */
export const kindPrefix = (kind: Kind): string => (kind.group ? `${kind.singular}.${kind.group}` : kind.singular);

// What a person wants to see of a network at first; the order is that of the output.
const ALL = [
  'services',
  'workloadentries',
  'serviceentries',
  'gateways',
  'httproutes',
  'grpcroutes',
  'tlsroutes',
  'tcproutes',
  'udproutes',
  'clienttrafficpolicies',
  'backendtrafficpolicies',
  'backendtlspolicies',
  'authorizationpolicies',
];

/** The kind that a name stands for; throws UNKNOWN_KIND with the nearest name. */
export const requireKind = (name: string): Kind => {
  const kind = findKindByName(name);
  if (kind) return kind;
  const nearest = nearestName(name, [...kindNames(), 'all']);
  throw new WeftError('UNKNOWN_KIND', `unknown kind "${name}"`, {
    hint: nearest ? `did you mean ${nearest}?` : `the kinds are ${kinds.map(({ plural }) => plural).join(', ')}`,
  });
};

/** The kinds of a list such as `services,httproutes` or `all`. */
export const requireKinds = (list: string): Kind[] => {
  const names = list.split(',').filter((name) => name !== '');
  const found = names.flatMap((name) =>
    name === 'all' ? ALL.flatMap((plural) => findKindByName(plural) ?? []) : [requireKind(name)],
  );
  return [...new Set(found)];
};

export interface Wanted {
  readonly kind: Kind;
  /** Absent: all of the kind. */
  readonly names?: readonly string[];
}

const usage = (message: string, hint: string) => new WeftError('USAGE', message, { hint });

/** Reads `KIND[,KIND…] [NAME…]` or `KIND/NAME…`. */
export const parseWanted = (args: readonly string[], example: string): Wanted[] => {
  if (args.length === 0) throw usage('name a kind', example);
  if (!args.some((arg) => arg.includes('/'))) {
    const [list = '', ...names] = args;
    const found = requireKinds(list);
    if (found.length === 0) throw usage('name a kind', example);
    if (names.length === 0) return found.map((kind) => ({ kind }));
    if (list === 'all') throw usage('"all" takes no names', example);
    return found.map((kind) => ({ kind, names }));
  }
  const names = new Map<Kind, string[]>();
  for (const arg of args) {
    const [kindName = '', name = '', ...rest] = arg.split('/');
    if (!kindName || !name || rest.length)
      throw usage(`"${arg}" is not of the form KIND/NAME, and the others are`, example);
    const kind = requireKind(kindName);
    names.set(kind, [...(names.get(kind) ?? []), name]);
  }
  return [...names].map(([kind, list]) => ({ kind, names: list }));
};

/** Reads exactly one resource: `KIND NAME` or `KIND/NAME`. */
export const parseOne = (args: readonly string[], example: string): { kind: Kind; name: string } => {
  const wanted = parseWanted(args, example);
  const [first] = wanted;
  if (wanted.length !== 1 || first?.names?.length !== 1) throw usage('name one resource: KIND NAME', example);
  return { kind: first.kind, name: first.names[0]! };
};
