// The kubeconfig that makes kubectl, weft and client libraries find this network.
import { stringify } from 'yaml';
import type { Secret } from '../lib/secret.ts';

export interface KubeconfigContent {
  /** `https://127.0.0.1:7443` */
  readonly server: string;
  readonly rootPem: string;
  readonly token: Secret;
}

/** The file's text; it holds a token, so it is for its owner alone. */
export const kubeconfigOf = ({ server, rootPem, token }: KubeconfigContent): string =>
  stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'weft',
    clusters: [
      {
        name: 'weft',
        cluster: { server, 'certificate-authority-data': Buffer.from(rootPem).toString('base64') },
      },
    ],
    users: [{ name: 'admin', user: { token: token.reveal() } }],
    contexts: [{ name: 'weft', context: { cluster: 'weft', user: 'admin', namespace: 'default' } }],
  });
