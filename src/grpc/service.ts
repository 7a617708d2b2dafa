// What the gRPC services of xds, ca and telemetry share: methods whose messages stay bytes, and who makes a call.
import type { MethodDefinition, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';

export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** A message as it stands on the wire. */
export const asBytes = (bytes: Buffer): Buffer => bytes;

/** A method whose messages are decoded by its service, so that a malformed one gets a clear answer. */
export const bytesMethod = (
  path: string,
  stream: { readonly request: boolean; readonly response: boolean },
): MethodDefinition<Buffer, Buffer> => ({
  path,
  requestStream: stream.request,
  responseStream: stream.response,
  requestSerialize: asBytes,
  requestDeserialize: asBytes,
  responseSerialize: asBytes,
  responseDeserialize: asBytes,
});

/** A call, as far as who makes it is concerned. */
export interface PeerCall {
  getAuthContext(): {
    readonly sslPeerCertificate?:
      | { readonly subjectaltname?: string | undefined; readonly valid_to: string }
      | undefined;
  };
}

/** The SPIFFE id of a call's verified client certificate. */
export const peerOf = (call: PeerCall): string | undefined => {
  const names = call.getAuthContext().sslPeerCertificate?.subjectaltname;
  const uris = names?.split(', ').filter((name) => name.startsWith('URI:spiffe://')) ?? [];
  return uris.length === 1 ? uris[0]!.slice(4) : undefined;
};
