// Generates src/gen from the .proto files that xDS and the certificate service need. npm runs it on install (`prepare`);
// silent when nothing changed, `--force` generates anyway.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { formatError, WeftError } from '../src/lib/errors.ts';

const root = join(import.meta.dirname, '..');
const modules = join(root, 'node_modules');
const output = join(root, 'src/gen');
const published = join(modules, '@grpc/grpc-js-xds/deps');
const tools = { buf: '@bufbuild/buf/bin/buf', plugin: '@bufbuild/protoc-gen-es/bin/protoc-gen-es' };

/** What is generated: these files and everything they import. The whole tree would take minutes. */
const ENTRIES = [
  'istio/v1/auth/ca.proto',
  'envoy/service/discovery/v3/ads.proto',
  'envoy/service/secret/v3/sds.proto',
  'envoy/service/accesslog/v3/als.proto',
  'envoy/service/ratelimit/v3/rls.proto',
  'envoy/service/auth/v3/external_auth.proto',
  'envoy/config/cluster/v3/cluster.proto',
  'envoy/config/endpoint/v3/endpoint.proto',
  'envoy/config/listener/v3/listener.proto',
  'envoy/config/route/v3/route.proto',
  'envoy/extensions/access_loggers/file/v3/file.proto',
  'envoy/extensions/access_loggers/filters/cel/v3/cel.proto',
  'envoy/extensions/access_loggers/grpc/v3/als.proto',
  'envoy/extensions/access_loggers/stream/v3/stream.proto',
  'envoy/extensions/bootstrap/internal_listener/v3/internal_listener.proto',
  'envoy/extensions/compression/brotli/compressor/v3/brotli.proto',
  'envoy/extensions/compression/gzip/compressor/v3/gzip.proto',
  'envoy/extensions/compression/zstd/compressor/v3/zstd.proto',
  'envoy/extensions/filters/http/buffer/v3/buffer.proto',
  'envoy/extensions/filters/http/compressor/v3/compressor.proto',
  'envoy/extensions/filters/http/cors/v3/cors.proto',
  'envoy/extensions/filters/http/ext_authz/v3/ext_authz.proto',
  'envoy/extensions/filters/http/file_system_buffer/v3/file_system_buffer.proto',
  'envoy/extensions/filters/http/header_mutation/v3/header_mutation.proto',
  'envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto',
  'envoy/extensions/filters/http/ratelimit/v3/rate_limit.proto',
  'envoy/extensions/filters/http/rbac/v3/rbac.proto',
  'envoy/extensions/filters/http/router/v3/router.proto',
  'envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.proto',
  'envoy/extensions/filters/http/stateful_session/v3/stateful_session.proto',
  'envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto',
  'envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.proto',
  'envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto',
  'envoy/extensions/filters/network/connection_limit/v3/connection_limit.proto',
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
  'envoy/extensions/filters/network/rbac/v3/rbac.proto',
  'envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto',
  'envoy/extensions/filters/udp/udp_proxy/v3/route.proto',
  'envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy.proto',
  'envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.proto',
  'envoy/extensions/http/stateful_session/cookie/v3/cookie.proto',
  'envoy/extensions/http/stateful_session/header/v3/header.proto',
  'envoy/extensions/load_balancing_policies/least_request/v3/least_request.proto',
  'envoy/extensions/load_balancing_policies/maglev/v3/maglev.proto',
  'envoy/extensions/load_balancing_policies/override_host/v3/override_host.proto',
  'envoy/extensions/load_balancing_policies/random/v3/random.proto',
  'envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.proto',
  'envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.proto',
  'envoy/extensions/path/match/uri_template/v3/uri_template_match.proto',
  'envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto',
  'envoy/extensions/request_id/uuid/v3/uuid.proto',
  'envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream.proto',
  'envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.proto',
  'envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto',
  'envoy/extensions/transport_sockets/tls/v3/tls.proto',
  'envoy/extensions/upstreams/http/v3/http_protocol_options.proto',
];

/** Every directory that imports are resolved in, first one first. */
const ROOTS = [
  join(root, 'proto'),
  join(published, 'envoy-api'),
  join(published, 'xds'),
  join(published, 'protoc-gen-validate'),
  join(published, 'googleapis'),
];

