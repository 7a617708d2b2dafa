// Small pieces that every part of the Envoy form is written with. Used by the filters and by xds/envoy-form.
import { create, type DescMessage, type Message, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { type Any, anyPack, type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import { ApiVersion, type ConfigSource, ConfigSourceSchema } from '../gen/envoy/config/core/v3/config_source_pb.js';

/** What a message is made from. */
export type Init<Schema extends DescMessage> = Exclude<MessageInitShape<Schema>, Message>;

export const pack = <Schema extends DescMessage>(schema: Schema, init: MessageInitShape<Schema>): Any =>
  anyPack(schema, create(schema, init));

/** A message with fields that the published types do not have yet, as they stand on the wire. */
export const withNewer = <Schema extends DescMessage>(
  schema: Schema,
  init: MessageInitShape<Schema>,
  fields: NonNullable<Message['$unknown']>,
): MessageShape<Schema> => Object.assign(create(schema, init), { $unknown: fields });

/** An extension: its name, and its configuration as Any. */
export const extension = <Schema extends DescMessage>(
  name: string,
  schema: Schema,
  init: MessageInitShape<Schema>,
): { name: string; typedConfig: Any } => ({ name, typedConfig: pack(schema, init) });

/** As `extension`, for filters and transport sockets, whose configuration is one of several. */
export const configured = <Schema extends DescMessage>(
  name: string,
  schema: Schema,
  init: MessageInitShape<Schema>,
): { name: string; configType: { case: 'typedConfig'; value: Any } } => ({
  name,
  configType: { case: 'typedConfig', value: pack(schema, init) },
});

export const duration = (ms: number): Duration =>
  create(DurationSchema, { seconds: BigInt(Math.floor(ms / 1000)), nanos: Math.round(ms % 1000) * 1_000_000 });

/** Resources that come over the same stream as everything else. */
export const fromAds = (): ConfigSource =>
  create(ConfigSourceSchema, {
    resourceApiVersion: ApiVersion.V3,
    configSourceSpecifier: { case: 'ads', value: {} },
  });
