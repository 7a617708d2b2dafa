import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { protocolOf } from './protocol.ts';

const cases: Record<string, [appProtocol: string | undefined, name: string | undefined, want: string]> = {
  'nothing is declared': [undefined, undefined, 'http'],
  'a name of HTTP': [undefined, 'http-api', 'http'],
  'a name of gRPC': [undefined, 'grpc', 'http2'],
  'a longer name of gRPC': [undefined, 'grpc-orders', 'http2'],
  'a name of gRPC-Web': [undefined, 'grpc-web', 'http2'],
  'a name of HTTP/2': [undefined, 'http2-api', 'http2'],
  'a name that only begins like one': [undefined, 'httpd', 'tcp'],
  'another name': [undefined, 'mysql', 'tcp'],
  'a word of TLS': [undefined, 'https', 'tcp'],
  'the word of Kubernetes for prior knowledge': ['kubernetes.io/h2c', 'web', 'http2'],
  'the word of Kubernetes for WebSocket': ['kubernetes.io/ws', 'web', 'http'],
  'the word of Kubernetes for WebSocket over TLS': ['kubernetes.io/wss', 'http', 'tcp'],
  'a word in capitals': ['GRPC', undefined, 'http2'],
  'a word wins over the name': ['tcp', 'http', 'tcp'],
  'a word is whole': ['http-api', undefined, 'tcp'],
  'a word that every object has': ['constructor', undefined, 'tcp'],
};

describe('the protocol of a port', () => {
  for (const [title, [appProtocol, name, want]] of Object.entries(cases)) {
    it(title, () => assert.equal(protocolOf(appProtocol, name), want));
  }
});