/** Says what only tools that check messages read; left out, which halves what there is to load. */
const EXCLUDED = ['validate', 'udpa.annotations', 'xds.annotations.v3', 'envoy.annotations'];

const fail = (message: string, hint: string): never => {
  throw new WeftError('GEN_FAILED', message, { hint });
};

const locate = (file: string): string =>
  ROOTS.map((folder) => join(folder, file)).find(existsSync) ??
  fail(`${file} is in none of the folders of .proto files`, 'npm ci, so that @grpc/grpc-js-xds is there as published');

/** Import path → file, for the entries and all that they import; the well-known types come with the runtime. */
const collect = (): Map<string, string> => {
  const found = new Map<string, string>();
  const queue = [...ENTRIES];
  for (let file = queue.pop(); file; file = queue.pop()) {
    if (found.has(file)) continue;
    const path = locate(file);
    found.set(file, path);
    for (const [, imported] of readFileSync(path, 'utf8').matchAll(/^import\s+(?:public\s+)?"([^"]+)";/gm)) {
      if (!imported!.startsWith('google/protobuf/')) queue.push(imported!);
    }
  }
  return found;
};

const stampOf = (files: Map<string, string>): string => {
  const hash = createHash('sha256').update(readFileSync(import.meta.filename));
  for (const name of [...files.keys()].sort()) hash.update(name).update(readFileSync(files.get(name)!));
  for (const tool of ['@bufbuild/buf', '@bufbuild/protoc-gen-es']) {
    hash.update(readFileSync(join(modules, tool, 'package.json')));
  }
  return hash.digest('hex');
};

/** The published validate.proto is older than the files that use it: it lacks one field of the string rules. */
const completed = (name: string, text: string): string =>
  name !== 'validate/validate.proto' || text.includes('ignore_empty')
    ? text
    : text.replace('message StringRules {', '$& optional bool ignore_empty = 26;');

const generate = (files: Map<string, string>, stage: string) => {
  for (const [name, path] of files) {
    mkdirSync(join(stage, 'proto', dirname(name)), { recursive: true });
    writeFileSync(join(stage, 'proto', name), completed(name, readFileSync(path, 'utf8')));
  }
  writeFileSync(join(stage, 'buf.yaml'), JSON.stringify({ version: 'v2', modules: [{ path: 'proto' }] }));
  // No enums in the output: type stripping refuses them, so JavaScript with declarations beside it.
  const plugin = {
    local: [process.execPath, join(modules, tools.plugin)],
    out: 'out',
    opt: ['target=js+dts', 'import_extension=js'],
  };
  writeFileSync(
    join(stage, 'buf.gen.yaml'),
    JSON.stringify({ version: 'v2', plugins: [plugin], inputs: [{ directory: '.', exclude_types: EXCLUDED }] }),
  );
  const run = spawnSync(process.execPath, [join(modules, tools.buf), 'generate'], {
    cwd: stage,
    encoding: 'utf8',
    env: {
      ...process.env,
      BUF_CACHE_DIR: join(stage, 'cache'),
      PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
    },
    timeout: 120_000,
  });
  if (run.status === 0) return;
  const why = run.error?.message ?? (run.stderr.trim() || `buf ended with ${run.status ?? run.signal}`);
  fail(`generating src/gen from .proto files did not work: ${why}`, 'npm ci, then npm run gen');
};

const main = () => {
  // A production install has neither the .proto files nor the tools, and needs nothing from here.
  if (!existsSync(published) || Object.values(tools).some((tool) => !existsSync(join(modules, tool)))) {
    if (process.argv.includes('--force')) fail('the tools and .proto files are not installed', 'npm ci');
    return;
  }
  const files = collect();
  const stamp = stampOf(files);
  const stampFile = join(output, 'stamp');
  const current = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
  if (current && !process.argv.includes('--force')) return;
  // Inside the repository, so that the swap is a rename on one file system.
  const stage = mkdtempSync(join(modules, '.weft-gen-'));
  try {
    generate(files, stage);
    writeFileSync(join(stage, 'out', 'stamp'), stamp);
    rmSync(output, { recursive: true, force: true });
    renameSync(join(stage, 'out'), output);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
};

try {
  main();
} catch (error) {
  console.error(formatError(error));
  process.exitCode = 1;
}
