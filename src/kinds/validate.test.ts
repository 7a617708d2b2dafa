// Checks of resources from outside, kind by kind: what is taken, what is refused, and in which words.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gateway } from './gateway/schema.ts';
import { validateResource } from './validate.ts';
import { parseManifests } from './yaml.ts';

/** `code path: message` of every problem of one manifest. */
const problemsOf = (text: string): string[] =>
  parseManifests(text, { file: 'test.yaml' }).problems.map(
    ({ code, message, hint }) => `${code} ${message}${hint ? ` (${hint})` : ''}`,
  );

const route = (rules: string): string =>
  `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, spec: {rules: [${rules}]}}`;
const other = (kind: string, spec: string, version = 'v1'): string =>
  `{apiVersion: gateway.networking.k8s.io/${version}, kind: ${kind}, metadata: {name: r}, spec: ${spec}}`;
const policy = (spec: string): string =>
  `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p}, spec: ${spec}}`;
const gatewayWith = (listeners: string, more = ''): string =>
  `{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g}, spec: {gatewayClassName: weft, listeners: [${listeners}]${more}}}`;
const service = (spec: string): string => `{apiVersion: v1, kind: Service, metadata: {name: s}, spec: ${spec}}`;
const entry = (spec: string): string =>
  `{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: e}, spec: ${spec}}`;

