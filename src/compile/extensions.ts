// What routes ask for by extensionRef: HTTPRouteFilters, which answer in place of a backend. Used by backends.ts.
import type { ConfigMapResource } from '../kinds/config-map/schema.ts';
import type { DirectResponseSpec, HttpRouteFilterSpec } from '../kinds/http-route-filter/types.ts';
import type { DirectResponse, RouteFilter } from '../model/route.ts';
import type { Input } from './input.ts';
import { compileHeaders } from './route-filters.ts';

export interface ExtensionRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
}

export type Extension =
  | { readonly answer: DirectResponse; readonly filters: readonly RouteFilter[]; readonly problem?: undefined }
  | { readonly problem: { readonly reason: 'FilterNotFound' | 'InvalidFilter'; readonly message: string } };

/** The same object for the same reference. */
export type Extensions = (ref: ExtensionRef, namespace: string) => Extension;

export const openExtensions = (
  filters: readonly Input<HttpRouteFilterSpec>[],
  configMaps: readonly Input[],
): Extensions => {
  const byKey = new Map(filters.map((input) => [input.key, input]));
  const texts = new Map(configMaps.map((input) => [input.key, input]));
  const known = new Map<string, Extension>();
  return (ref, namespace) => {
    const id = `${ref.group}/${ref.kind} ${namespace}/${ref.name}`;
    let found = known.get(id);
    if (!found) {
      found = read(ref, namespace, byKey, texts);
      known.set(id, found);
    }
    return found;
  };
};

const refused = (reason: 'FilterNotFound' | 'InvalidFilter', message: string): Extension => ({
  problem: { reason, message },
});

const read = (
  { group, kind, name }: ExtensionRef,
  namespace: string,
  filters: ReadonlyMap<string, Input<HttpRouteFilterSpec>>,
  texts: ReadonlyMap<string, Input>,
): Extension => {
  if (group !== 'gateway.envoyproxy.io' || kind !== 'HTTPRouteFilter') {
    return refused('FilterNotFound', `${group}/${kind} is not supported as a filter; use an HTTPRouteFilter`);
  }
  const input = filters.get(`${namespace}/${name}`);
  if (!input) return refused('FilterNotFound', `HTTPRouteFilter ${namespace}/${name} does not exist`);
  const { directResponse, ...others } = input.spec;
  const [other] = Object.keys(others);
  if (other) return refused('InvalidFilter', `HTTPRouteFilter ${namespace}/${name}: spec.${other} is not supported`);
  if (!directResponse) return refused('InvalidFilter', `HTTPRouteFilter ${namespace}/${name} says nothing`);
  const body = bodyOf(directResponse, namespace, texts);
  if (body === undefined) {
    const { name: map } = directResponse.body?.valueRef ?? { name: '' };
    return refused('InvalidFilter', `ConfigMap ${namespace}/${map}, the body of HTTPRouteFilter ${name}, has no text`);
  }
  return {
    answer: { type: 'direct', status: directResponse.statusCode ?? 200, body },
    filters: headersOf(directResponse),
  };
};

const bodyOf = (
  { body }: DirectResponseSpec,
  namespace: string,
  texts: ReadonlyMap<string, Input>,
): string | undefined => {
  if (!body) return '';
  if (body.inline !== undefined) return body.inline;
  const { data = {} } = (texts.get(`${namespace}/${body.valueRef?.name}`)?.resource ??
    {}) as Partial<ConfigMapResource>;
  return data['response.body'] ?? Object.values(data)[0];
};

const headersOf = ({ contentType, header }: DirectResponseSpec): RouteFilter[] => {
  const type = contentType === undefined ? [] : [{ name: 'content-type', value: contentType }];
  const { set = [], add = [] } = header ?? {};
  if (type.length + set.length + add.length === 0) return [];
  return [compileHeaders('response-headers', { set: [...type, ...set], add })];
};
