// gateway.envoyproxy.io EnvoyProxy: the access logs of a Gateway that names it in parametersRef.

import { messageOf } from '../../lib/errors.ts';
import { parseLogFormat } from '../../lib/log-format.ts';
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import type { Kind } from '../kind.ts';
import { notYet } from '../policy-parts.ts';
import { type Check, gather } from '../route-parts.ts';
import { flag, item, list, map, object, specOf, text } from '../schema.ts';

export interface EnvoyProxySpec {
  readonly telemetry?: {
    readonly accessLog?: {
      readonly disable?: boolean;
      readonly settings?: readonly AccessLogSetting[];
    };
  };
}

export interface AccessLogSetting {
  readonly format?: {
    readonly type?: 'Text' | 'JSON' | 'Mix';
    readonly text?: string;
    readonly json?: Readonly<Record<string, string>>;
  };
  readonly matches?: readonly string[];
  readonly sinks: readonly {
    readonly type: 'File' | 'OpenTelemetry' | 'ALS';
    readonly file?: { readonly path?: string };
    readonly openTelemetry?: object;
    readonly als?: object;
  }[];
  readonly type?: 'Listener' | 'Route';
}

const setting = object('One way to log.', {
  format: object("Envoy's format strings; its default when unset.", {
    type: text('Text or JSON; Mix is not supported.', { enum: ['Text', 'JSON', 'Mix'] }),
    text: text('The line, with operators such as %REQ(:PATH)%.'),
    json: map('The fields, with operators in their values.', item()),
  }),
  matches: list('Which requests are logged, as CEL; not supported.', item(), { maxItems: 10 }),
  'sinks!': list(
    'Where the lines go.',
    object('One place.', {
      type: text('File; others are not supported.', { enum: ['File', 'OpenTelemetry', 'ALS'] }),
      file: object('A file on the machine of the gateway.', {
        path: text('Its path; /dev/stdout is the output of the gateway.', { minLength: 1, maxLength: 1024 }),
      }),
      openTelemetry: notYet('OpenTelemetry'),
      als: notYet('A log service'),
    }),
    { minItems: 1, maxItems: 50 },
  ),
  type: text('Route; Listener is not supported.', { enum: ['Listener', 'Route'] }),
});

const CASES = [
  ['Text', 'text'],
  ['JSON', 'json'],
] as const;

const checkFormat = (format: NonNullable<AccessLogSetting['format']>, path: string, check: Check): void => {
  for (const [type, field] of CASES) {
    if (format.type === 'Mix') break;
    if ((format.type === type) !== (format[field] !== undefined)) {
      check(`${path}.${field}`, `must be set with type ${type}, and with no other`);
    }
  }
  const all = [
    ...(format.text === undefined ? [] : [[`${path}.text`, format.text] as const]),
    ...Object.entries(format.json ?? {}).map(([name, value]) => [`${path}.json[${name}]`, value] as const),
  ];
  for (const [at, value] of all) {
    try {
      parseLogFormat(value);
    } catch (error) {
      check(at, messageOf(error));
    }
  }
};

const validate = (resource: Resource): Problem[] =>
  gather(resource, (check) => {
    const { telemetry } = specOf<EnvoyProxySpec>(resource);
    telemetry?.accessLog?.settings?.forEach(({ format, sinks }, i) => {
      const path = `spec.telemetry.accessLog.settings[${i}]`;
      if (format) checkFormat(format, `${path}.format`, check);
      sinks.forEach(({ type, file, openTelemetry, als }, j) => {
        const given = { File: file, OpenTelemetry: openTelemetry, ALS: als };
        for (const [name, value] of Object.entries(given)) {
          if ((type === name) !== (value !== undefined)) {
            check(`${path}.sinks[${j}]`, `type ${type} needs the field of its name, and no other`);
            break;
          }
        }
        if (file && !file.path?.startsWith('/')) {
          check(`${path}.sinks[${j}].file.path`, 'must be an absolute path');
        }
      });
    });
  });

export const envoyProxy: Kind = {
  group: 'gateway.envoyproxy.io',
  version: 'v1alpha1',
  alsoServed: [],
  kind: 'EnvoyProxy',
  plural: 'envoyproxies',
  singular: 'envoyproxy',
  shortNames: ['eproxy'],
  namespaced: true,
  statusSubresource: true,
  schema: object('The access logs of Gateways that name it.', {
    spec: {
      ...object('What is wanted of it.', {
        telemetry: {
          ...object('What is told of traffic.', {
            accessLog: object('Access logs.', {
              disable: flag('Whether there are none.'),
              settings: list('What is logged where.', setting, { minItems: 1, maxItems: 50 }),
            }),
          }),
          'x-kubernetes-preserve-unknown-fields': true,
        },
      }),
      'x-kubernetes-preserve-unknown-fields': true,
    },
    status: {
      type: 'object',
      description: 'Its state; what is wrong is told at the Gateways that name it.',
      'x-kubernetes-preserve-unknown-fields': true,
    },
  }),
  columns: [],
  validate,
};