const cases: Record<string, { input: string; want: string[] }> = {
  'takes an HTTPRoute with everything that is supported': {
    input: route(
      `{matches: [{path: {type: PathPrefix, value: /a}, headers: [{name: X-A, value: b}], method: GET}],
        filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}],
        backendRefs: [{name: s, port: 80, weight: 0}], timeouts: {request: 1m30s, backendRequest: 500ms}, retry: {codes: [503]}}`,
    ),
    want: [],
  },
  'wants a name': {
    input: '{apiVersion: v1, kind: Namespace, metadata: {}}',
    want: ['REQUIRED_FIELD metadata.name: a name is required'],
  },
  'refuses a name that can be no DNS name': {
    input: '{apiVersion: v1, kind: Namespace, metadata: {name: Shop_1}}',
    want: [
      'INVALID_FIELD metadata.name: "Shop_1" is not a name: at most 63 lower-case letters, digits and "-", beginning and ending with a letter or digit',
    ],
  },
  'refuses a namespace where there is none': {
    input:
      '{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: a, namespace: b}, spec: {controllerName: a.b/c}}',
    want: ['INVALID_FIELD metadata.namespace: a GatewayClass has no namespace (remove the field)'],
  },
  'refuses labels that are none': {
    input: '{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {app: "a b", "-x": y}}}',
    want: [
      'INVALID_FIELD metadata.labels.app: "a b" is not a label value: at most 63 letters, digits, "-", "_" and "."',
      'INVALID_FIELD metadata.labels: "-x" is not a label name',
    ],
  },
  'names the nearest field for an unknown one': {
    input: service('{selectr: {app: a}, ports: [{port: 80}]}'),
    want: ['UNKNOWN_FIELD unknown field "spec.selectr" (did you mean "selector"?)'],
  },
  'names the nearest value of an enum': {
    input: service('{type: clusterip, ports: [{port: 80}]}'),
    want: [
      'INVALID_FIELD spec.type: "clusterip" is not one of "ClusterIP", "NodePort", "LoadBalancer", "ExternalName" (did you mean "ClusterIP"?)',
    ],
  },
  'says what type a value must have': {
    input: service('{ports: [{port: "80"}, 7]}'),
    want: [
      'INVALID_FIELD spec.ports[0].port: must be a whole number, not a string',
      'INVALID_FIELD spec.ports[1]: must be an object, not a number',
    ],
  },
  'says how to write a string that looks like a number': {
    input: service('{selector: {version: 1}, ports: [{port: 80}]}'),
    want: ['INVALID_FIELD spec.selector.version: must be a string, not a number (put it in quotes: "1")'],
  },
  'bounds numbers': {
    input: service('{ports: [{port: 70000}]}'),
    want: ['INVALID_FIELD spec.ports[0].port: 70000 is more than 65535'],
  },
  'wants names for several ports, each once': {
    input: service('{ports: [{port: 80}, {port: 81, name: b}, {port: 82, name: b}]}'),
    want: [
      'REQUIRED_FIELD spec.ports[0].name: is required when there is more than one port',
      'INVALID_FIELD spec.ports[1].name: "b" is the name of an earlier port',
    ],
  },
  'refuses the same port twice': {
    input: service('{ports: [{port: 80, name: a}, {port: 80, name: b}]}'),
    want: ['INVALID_FIELD spec.ports[1]: has the same port and protocol as an earlier item'],
  },
  'wants externalName for an ExternalName': {
    input: service('{type: ExternalName}'),
    want: ['REQUIRED_FIELD spec.externalName: is required for type ExternalName'],
  },
  'refuses two listeners with the same port, protocol and hostname': {
    input: gatewayWith('{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}'),
    want: ['INVALID_FIELD spec.listeners[1]: an earlier listener has the same port 80, protocol HTTP and no hostname'],
  },
  'refuses tls on an HTTP listener, and HTTPS without a certificate': {
    input: gatewayWith(
      '{name: a, port: 80, protocol: HTTP, tls: {certificateRefs: [{name: c}]}}, {name: b, port: 81, protocol: HTTPS, tls: {}}',
    ),
    want: [
      'INVALID_FIELD spec.listeners[0].tls: must not be set for protocol HTTP (use protocol: HTTPS or TLS)',
      'INVALID_FIELD spec.listeners[1].tls.certificateRefs: certificateRefs are required when mode is Terminate',
    ],
  },
  'takes a ListenerSet, and checks its listeners like those of a Gateway': {
    input: [
      other('ListenerSet', '{parentRef: {name: g}, listeners: [{name: a, port: 80, protocol: HTTP}]}'),
      other('ListenerSet', '{listeners: [{name: a, port: 80, protocol: TCP, hostname: a.b}]}'),
    ].join('\n---\n'),
    want: [
      'REQUIRED_FIELD spec.parentRef: is required',
      'INVALID_FIELD spec.listeners[0].hostname: must not be set for protocol TCP (remove the field)',
    ],
  },
  'refuses an address that is none': {
    input: gatewayWith('{name: a, port: 80, protocol: HTTP}', ', addresses: [{value: example.com}]'),
    want: ['INVALID_FIELD spec.addresses[0].value: "example.com" is not an IP address'],
  },
  'refuses paths that no request can have': {
    input: route(
      '{matches: [{path: {value: a}}, {path: {value: /a//b}}, {path: {value: /a/..}}, {path: {value: /%zz}}]}',
    ),
    want: [
      'INVALID_FIELD spec.rules[0].matches[0].path.value: "a" must begin with "/"',
      'INVALID_FIELD spec.rules[0].matches[1].path.value: "/a//b" must not contain "//"',
      'INVALID_FIELD spec.rules[0].matches[2].path.value: "/a/.." must not end with "/." or "/.."',
      'INVALID_FIELD spec.rules[0].matches[3].path.value: "/%zz" has a character that can\'t be in a path',
    ],
  },
  'wants the settings of a filter under the name of its type': {
    input: route('{filters: [{type: URLRewrite, requestRedirect: {}}]}'),
    want: [
      'INVALID_FIELD spec.rules[0].filters[0].requestRedirect: must not be set for type URLRewrite',
      'INVALID_FIELD spec.rules[0].filters[0].urlRewrite: is required for type URLRewrite',
    ],
  },
  'refuses a redirect beside backends, and beside a rewrite': {
    input: route(
      '{filters: [{type: RequestRedirect, requestRedirect: {}}, {type: URLRewrite, urlRewrite: {}}], backendRefs: [{name: s, port: 80}]}',
    ),
    want: [
      'INVALID_FIELD spec.rules[0].filters: RequestRedirect and URLRewrite must not stand together (give each a rule of its own)',
      'INVALID_FIELD spec.rules[0].filters: RequestRedirect must not stand beside backendRefs (remove one of them)',
    ],
  },
  'refuses to replace a prefix where there is none': {
    input: route(
      '{matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]}',
    ),
    want: [
      'INVALID_FIELD spec.rules[0].filters[0].urlRewrite.path.type: ReplacePrefixMatch needs exactly one match, with a path of type PathPrefix',
    ],
  },
  'wants the port of a Service': {
    input: route('{backendRefs: [{name: s}]}'),
    want: ['INVALID_FIELD spec.rules[0].backendRefs[0].port: is required for a Service'],
  },
  'refuses an attempt that may take longer than the request': {
    input: route('{timeouts: {request: 1s, backendRequest: 1500ms}}'),
    want: ['INVALID_FIELD spec.rules[0].timeouts.backendRequest: must not be longer than the request timeout'],
  },
  'keeps line breaks out of headers': {
    input: route(
      '{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x, value: "a\\r\\nb: c"}]}}]}',
    ),
    want: [
      'INVALID_FIELD spec.rules[0].filters[0].requestHeaderModifier.set[0].value: "a\\r\\nb: c" does not have the form ^[!-~]+(?:[\\t ][!-~]+)*$',
    ],
  },
  'refuses the same parent twice': {
    input:
      '{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, spec: {parentRefs: [{name: g}, {name: g}]}}',
    want: ['INVALID_FIELD spec.parentRefs[1]: an earlier item is the same (remove one of them)'],
  },
  'takes routes of every kind': {
    input: [
      other('GRPCRoute', '{}'),
      other(
        'GRPCRoute',
        `{rules: [{matches: [{method: {service: a.B_1, method: C}, headers: [{name: x, value: y}]}],
        filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [x]}}], backendRefs: [{name: s, port: 1}]}]}`,
      ),
      other('TLSRoute', '{hostnames: ["*.a.b"], rules: [{name: r, backendRefs: [{name: s, port: 1, weight: 0}]}]}'),
      other('TCPRoute', '{rules: [{backendRefs: [{name: s, port: 1}]}]}', 'v1alpha2'),
      other('UDPRoute', '{rules: [{backendRefs: [{name: s, port: 1}]}]}'),
    ].join('\n---\n'),
    want: [],
  },
  'wants one rule with a backend, and server names': {
    input: [
      other('TLSRoute', '{rules: [{backendRefs: []}]}'),
      other('TLSRoute', '{hostnames: [10.0.0.1], rules: []}'),
      other('TCPRoute', '{rules: [{backendRefs: [{name: s}]}, {backendRefs: [{name: s, port: 1}]}]}'),
      other('UDPRoute', '{hostnames: [a.b], rules: [{}]}'),
    ].join('\n---\n'),
    want: [
      'INVALID_FIELD spec.rules[0].backendRefs: needs at least 1 item',
      'REQUIRED_FIELD spec.hostnames: is required',
      'INVALID_FIELD spec.hostnames[0]: "10.0.0.1" is an IP address, not a host name',
      'INVALID_FIELD spec.rules: needs at least 1 item',
      'INVALID_FIELD spec.rules: has 2 items, at most 1 are allowed',
      'UNKNOWN_FIELD unknown field "spec.hostnames"',
      'REQUIRED_FIELD spec.rules[0].backendRefs: is required',
    ],
  },
  'takes a TLSRoute of an early version without server names': {
    input: other('TLSRoute', '{rules: [{backendRefs: [{name: s, port: 1}]}]}', 'v1alpha2'),
    want: [],
  },
  'refuses an address for a server name, and a backend without a port': {
    input: [
      other('TLSRoute', '{hostnames: [10.0.0.1], rules: [{backendRefs: [{name: s, port: 1}]}]}'),
      other('TCPRoute', '{rules: [{backendRefs: [{name: s}]}]}'),
    ].join('\n---\n'),
    want: [
      'INVALID_FIELD spec.hostnames[0]: "10.0.0.1" is an IP address, not a host name',
      'INVALID_FIELD spec.rules[0].backendRefs[0].port: is required for a Service',
    ],
  },
  'refuses gRPC methods that are none, and filters that are for HTTP': {
    input: [
      other('GRPCRoute', '{rules: [{matches: [{method: {}}, {method: {service: a/b, method: "1"}}]}]}'),
      other('GRPCRoute', '{rules: [{matches: [{method: {type: RegularExpression, method: "("}}]}]}'),
      other('GRPCRoute', '{rules: [{filters: [{type: URLRewrite}]}, {filters: [{type: RequestMirror}]}]}'),
    ].join('\n---\n'),
    want: [
      'INVALID_FIELD spec.rules[1].filters[0].requestMirror: is required for type RequestMirror',
      'INVALID_FIELD spec.rules[0].filters[0].type: "URLRewrite" is not one of "ResponseHeaderModifier", "RequestHeaderModifier", "RequestMirror", "ExtensionRef"',
      `INVALID_FIELD spec.rules[0].matches[0].method.method: the regular expression "(" can't be used: a "(" is not closed (use RE2's syntax; look-around and back-references are not part of it)`,
      'INVALID_FIELD spec.rules[0].matches[0].method: needs service, method or both',
      `INVALID_FIELD spec.rules[0].matches[1].method.method: "1" can't be the name of a method`,
      `INVALID_FIELD spec.rules[0].matches[1].method.service: "a/b" can't be the name of a service`,
    ],
  },
  'wants tls for a TLS listener': {
    input: gatewayWith(
      '{name: a, port: 1, protocol: TLS}, {name: b, port: 2, protocol: TLS, tls: {mode: Passthrough}}',
    ),
    want: ['INVALID_FIELD spec.listeners[0].tls: is required for protocol TLS'],
  },
  'takes a policy without rules': { input: policy('{}'), want: [] },
  'refuses selector beside targetRefs': {
    input: policy('{selector: {matchLabels: {a: b}}, targetRefs: [{kind: Service, name: s}]}'),
    want: ['INVALID_FIELD spec: only one of selector, targetRef and targetRefs can be set'],
  },
  'refuses an empty source, which would match everyone': {
    input: policy('{rules: [{from: [{source: {}}]}]}'),
    want: [
      'INVALID_FIELD spec.rules[0].from[0].source: needs at least one field (leave "from" out to match any caller)',
    ],
  },
  'refuses ports and blocks that are none': {
    input: policy('{rules: [{from: [{source: {ipBlocks: [10.0.0.0/33]}}], to: [{operation: {ports: ["http"]}}]}]}'),
    want: [
      'INVALID_FIELD spec.rules[0].from[0].source: "10.0.0.0/33" is not an address or a CIDR block',
      'INVALID_FIELD spec.rules[0].to[0].operation: "http" is not a port',
    ],
  },
  'refuses path templates, which no engine here knows': {
    input: policy('{rules: [{to: [{operation: {paths: ["/a/{*}"]}}]}]}'),
    want: [
      'INVALID_FIELD spec.rules[0].to[0].operation.paths: "/a/{*}": templates are not supported (use an exact path, a prefix* or a *suffix)',
    ],
  },
  'wants a selector for modes of single ports': {
    input:
      '{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p}, spec: {portLevelMtls: {"80": {mode: STRICT}}}}',
    want: ['INVALID_FIELD spec.portLevelMtls: needs a selector with labels'],
  },
  'refuses endpoints by name with resolution STATIC': {
    input: entry('{hosts: [a.b], ports: [{name: http, number: 80}], resolution: STATIC, endpoints: [{address: c.d}]}'),
    want: ['INVALID_FIELD spec.endpoints[0].address: "c.d" is not an IP address (use resolution: DNS for names)'],
  },
  'wants both halves of a certificate': {
    input: '{apiVersion: v1, kind: Secret, metadata: {name: s}, type: kubernetes.io/tls, data: {tls.crt: YQ==}}',
    want: ['REQUIRED_FIELD data.tls.key: is required in a kubernetes.io/tls Secret'],
  },
  'wants base64 in data': {
    input: '{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: "ä"}}',
    want: ['INVALID_FIELD data.a: is not base64'],
  },
  'refuses an inbound annotation that is no address': {
    input:
      '{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: w, annotations: {weft.dev/inbound: "1.2.3.4"}}, spec: {address: 1.2.3.4}}',
    want: ['INVALID_FIELD metadata.annotations["weft.dev/inbound"]: "1.2.3.4" is not of the form address:port'],
  },
};

