// What a ClusterTrustBundle may hold, and what it may be called.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { OpensslAuthority } from '../../../test/fakes/openssl-authority.ts';
import { makeSelfSigned } from '../../../test/fakes/self-signed.ts';
import { validateResource } from '../validate.ts';
import { clusterTrustBundle } from './schema.ts';

const authority = new OpensslAuthority('test');
after(() => authority.close());
const root = authority.rootPem;

const CASES: Record<string, { name: string; spec: object; want: RegExp }> = {
  'an authority': { name: 'ours', spec: { trustBundle: root }, want: /^$/ },
  'several, for a signer': {
    name: 'example.com:ca:v1',
    spec: { signerName: 'example.com/ca', trustBundle: root + root },
    want: /^$/,
  },
  'nothing in PEM form': { name: 'ours', spec: { trustBundle: 'x' }, want: /spec\.trustBundle.*no certificate/ },
  'a server’s certificate': {
    name: 'ours',
    spec: { trustBundle: makeSelfSigned().certPem },
    want: /certificate 1 is not that of an authority/,
  },
  'a broken one behind a good one': {
    name: 'ours',
    spec: { trustBundle: `${root}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n` },
    want: /certificate 2 can't be read/,
  },
  'the name of a signer without it': { name: 'a:b', spec: { trustBundle: root }, want: /must not have a ":"/ },
  'another name than the signer’s': {
    name: 'ours',
    spec: { signerName: 'example.com/ca', trustBundle: root },
    want: /must begin with "example\.com:ca:"/,
  },
  'a name with an empty part': { name: 'a::b', spec: { signerName: 'a', trustBundle: root }, want: /is not a name/ },
};
for (const [title, { name, spec, want }] of Object.entries(CASES)) {
  test(title, () => {
    const resource = { apiVersion: 'certificates.k8s.io/v1', kind: 'ClusterTrustBundle', metadata: { name }, spec };
    const { problems } = validateResource(clusterTrustBundle, resource);
    assert.match(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'), want);
  });
}
