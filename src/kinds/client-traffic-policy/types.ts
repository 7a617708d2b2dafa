// The spec of a ClientTrafficPolicy, as it is after defaults. Used by compile.
import type { TargetedSpec } from '../policy-parts.ts';

export interface ClientTrafficPolicySpec extends TargetedSpec {
  readonly tls?: ClientTlsSpec;
  readonly enableProxyProtocol?: boolean;
  readonly proxyProtocol?: { readonly optional?: boolean };
  readonly timeout?: {
    readonly tcp?: { readonly idleTimeout?: string };
    readonly http?: {
      readonly requestReceivedTimeout?: string;
      readonly idleTimeout?: string;
      readonly streamIdleTimeout?: string;
    };
  };
  readonly connection?: {
    readonly connectionLimit?: {
      readonly value?: number;
      readonly maxConnectionDuration?: string;
      readonly maxRequestsPerConnection?: number;
    };
  };
  readonly headers?: {
    readonly xForwardedClientCert?: {
      readonly mode?: 'Sanitize' | 'ForwardOnly' | 'AppendForward' | 'SanitizeSet' | 'AlwaysForwardOnly';
      readonly certDetailsToAdd?: readonly ('Subject' | 'Cert' | 'Chain' | 'DNS' | 'URI')[];
    };
  };
}

export interface ClientTlsSpec {
  readonly minVersion?: TlsVersionName;
  readonly maxVersion?: TlsVersionName;
  readonly ciphers?: readonly string[];
  readonly ecdhCurves?: readonly string[];
  readonly alpnProtocols?: readonly string[];
  readonly clientValidation?: ClientValidationSpec;
}

export type TlsVersionName = 'Auto' | '1.0' | '1.1' | '1.2' | '1.3';

export interface ClientValidationSpec {
  readonly optional: boolean;
  readonly caCertificateRefs?: readonly CertificateRef[];
  readonly subjectAltNames?: {
    readonly dnsNames?: readonly StringMatchSpec[];
    readonly emailAddresses?: readonly StringMatchSpec[];
    readonly ipAddresses?: readonly StringMatchSpec[];
    readonly uris?: readonly StringMatchSpec[];
  };
  readonly crl?: { readonly refs: readonly CertificateRef[] };
}

export interface CertificateRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface StringMatchSpec {
  readonly type: 'Exact' | 'Prefix' | 'Suffix' | 'RegularExpression';
  readonly value: string;
}
