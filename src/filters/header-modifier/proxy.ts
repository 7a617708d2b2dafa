// Header edits for the own engine: closures made at config time that change a head in place. Named by registry.ts.
import type { Head } from '../../model/http.ts';
import type { OwnFilter } from '../filter.ts';
import { mergeHeaderModifiers } from './merge.ts';
import type { HeaderModifier } from './schema.ts';

export type HeadEdit = (head: Head) => void;

const removeHeader = (headers: string[], name: string): void => {
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === name) continue;
    if (kept !== i) {
      headers[kept] = headers[i]!;
      headers[kept + 1] = headers[i + 1]!;
    }
    kept += 2;
  }
  headers.length = kept;
};

/** Leaves exactly one header of that name, in the place of the first. */
export const setHeader = (headers: string[], name: string, value: string): void => {
  let found = false;
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const same = headers[i] === name;
    if (same && found) continue;
    headers[kept] = headers[i]!;
    headers[kept + 1] = same ? value : headers[i + 1]!;
    if (same) found = true;
    kept += 2;
  }
  headers.length = kept;
  if (!found) headers.push(name, value);
};

/** The edit of all filters of one type, or undefined when there is none, so that most requests call nothing. */
export const prepareHeaderEdit = (
  filters: readonly HeaderModifier[],
  type: HeaderModifier['type'],
): HeadEdit | undefined => {
  const edit = mergeHeaderModifiers(filters, type);
  if (!edit) return undefined;
  const { remove, writes } = edit;
  return ({ headers }) => {
    for (const name of remove) removeHeader(headers, name);
    for (const write of writes) {
      if (write.mode === 'set') setHeader(headers, write.name, write.value);
      else headers.push(write.name, write.value);
    }
  };
};

export const headerModifier: OwnFilter<HeaderModifier> = {
  prepare(filters) {
    const editRequest = prepareHeaderEdit(filters, 'request-headers');
    const editResponse = prepareHeaderEdit(filters, 'response-headers');
    return { ...(editRequest && { editRequest }), ...(editResponse && { editResponse }) };
  },
};
