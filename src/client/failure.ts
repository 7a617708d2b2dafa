// Turns what can go wrong between client and API into WeftErrors with a next step. Called by transport.ts and watch.ts.
import { messageOf, systemCode, WeftError } from '../lib/errors.ts';

/** A Kubernetes Status object, as far as it is read here. */
export interface ApiStatus {
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: {
    readonly causes?: readonly { readonly field?: string; readonly message?: string; readonly reason?: string }[];
  };
}

/** An answer of the API that is not success. `status` is the HTTP status. */
export class ApiError extends WeftError {
  readonly status: number;
  readonly reason: string;
  readonly causes: readonly { readonly field?: string; readonly message?: string }[];

  constructor(code: string, status: number, body: ApiStatus, message: string, details: { hint?: string }) {
    super(code, message, details);
    this.status = status;
    this.reason = body.reason ?? '';
    this.causes = body.details?.causes ?? [];
  }
}

const STATUS_CODES: Readonly<Record<number, { readonly code: string; readonly hint?: string }>> = {
  400: { code: 'API_BAD_REQUEST' },
  401: { code: 'API_UNAUTHORIZED', hint: 'use the kubeconfig that "weft up" wrote, or give a valid --token-file' },
  403: { code: 'API_FORBIDDEN', hint: 'use the admin kubeconfig that "weft up" wrote' },
  404: { code: 'API_NOT_FOUND' },
  405: { code: 'API_NOT_SUPPORTED' },
  409: { code: 'API_CONFLICT', hint: 'someone else changed it meanwhile: get it again and repeat the change' },
  410: { code: 'API_GONE', hint: 'list again: this revision is no longer kept' },
  413: { code: 'API_TOO_LARGE', hint: 'split the resource: the API takes at most 1.5 MiB' },
  415: { code: 'API_NOT_SUPPORTED' },
  422: { code: 'API_INVALID' },
  429: { code: 'API_BUSY', hint: 'try again in a moment' },
  500: { code: 'API_FAILED', hint: 'see the log of the control plane' },
  503: { code: 'API_UNAVAILABLE', hint: 'see the log of the control plane' },
  507: { code: 'API_STORE_FULL', hint: 'free disk space where the state is kept; reading goes on' },
};

/** The error for an answer with a status of 400 or more. */
export const apiError = (status: number, body: ApiStatus): ApiError => {
  const known = STATUS_CODES[status] ?? { code: status >= 500 ? 'API_FAILED' : 'API_REFUSED' };
  const message = body.message || `the API answered ${status}`;
  if (status === 409 && body.reason === 'AlreadyExists') return new ApiError('API_EXISTS', status, body, message, {});
  if (status === 401 && /expired/i.test(message)) {
    return new ApiError('API_TOKEN_EXPIRED', status, body, message, {
      hint: 'make a new one with "weft token create", or use the kubeconfig that "weft up" wrote',
    });
  }
  return new ApiError(known.code, status, body, message, known.hint === undefined ? {} : { hint: known.hint });
};

const CERTIFICATE_CODES = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);

/** The error for a connection that could not be made or broke. */
export const connectionError = (server: string, origin: string | undefined, cause: unknown): WeftError => {
  const code = systemCode(cause) ?? '';
  const at = origin === undefined ? {} : { at: origin };
  const fail = (name: string, message: string, hint: string) => new WeftError(name, message, { ...at, hint, cause });
  if (code === 'ECONNREFUSED') {
    return fail(
      'CLIENT_UNREACHABLE',
      `nothing listens at ${server}`,
      'is "weft up" running? Start it, or name another network with --kubeconfig',
    );
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return fail('CLIENT_UNREACHABLE', `the host of ${server} is not known`, 'check the server in the kubeconfig');
  }
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH' || code === 'ETIMEDOUT') {
    return fail('CLIENT_UNREACHABLE', `${server} can't be reached (${code})`, 'is the host up and the port open?');
  }
  if (CERTIFICATE_CODES.has(code)) {
    return fail(
      'CLIENT_UNTRUSTED',
      `the certificate of ${server} is not signed by the trusted authority`,
      'the state may have been made anew: use the kubeconfig that the running "weft up" wrote',
    );
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return fail(
      'CLIENT_UNTRUSTED',
      `the certificate of ${server} is outside its time of validity`,
      'check the clocks of both machines; a restart of the control plane renews it',
    );
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return fail(
      'CLIENT_UNTRUSTED',
      `the certificate of ${server} is for another name`,
      'use the name or address that the kubeconfig has',
    );
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return fail('CLIENT_NOT_TLS', `${server} does not speak TLS`, 'is it another program, or is the URL http://?');
  }
  if (code === 'CERT_ERROR' || code === 'ERR_OSSL_PEM_NO_START_LINE') {
    return fail(
      'CLIENT_BAD_KUBECONFIG',
      'the trusted certificate authority is not PEM',
      'use the kubeconfig that "weft up" wrote',
    );
  }
  return fail(
    'CLIENT_CONNECTION_LOST',
    `the connection to ${server} broke: ${messageOf(cause)}`,
    'is the control plane still running?',
  );
};
