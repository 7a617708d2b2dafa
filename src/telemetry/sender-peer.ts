// Who sends events: the id that a proxy gives, held against the certificate that it proved. Called by ingest.
import { WeftError } from '../lib/errors.ts';
import { type Identity, parseSpiffeId } from '../model/identity.ts';

export interface SenderPeer {
  /** The proxy's id. */
  readonly proxy: string;
  readonly role: 'sidecar' | 'gateway';
  /** Name of the workload, from the id. */
  readonly name: string;
  readonly spiffeId: string;
  readonly identity: Identity;
}

const NODE_ID = /^(sidecar|gateway|router)~[^~]{1,100}~([^~]{1,253})~([^~]{1,300})$/;

/** Throws TELEMETRY_REFUSED: no certificate, or an id of another namespace than the certificate's. */
export const senderPeer = (spiffeId: string | undefined, nodeId: string): SenderPeer => {
  const identity = spiffeId === undefined ? undefined : parseSpiffeId(spiffeId);
  if (spiffeId === undefined || !identity) {
    throw new WeftError('TELEMETRY_REFUSED', 'traffic events are taken only over mutual TLS with a SPIFFE identity');
  }
  const parts = NODE_ID.exec(nodeId);
  if (!parts)
    throw new WeftError(
      'TELEMETRY_REFUSED',
      'the id of the proxy is not of the form role~address~name.namespace~domain',
    );
  const suffix = `.${identity.namespace}`;
  const fullName = parts[2]!;
  if (!fullName.endsWith(suffix)) {
    throw new WeftError('TELEMETRY_REFUSED', `the proxy ${fullName} does not belong to ${spiffeId}`);
  }
  const role = parts[1] === 'sidecar' ? 'sidecar' : 'gateway';
  return { proxy: nodeId, role, name: fullName.slice(0, -suffix.length), spiffeId, identity };
};
