// One spelling for each path, so that `/admin/../x`, `/%61dmin` or `\` can't slip past a policy or a route.
// Called once per request by the proxy, before routing, policy and forwarding, and again (at no cost) by authorization.
//
// Istio's default, BASE, and byte for byte what Envoy 1.40 does with `normalize_path: true` in the HTTP connection
// manager, which the Envoy form must therefore set (and neither merge_slashes nor path_with_escaped_slashes_action):
// dot segments are resolved, unreserved letters unescaped, `\` becomes `/`, odd letters are escaped. `//`, `%2f` and
// the case of letters stay as they are. What is forwarded is the normal form: what policy saw is what the service gets.

const SLASH = 47;
const DOT = 46;
const PERCENT = 37;
const BACKSLASH = 92;

const UNRESERVED = /[A-Za-z0-9._~-]/;
const ESCAPED = '"<>^`{|}';

/** Per byte: what it is replaced by outside an escape; undefined: itself. */
const ESCAPES: readonly (string | undefined)[] = Array.from({ length: 128 }, (_, byte) => {
  const char = String.fromCharCode(byte);
  return ESCAPED.includes(char) ? `%${byte.toString(16).toUpperCase()}` : undefined;
});

/** True when the path is in normal form as it stands; nearly all are. */
const isNormal = (path: string): boolean => {
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === PERCENT || code === BACKSLASH || (code < 128 && ESCAPES[code] !== undefined)) return false;
    if (code === SLASH && path.charCodeAt(i + 1) === DOT) return false;
  }
  return true;
};

// Servers that know path parameters read `/..;x/` as `/../`.
const DOTS_WITH_PARAMETERS = /\/(\.{1,2});[^/]*/g;

const unescapeLetters = (path: string): string | undefined => {
  const text = path.replaceAll('\\', '/').replace(/%([0-9A-Fa-f]{2})/g, (whole, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16));
    return UNRESERVED.test(char) || char === '\0' ? char : whole;
  });
  if (text.includes('\0')) return undefined;
  return text.replace(/["<>^`{|}]/g, (char) => ESCAPES[char.charCodeAt(0)]!);
};

const resolveDots = (path: string): string => {
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  segments.forEach((segment, i) => {
    const isDots = segment === '.' || segment === '..';
    if (segment === '..') kept.pop();
    if (!isDots) kept.push(segment);
    else if (i === segments.length - 1) kept.push('');
  });
  return `/${kept.join('/')}`;
};

const normalizeOnce = (path: string): string | undefined => {
  const text = unescapeLetters(path.replace(DOTS_WITH_PARAMETERS, '/$1'));
  return text === undefined ? undefined : resolveDots(text);
};

/**
 * The normal form of a path without its query. Undefined: the request must be refused with 400: a `%00`, or a
 * spelling whose normal form would be read differently once more (`%%34%31`, `/%2e%2e;/`), which no honest client sends.
 */
export const normalizePath = (path: string): string | undefined => {
  if (isNormal(path) || path.charCodeAt(0) !== SLASH) return path;
  const normal = normalizeOnce(path);
  return normal !== undefined && normalizeOnce(normal) === normal ? normal : undefined;
};
