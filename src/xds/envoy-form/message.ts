// Resources and other small pieces that every part of the Envoy form is written with.
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { ApiVersion, type ConfigSource, ConfigSourceSchema } from '../../gen/envoy/config/core/v3/config_source_pb.js';
import { type EncodedResource, encodeResource } from '../form.ts';

export { configured, duration, extension, type Init, pack } from '../../filters/envoy-message.ts';

export const resourceOf = <Schema extends DescMessage>(
  name: string,
  typeUrl: string,
  schema: Schema,
  init: MessageInitShape<Schema>,
): EncodedResource => encodeResource(name, typeUrl, toBinary(schema, create(schema, init)));

/** Resources that come over the same stream as everything else. */
export const fromAds = (): ConfigSource =>
  create(ConfigSourceSchema, {
    resourceApiVersion: ApiVersion.V3,
    configSourceSpecifier: { case: 'ads', value: {} },
  });

/** Literal text inside a regular expression (RE2). */
export const escapeRegex = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
