// The published kinds of the Gateway API as data: names, versions, schemas and manifests. Used by gateway-api-kinds.test.ts.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { apiFolder, conformanceFolder, crdFiles, type Json } from '../fakes/crd-validator.ts';

export interface PublishedSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, PublishedSchema>>;
  readonly additionalProperties?: PublishedSchema;
  readonly items?: PublishedSchema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly oneOf?: readonly unknown[];
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[];
}

export interface PublishedVersion {
  readonly name: string;
  readonly served: boolean;
  readonly subresources?: Json;
  readonly additionalPrinterColumns?: readonly {
    readonly name: string;
    readonly type: string;
    readonly priority?: number;
  }[];
  readonly schema: { readonly openAPIV3Schema: PublishedSchema };
}

export interface PublishedKind {
  readonly group: string;
  readonly scope: string;
  readonly names: {
    readonly kind: string;
    readonly plural: string;
    readonly singular: string;
    readonly shortNames?: readonly string[];
    readonly categories?: readonly string[];
  };
  readonly versions: readonly PublishedVersion[];
}

export const publishedKinds = (): PublishedKind[] =>
  crdFiles().map((file) => (parse(readFileSync(file, 'utf8')) as { spec: PublishedKind }).spec);

const objectsIn = (folder: string): Json[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .flatMap((name) => parseAllDocuments(readFileSync(join(folder, name), 'utf8')))
    .map((document) => document.toJS() as Json | null)
    .filter((object): object is Json => object?.kind !== undefined);

/** Every object of the API's examples and of the conformance suite. */
export const publishedObjects = (): Json[] => [
  ...objectsIn(join(apiFolder(), 'examples')),
  ...['base', 'tests', 'mesh'].flatMap((folder) => objectsIn(join(conformanceFolder(), folder))),
];
