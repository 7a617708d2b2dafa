// TLS by YAML: client certificates at a Gateway's listeners, and TLS to backends. Used by features.test.ts.
import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { type Issued, OpensslAuthority } from '../../fakes/openssl-authority.ts';
import { ask } from '../../fakes/tls-cases.ts';
import { until } from '../until.ts';
import { base64, conditionOf, gateway, https, route, to } from './gateway-cases.ts';
import { call } from './http-call.ts';
import type { Features } from './setup.ts';

const secret = (name: string, { chainPem, keyPem }: Issued): string => `
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: { name: ${name}, namespace: default }
data: { tls.crt: ${base64(chainPem)}, tls.key: ${base64(keyPem)} }
`;

const configMap = (name: string, data: Readonly<Record<string, string>>): string => `
apiVersion: v1
kind: ConfigMap
metadata: { name: ${name}, namespace: default }
data: ${JSON.stringify(data)}
`;

const clientPolicy = (tls: string): string => `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: { name: members, namespace: default }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: members }]
  tls: ${tls}
`;

const VALIDATION =
  'clientValidation: { caCertificateRefs: [{ kind: ConfigMap, name: members }], crl: { refs: [{ kind: ConfigMap, name: members }] } }';

const backend = (port: number): string => `
apiVersion: v1
kind: Service
metadata: { name: locked, namespace: default }
spec: { ports: [{ name: https, port: 443 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: locked-1, namespace: default, labels: { kubernetes.io/service-name: locked } }
addressType: IPv4
ports: [{ name: https, port: ${port}, protocol: TCP }]
endpoints: [{ addresses: [127.0.0.1] }]
`;

const backendPolicy = (hostname: string, ca = 'locked'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: locked, namespace: default }
spec:
  targetRefs: [{ group: '', kind: Service, name: locked, sectionName: https }]
  validation: { hostname: ${hostname}, caCertificateRefs: [{ group: '', kind: ConfigMap, name: ${ca} }] }
`;

const acceptedOf = async (f: Features, apiVersion: string, kind: string, name: string) => {
  const { status } = (await f.get(apiVersion, kind, name)) as { status?: { ancestors?: { conditions: unknown }[] } };
  return conditionOf(status?.ancestors?.[0]?.conditions ?? [], 'Accepted');
};

const BACKEND_POLICY = ['gateway.networking.k8s.io/v1', 'BackendTLSPolicy', 'locked'] as const;

export const tlsCases: Record<string, (f: Features) => Promise<void>> = {
  'client certificates: who is unknown or revoked stays out, and who is in is not dropped': async (f) => {
    const authority = new OpensslAuthority('members');
    try {
      const port = await f.freePort();
      const server = authority.issue({ names: 'DNS:members.test' });
      const one = authority.issue({ subject: '/CN=one', names: 'DNS:one.test' });
      const two = authority.issue({ subject: '/CN=two', names: 'DNS:two.test' });
      const lists = () => configMap('members', { 'ca.crt': authority.rootPem, 'ca.crl': authority.listPem() });
      await f.apply(
        secret('members-server', server),
        gateway('members', https('https', port, 'members.test', '{ name: members-server }')),
        route('members', '{ name: members }', `  rules: [{ backendRefs: ${to('web-v1')} }]`),
        lists(),
        clientPolicy(`{ minVersion: '1.3', ${VALIDATION} }`),
      );
      const statusOf = async (as?: Issued) => (await ask(port, 'members.test', as && { as }))?.status;
      await until('members alone', async () => (await statusOf(one)) === 200 && (await statusOf()) === undefined);
      assert.equal(await statusOf(two), 200);
      const socket = connect({
        port,
        host: '127.0.0.1',
        servername: 'members.test',
        rejectUnauthorized: false,
        key: two.keyPem,
        cert: two.chainPem,
      });
      let text = '';
      socket.setEncoding('latin1').on('data', (data: string) => {
        text += data;
      });
      const again = async () => {
        const before = text.length;
        socket.write('GET / HTTP/1.1\r\nhost: members.test\r\n\r\n');
        await until('an answer on the kept connection', async () => {
          const answer = text.slice(before);
          return answer.startsWith('HTTP/1.1 200') && answer.includes('}');
        });
      };
      await again();
      authority.revoke(two);
      await f.apply(lists());
      await until('the second to be out', async () => (await statusOf(two)) === undefined);
      assert.equal(await statusOf(one), 200);
      await again();
      socket.destroy();

      await f.apply(clientPolicy(`{ ${VALIDATION.replace('crl:', 'spkiHashes: [x], crl:')} }`));
      await until('nobody to be let in', async () => (await statusOf(one)) === undefined);
      assert.equal(
        (await acceptedOf(f, 'gateway.envoyproxy.io/v1alpha1', 'ClientTrafficPolicy', 'members'))?.reason,
        'Invalid',
      );
    } finally {
      authority.close();
    }
  },

  'TLS to a backend: only the one that proves its name gets requests': async (f) => {
    const authority = new OpensslAuthority('backends');
    const { keyPem, chainPem } = authority.issue({ names: 'DNS:locked.test' });
    const server = createServer({ key: keyPem, cert: chainPem }, (request, response) => {
      response.end(`inside ${request.headers.host}`);
    });
    try {
      server.listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const port = await f.freePort();
      await f.apply(
        backend((server.address() as AddressInfo).port),
        configMap('locked', { 'ca.crt': authority.rootPem }),
        gateway('to-locked', `{ name: http, protocol: HTTP, port: ${port} }`),
        route('to-locked', '{ name: to-locked }', '  rules: [{ backendRefs: [{ name: locked, port: 443 }] }]'),
        backendPolicy('locked.test'),
      );
      const at = async () => {
        const { status, body } = await call(port, '/', { headers: { host: 'x.test' } });
        return `${status} ${status === 200 ? body : ''}`;
      };
      await until('the backend', async () => (await at()) === '200 inside x.test');
      await until('the status', async () => (await acceptedOf(f, ...BACKEND_POLICY))?.status === 'True');
      await f.apply(backendPolicy('other.test'));
      await until('the wrong name', async () => (await at()) === '503 ');
      await f.apply(backendPolicy('locked.test', 'missing'));
      await until(
        'the refusal',
        async () => (await acceptedOf(f, ...BACKEND_POLICY))?.reason === 'NoValidCACertificate',
      );
      assert.equal(await at(), '503 ');
      await f.apply(backendPolicy('locked.test'));
      await until('the backend again', async () => (await at()) === '200 inside x.test');
    } finally {
      server.close();
      server.closeAllConnections();
      authority.close();
    }
  },
};
