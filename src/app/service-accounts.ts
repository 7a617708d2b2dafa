// What the store says of service accounts, for those who have proven to be one: whether it still exists, and what it may
// be. Wired into ca and xds by control-plane.ts.
import type { TokenVerifier } from '../api/user.ts';
import { audiences } from '../api/user.ts';
import type { JoinVerifier } from '../ca/ca-service.ts';
import { gateway } from '../kinds/gateway/schema.ts';
import { GATEWAY_LABEL, serviceAccount as kind } from '../kinds/service-account/schema.ts';
import { WeftError } from '../lib/errors.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Resource } from '../model/resource.ts';
import { type Store, storeKey } from '../store/store.ts';

interface AccountName {
  readonly namespace: string;
  readonly serviceAccount: string;
}

const SUBJECT = /^system:serviceaccount:([a-z0-9-]+):([a-z0-9.-]+)$/;

const find = async (store: Store, { namespace, serviceAccount }: AccountName): Promise<Resource> => {
  const entry = await store.get(storeKey(kind.group, kind.plural, namespace, serviceAccount));
  if (entry && !entry.value.metadata.deletionTimestamp) return entry.value;
  throw new WeftError('ACCOUNT_UNKNOWN', `there is no service account ${namespace}/${serviceAccount} any more`, {
    hint: 'make it again, and a new join token for it',
  });
};

/** Join tokens are tokens of service accounts for the authority; with the account their use ends. */
export const joinVerifier = (store: Store, tokens: TokenVerifier): JoinVerifier => ({
  async verifyJoin(token) {
    const user = await tokens.verify(token, audiences.ca);
    const match = SUBJECT.exec(user.name);
    if (!match) {
      throw new WeftError('TOKEN_NOT_JOIN', `the token of ${user.name} is no join token`, {
        hint: 'make one: weft token create --service-account NAME',
      });
    }
    const name = { namespace: match[1]!, serviceAccount: match[2]! };
    const account = await find(store, name);
    if (user.uid !== undefined && user.uid !== account.metadata.uid) {
      throw new WeftError('TOKEN_UNKNOWN', `the token is for an earlier service account of the name ${user.name}`, {
        hint: 'make a new one: weft token create --service-account NAME',
      });
    }
    return name;
  },
  async verifyRenewal(identity) {
    await find(store, identity);
  },
});

/** True for the account that control made for the one Gateway that the proxy serves. */
const isAccountOfGateway = async (store: Store, { metadata }: Resource, served = ''): Promise<boolean> => {
  const owner = metadata.ownerReferences?.find(({ kind: name, controller }) => name === 'Gateway' && controller);
  const { namespace = 'default' } = metadata;
  if (!owner || served !== `${namespace}/${owner.name}`) return false;
  const entry = await store.get(storeKey(gateway.group, gateway.plural, namespace, owner.name));
  return entry?.value.metadata.uid === owner.uid;
};

/**
 * A gateway is sent the private keys of its listeners' certificates, so not everyone in the mesh may be one: only accounts
 * of the root namespace, those that an administrator has labelled, and a Gateway's own for that Gateway alone.
 */
export const gatewayCheck =
  (store: Store, rootNamespace: string) =>
  async (node: ProxyNode): Promise<void> => {
    if (node.role !== 'gateway' || node.namespace === rootNamespace) return;
    const account = await find(store, node);
    if (account.metadata.labels?.[GATEWAY_LABEL] === 'true') return;
    if (await isAccountOfGateway(store, account, node.gateway)) return;
    const { namespace, serviceAccount } = node;
    throw new WeftError('XDS_GATEWAY_REFUSED', `service account ${namespace}/${serviceAccount} may not be a gateway`, {
      hint: `allow it with: kubectl -n ${namespace} label serviceaccount ${serviceAccount} ${GATEWAY_LABEL}=true`,
    });
  };
