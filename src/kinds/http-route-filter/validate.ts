// The rules for an HTTPRouteFilter that its schema can't say; the published API has them as CEL.
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import { gather } from '../route-parts.ts';
import { specOf } from '../schema.ts';
import type { HttpRouteFilterSpec } from './types.ts';

export const validateHttpRouteFilter = (resource: Resource): Problem[] =>
  gather(resource, (check) => {
    const { body, header } = specOf<HttpRouteFilterSpec>(resource).directResponse ?? {};
    const path = 'spec.directResponse';
    if (header?.remove?.length) check(`${path}.header.remove`, 'there is nothing to be removed from a direct response');
    if (!body) return;
    const [wanted, other] =
      body.type === 'Inline' ? (['inline', 'valueRef'] as const) : (['valueRef', 'inline'] as const);
    if (body[wanted] === undefined) check(`${path}.body.${wanted}`, `is required for type ${body.type}`);
    if (body[other] !== undefined) check(`${path}.body.${other}`, `must not be set for type ${body.type}`);
    const ref = body.valueRef;
    if (ref && (ref.group !== '' || ref.kind !== 'ConfigMap'))
      check(`${path}.body.valueRef.kind`, 'must be a ConfigMap');
  });