describe('validateResource', () => {
  for (const [sentence, { input, want }] of Object.entries(cases)) {
    it(sentence, () => assert.deepEqual(problemsOf(input).sort(), [...want].sort()));
  }

  it('fills in defaults, also below defaults', () => {
    const text =
      '{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, spec: {parentRefs: [{name: g}]}}';
    const [manifest] = parseManifests(text, { file: 'test.yaml' }).resources;
    assert.deepEqual(manifest?.resource.spec, {
      parentRefs: [{ name: 'g', group: 'gateway.networking.k8s.io', kind: 'Gateway' }],
      rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }] }],
    });
  });

  it('leaves null and unknown fields out', () => {
    const { resource, warnings } = validateResource(gateway, {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'g', creationTimestamp: null },
      spec: {
        gatewayClassName: 'weft',
        listeners: [{ name: 'a', port: 80, protocol: 'HTTP', hostname: null, colour: 'red' }],
      },
    });
    assert.deepEqual(resource.metadata, { name: 'g' });
    assert.deepEqual(Object.keys((resource.spec as { listeners: object[] }).listeners[0] ?? {}), [
      'name',
      'port',
      'protocol',
      'allowedRoutes',
    ]);
    assert.deepEqual(
      warnings.map(({ path }) => path),
      ['spec.listeners[0].colour'],
    );
  });

  it('keeps stringData of a Secret in data', () => {
    const text = '{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: b}}';
    const [manifest] = parseManifests(text, { file: 'test.yaml' }).resources;
    assert.deepEqual(manifest?.resource, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's' },
      data: { a: 'Yg==' },
      type: 'Opaque',
    });
  });

  it('never throws, whatever comes', () => {
    const deep: Record<string, unknown> = {};
    let inner = deep;
    for (let i = 0; i < 5000; i++) {
      inner.a = {};
      inner = inner.a as Record<string, unknown>;
    }
    const values = [
      null,
      7,
      'x',
      [],
      {},
      { metadata: 7 },
      { metadata: { name: 7, labels: [] } },
      { spec: [] },
      { spec: deep },
    ];
    values.push(JSON.parse('{"__proto__": {"x": 1}, "metadata": {"name": "a", "__proto__": 1}}'));
    for (const value of values) assert.ok(validateResource(gateway, value).problems.length > 0);
  });
});
