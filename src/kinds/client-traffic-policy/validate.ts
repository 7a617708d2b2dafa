// The rules for a ClientTrafficPolicy that its schema can't say; the published API has some of them as CEL.
import { messageOf } from '../../lib/errors.ts';
import { nearestName } from '../../lib/names.ts';
import { compilePattern } from '../../lib/pattern.ts';
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import { checkTargets } from '../policy-parts.ts';
import { type Check, gather } from '../route-parts.ts';
import { specOf } from '../schema.ts';
import { CURVE_NAMES, SUITE_NAMES, suiteName } from '../tls-names.ts';
import type { ClientTlsSpec, ClientTrafficPolicySpec, ClientValidationSpec } from './types.ts';

export const validateClientTrafficPolicy = (resource: Resource): Problem[] =>
  gather(resource, (check) => {
    const spec = specOf<ClientTrafficPolicySpec>(resource);
    checkTargets(spec, ['Gateway', 'ListenerSet'], check);
    if (spec.tls) checkTls(spec.tls, check);
    const { mode, certDetailsToAdd } = spec.headers?.xForwardedClientCert ?? {};
    if (certDetailsToAdd?.length && mode !== 'AppendForward' && mode !== 'SanitizeSet') {
      const path = 'spec.headers.xForwardedClientCert.certDetailsToAdd';
      check(path, 'can only be set when mode is AppendForward or SanitizeSet');
    }
  });

const RANK = { '1.0': 1, '1.1': 2, '1.2': 3, '1.3': 4 } as const;

const checkTls = (tls: ClientTlsSpec, check: Check): void => {
  const { minVersion = 'Auto', maxVersion = 'Auto', ciphers, ecdhCurves, alpnProtocols, clientValidation } = tls;
  const min = RANK[minVersion === 'Auto' ? '1.2' : minVersion];
  if (min > RANK[maxVersion === 'Auto' ? '1.3' : maxVersion]) {
    check('spec.tls.minVersion', 'must be smaller than or equal to maxVersion');
  }
  if (minVersion === '1.3' && ciphers) check('spec.tls.ciphers', 'have no effect where the oldest version is 1.3');
  const unknown = (path: string, name: string, known: readonly string[]) => {
    const near = nearestName(name, known);
    check(path, `"${name}" is not known`, `${near ? `did you mean ${near}? ` : ''}known: ${known.join(', ')}`);
  };
  ciphers?.forEach((name, i) => {
    if (!suiteName(name)) unknown(`spec.tls.ciphers[${i}]`, name, SUITE_NAMES);
  });
  ecdhCurves?.forEach((name, i) => {
    if (!CURVE_NAMES.includes(name)) unknown(`spec.tls.ecdhCurves[${i}]`, name, CURVE_NAMES);
  });
  alpnProtocols?.forEach((name, i) => {
    if (!ALPN_NAMES.includes(name)) unknown(`spec.tls.alpnProtocols[${i}]`, name, ALPN_NAMES);
  });
  if (clientValidation) checkNames(clientValidation, check);
};

const ALPN_NAMES = ['h2', 'http/1.1'];

const checkNames = ({ subjectAltNames = {} }: ClientValidationSpec, check: Check): void => {
  for (const field of ['dnsNames', 'emailAddresses', 'ipAddresses', 'uris'] as const) {
    for (const [i, { type, value }] of (subjectAltNames[field] ?? []).entries()) {
      if (type !== 'RegularExpression') continue;
      try {
        compilePattern(value);
      } catch (error) {
        check(`spec.tls.clientValidation.subjectAltNames.${field}[${i}].value`, messageOf(error));
      }
    }
  }
};
