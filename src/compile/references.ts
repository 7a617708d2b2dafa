// References between namespaces: what ReferenceGrants allow, and the certificates that Gateways refer to. Used by compile.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { ReferenceGrantSpec } from '../kinds/reference-grant/schema.ts';
import type { SecretResource } from '../kinds/secret/schema.ts';
import type { TlsSecret } from '../model/snapshot.ts';
import type { Input } from './input.ts';

export interface Reference {
  readonly from: { readonly group: string; readonly kind: string; readonly namespace: string };
  readonly to: { readonly group: string; readonly kind: string; readonly namespace: string; readonly name: string };
}

export interface Grants {
  /** True within one namespace, and where a ReferenceGrant of the target's namespace allows it. */
  allows(reference: Reference): boolean;
}

export const openGrants = (inputs: readonly Input<ReferenceGrantSpec>[]): Grants => {
  const byNamespace = new Map<string, ReferenceGrantSpec[]>();
  for (const { namespace, spec } of inputs) {
    byNamespace.set(namespace, [...(byNamespace.get(namespace) ?? []), spec]);
  }
  return {
    allows({ from, to }) {
      if (from.namespace === to.namespace) return true;
      return (byNamespace.get(to.namespace) ?? []).some(
        (grant) =>
          grant.from.some(
            (entry) => entry.group === from.group && entry.kind === from.kind && entry.namespace === from.namespace,
          ) &&
          grant.to.some(
            (entry) => entry.group === to.group && entry.kind === to.kind && (!entry.name || entry.name === to.name),
          ),
      );
    },
  };
};

export interface CertificateResult {
  /** With an error: what the Secret held before, which goes on. */
  readonly secret?: TlsSecret;
  readonly error?: string;
}

/** Reads certificates out of Secrets; each Secret once. One whose content turns bad keeps the certificate that it had. */
export const openCertificates = (): ((input: Input) => CertificateResult) => {
  const read = new WeakMap<Input, CertificateResult>();
  /** By the uid of the Secret: one that was made anew is another. */
  const good = new Map<string, TlsSecret>();
  return (input) => {
    let result = read.get(input);
    if (!result) {
      result = readCertificate(input);
      const id = `${input.key} ${input.resource.metadata.uid ?? ''}`;
      const kept = good.get(id);
      if (result.secret) remember(good, id, result.secret);
      else if (kept) {
        result = { secret: kept, error: `${result.error}; the certificate that it had before goes on` };
      }
      read.set(input, result);
    }
    return result;
  };
};

const MAX_REMEMBERED = 10_000;

/** Those that were not written for longest are forgotten first. */
const remember = (good: Map<string, TlsSecret>, id: string, secret: TlsSecret): void => {
  good.delete(id);
  good.set(id, secret);
  if (good.size > MAX_REMEMBERED) good.delete(good.keys().next().value!);
};

const readCertificate = ({ resource, key }: Input): CertificateResult => {
  const { type, data = {} } = resource as SecretResource;
  if (type !== 'kubernetes.io/tls') return { error: `Secret ${key} has type ${type}, not kubernetes.io/tls` };
  const chainPem = Buffer.from(data['tls.crt'] ?? '', 'base64').toString();
  const keyPem = Buffer.from(data['tls.key'] ?? '', 'base64').toString();
  // A certificate that the data plane can't load must be found here: there it would hold up the whole listener.
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(chainPem);
  } catch {
    return { error: `tls.crt of Secret ${key} is not a certificate in PEM form` };
  }
  try {
    if (certificate.checkPrivateKey(createPrivateKey(keyPem))) return { secret: { name: key, chainPem, keyPem } };
    return { error: `tls.key of Secret ${key} is not the key of its certificate` };
  } catch {
    return { error: `tls.key of Secret ${key} is not a private key in PEM form` };
  }
};
