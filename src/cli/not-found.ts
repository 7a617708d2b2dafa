// A name that does not exist: says so with the nearest name that does. Used by get, describe, edit and delete.
import type { Client } from '../client/client.ts';
import type { Kind } from '../kinds/kind.ts';
import { isWeftError, WeftError } from '../lib/errors.ts';
import { nearestName } from '../lib/names.ts';
import { kindPrefix } from './kind-names.ts';

/** Runs a request for one name; API_NOT_FOUND becomes a message with namespace and nearest name. */
export const orNotFound = async <T>(
  client: Client,
  kind: Kind,
  name: string,
  namespace: string | undefined,
  request: Promise<T>,
): Promise<T> => {
  try {
    return await request;
  } catch (cause) {
    if (!isWeftError(cause, 'API_NOT_FOUND')) throw cause;
    const others = await client.list(kind, { namespace }).catch(() => ({ items: [] }));
    const nearest = nearestName(
      name,
      others.items.map(({ metadata }) => metadata.name),
    );
    const list = `weft get ${kind.plural}${kind.namespaced && namespace ? ` -n ${namespace}` : ''}`;
    throw new WeftError(
      'API_NOT_FOUND',
      `${kindPrefix(kind)}/${name} does not exist${kind.namespaced && namespace ? ` in namespace ${namespace}` : ''}`,
      {
        hint: nearest ? `did you mean ${nearest}? "${list}" lists them` : list,
        cause,
      },
    );
  }
};
