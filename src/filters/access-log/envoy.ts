// Access logs that an Envoy writes itself. Named by registry.ts.
import type { AccessLogSchema } from '../../gen/envoy/config/accesslog/v3/accesslog_pb.js';
import { FileAccessLogSchema } from '../../gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from '../../gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import type { EnvoySetting } from '../envoy-filter.ts';
import { configured, type Init } from '../envoy-message.ts';
import type { AccessLogConfig } from './schema.ts';

const logOf = ({ path, format }: AccessLogConfig): Init<typeof AccessLogSchema> => {
  // Envoy ends lines of JSON, but no text.
  const specifier =
    format.type === 'text'
      ? {
          case: 'textFormatSource' as const,
          value: { specifier: { case: 'inlineString' as const, value: `${format.text}\n` } },
        }
      : { case: 'jsonFormat' as const, value: { ...format.fields } };
  const accessLogFormat = { case: 'logFormat' as const, value: { format: specifier } };
  if (path === '/dev/stdout')
    return configured('envoy.access_loggers.stdout', StdoutAccessLogSchema, { accessLogFormat });
  if (path === '/dev/stderr')
    return configured('envoy.access_loggers.stderr', StderrAccessLogSchema, { accessLogFormat });
  return configured('envoy.access_loggers.file', FileAccessLogSchema, { path, accessLogFormat });
};

export const envoySetting: EnvoySetting = {
  accessLogs: ({ accessLogs = [] }) => accessLogs.map(logOf),
};
