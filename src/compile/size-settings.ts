// How large a BackendTrafficPolicy lets requests and answers be, and what can't be done of it. Used by backend-settings.ts.
import type { BackendTrafficPolicySpec } from '../kinds/backend-traffic-policy/types.ts';
import { parseQuantity } from '../kinds/quantity.ts';
import type { ForwardAction } from '../model/route.ts';
import type { Refused } from './backend-settings.ts';

/** On a policy: the largest body of an answer, for which there is no published field. */
const RESPONSE_ANNOTATION = 'weft.dev/max-response-body';

type Annotations = Readonly<Record<string, string>>;

export type SizeSettings = Pick<ForwardAction, 'maxRequestBytes' | 'maxResponseBytes' | 'keptRequestBytes'>;

export const sizeSettings = (
  { requestBuffer }: BackendTrafficPolicySpec,
  annotations: Annotations,
): { [Key in keyof SizeSettings]: SizeSettings[Key] | undefined } => {
  const bytes = requestBuffer && parseQuantity(requestBuffer.limit);
  const isKept = requestBuffer?.mode === 'LimitOnly';
  return {
    maxRequestBytes: isKept ? undefined : bytes,
    keptRequestBytes: isKept ? bytes : undefined,
    maxResponseBytes: parseQuantity(annotations[RESPONSE_ANNOTATION]),
  };
};

export const refusedSizes = (annotations: Annotations): Refused[] => {
  const wanted = annotations[RESPONSE_ANNOTATION];
  if (wanted === undefined || parseQuantity(wanted) !== undefined) return [];
  return [{ path: `metadata.annotations[${RESPONSE_ANNOTATION}]`, what: `${wanted}, which is no size like 10Mi,` }];
};
