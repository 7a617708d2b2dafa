// Chooses the form of an answer by the Accept header: the object itself, a table, metadata alone, or aggregated discovery.
import { ApiError } from './status.ts';

export interface Accepted {
  readonly form: 'object' | 'table' | 'metadata' | 'discovery';
  /** The version of the form that was asked for, e.g. `v1`, `v2`. */
  readonly version: string;
}

const OBJECT: Accepted = { form: 'object', version: 'v1' };

const parseRange = (range: string): { type: string; parameters: Record<string, string> } => {
  const [type = '', ...rest] = range.split(';').map((part) => part.trim());
  const parameters = Object.fromEntries(rest.map((part) => part.split('=', 2) as [string, string]));
  return { type: type.toLowerCase(), parameters };
};

const formOf = ({ as, g: group, v: version = 'v1' }: Record<string, string>): Accepted | undefined => {
  if (as === undefined) return OBJECT;
  if (group === 'meta.k8s.io' && (version === 'v1' || version === 'v1beta1')) {
    if (as === 'Table') return { form: 'table', version };
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { form: 'metadata', version };
  }
  if (
    group === 'apidiscovery.k8s.io' &&
    as === 'APIGroupDiscoveryList' &&
    (version === 'v2' || version === 'v2beta1')
  ) {
    return { form: 'discovery', version };
  }
  return undefined;
};

/** The first of the accepted forms that this API has; 406 when there is none. */
export const negotiate = (accept: string | undefined, offered: readonly Accepted['form'][]): Accepted => {
  if (!accept) return OBJECT;
  for (const range of accept.slice(0, 4096).split(',')) {
    const { type, parameters } = parseRange(range);
    if (type !== 'application/json' && type !== 'application/*' && type !== '*/*' && type !== 'text/html') continue;
    const found = formOf(parameters);
    if (found && offered.includes(found.form)) return found;
  }
  throw new ApiError(406, 'NotAcceptable', 'only application/json is served; send "Accept: application/json"');
};
