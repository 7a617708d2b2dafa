// Reads a request's body, within limits, as JSON or YAML.
import type { IncomingMessage } from 'node:http';
import { parse as parseYaml } from 'yaml';
import { messageOf } from '../lib/errors.ts';
import { decodeKubernetes, PROTOBUF } from './protobuf.ts';
import { badRequest, tooLarge, unsupportedMediaType } from './status.ts';

export const MAX_BODY_BYTES = 1.5 * 1024 * 1024;

// No published kind comes near; deeper values would exhaust the stack of what walks them.
const MAX_DEPTH = 200;

export const mediaTypeOf = (req: IncomingMessage): string =>
  (req.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();

/** The whole body; throws 413 as soon as it is known to be too large. The rest is then read and thrown away. */
export const readBody = (req: IncomingMessage): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const refuse = () => {
      req.removeAllListeners('data');
      req.resume();
      reject(tooLarge(MAX_BODY_BYTES));
    };
    if (Number(req.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return refuse();
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) return refuse();
      chunks.push(chunk);
    });
    req.on('end', () => resolve(Buffer.concat(chunks)));
    req.on('error', reject);
    req.on('close', () => reject(badRequest('the request ended before its body was complete')));
  });

export const parseBody = (bytes: Buffer, mediaType: string): unknown => {
  if (mediaType === PROTOBUF) return decodeKubernetes(bytes);
  const isYaml = /^(application|text)\/(x-)?yaml$|\+yaml$/.test(mediaType);
  if (!isYaml && mediaType !== '' && mediaType !== 'application/json' && !mediaType.endsWith('+json')) {
    throw unsupportedMediaType(
      `a body of type "${mediaType}" is not supported; send application/json or application/yaml`,
    );
  }
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = isYaml ? parseYamlOrJson(text) : JSON.parse(text);
  } catch (error) {
    throw badRequest(`the body is not ${isYaml ? 'YAML' : 'JSON'}: ${messageOf(error)}`);
  }
  checkDepth(value);
  return value;
};

/** Clients send JSON as YAML too, and its own parser is many times faster. */
const parseYamlOrJson = (text: string): unknown => {
  if (text.startsWith('{')) {
    try {
      return JSON.parse(text);
    } catch {
      // YAML's flow style begins like this too.
    }
  }
  return parseYaml(text, { maxAliasCount: 100 });
};

const checkDepth = (value: unknown): void => {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw badRequest(`the body is nested more than ${MAX_DEPTH} levels deep`);
    const next: unknown[] = [];
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue;
      for (const child of Object.values(item)) if (typeof child === 'object' && child !== null) next.push(child);
    }
    level = next;
  }
};

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The body of a request that sends an object. */
export const readObject = async (req: IncomingMessage): Promise<Record<string, unknown>> => {
  const value = parseBody(await readBody(req), mediaTypeOf(req));
  if (!isObject(value)) throw badRequest('the body must be an object');
  return value;
};
