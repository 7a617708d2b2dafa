// Resources and other small pieces that every part of the Envoy form is written with.
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type EncodedResource, encodeResource } from '../form.ts';

export { configured, duration, extension, fromAds, type Init, pack } from '../../filters/envoy-message.ts';

export const resourceOf = <Schema extends DescMessage>(
  name: string,
  typeUrl: string,
  schema: Schema,
  init: MessageInitShape<Schema>,
): EncodedResource => encodeResource(name, typeUrl, toBinary(schema, create(schema, init)));

/** Literal text inside a regular expression (RE2). */
export const escapeRegex = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
