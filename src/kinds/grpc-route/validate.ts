// The rules for a GRPCRoute that the words of its schema can't say; the published API has them as CEL, but for expressions.
import { checkExpression } from '../http-route/validate.ts';
import type { Rule } from '../kind.ts';
import type { GrpcRouteMatch } from './types.ts';

const SERVICE = /^\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$/i;
const METHOD = /^[A-Za-z_][A-Za-z_0-9]*$/;

export const namesOfMethod: Rule<NonNullable<GrpcRouteMatch['method']>> = ({ type, service, method }, refuse) => {
  if (service === undefined && method === undefined) refuse('', 'needs service, method or both');
  for (const [field, value, form] of [
    ['service', service, SERVICE],
    ['method', method, METHOD],
  ] as const) {
    if (value === undefined) continue;
    if (type === 'RegularExpression') checkExpression(value, `.${field}`, refuse);
    else if (!form.test(value)) refuse(`.${field}`, `"${value}" can't be the name of a ${field}`);
  }
};
