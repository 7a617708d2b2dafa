// Which origins a CORS filter means, as an expression that both engines take. Used by both forms.
const USUAL_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' };
const ORIGIN = /^([a-z]+):\/\/(.*?)(?::([0-9]+))?$/;

const literal = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');

/** RE2's, for the whole of an Origin header. The usual port of a scheme may be named or left out. */
export const originPattern = (origin: string): string => {
  if (origin === '*') return '.*';
  const [, scheme = '', host = '', port] = ORIGIN.exec(origin.toLowerCase()) ?? [];
  const usual = USUAL_PORTS[scheme];
  const named = port ?? usual;
  const end = named === usual ? `(:${usual})?` : `:${named}`;
  return `${literal(scheme)}://${literal(host).replaceAll('*', '[^/:]+')}${end}`;
};
