// Envoy's format strings, taken apart: text, and commands such as `%REQ(X-A?:PATH):10%`. Used by compile to check what users
// write, and by the proxy's access log.
import { WeftError } from './errors.ts';

export interface LogCommand {
  readonly name: string;
  /** What stands in parentheses. */
  readonly argument: string | undefined;
  /** Longer values are cut. */
  readonly maxLength: number | undefined;
}

export type LogPart = string | LogCommand;

/** `none`: no parentheses; `headers`: a name and perhaps another one for where it is missing; `time`: a format or nothing. */
const COMMANDS: Readonly<Record<string, 'none' | 'headers' | 'time'>> = {
  REQ: 'headers',
  RESP: 'headers',
  TRAILER: 'headers',
  START_TIME: 'time',
  BYTES_RECEIVED: 'none',
  BYTES_SENT: 'none',
  DURATION: 'none',
  PROTOCOL: 'none',
  RESPONSE_CODE: 'none',
  RESPONSE_FLAGS: 'none',
  GRPC_STATUS_NUMBER: 'none',
  ROUTE_NAME: 'none',
  HOSTNAME: 'none',
  REQUESTED_SERVER_NAME: 'none',
  UPSTREAM_HOST: 'none',
  UPSTREAM_CLUSTER: 'none',
  UPSTREAM_REQUEST_ATTEMPT_COUNT: 'none',
  DOWNSTREAM_REMOTE_ADDRESS: 'none',
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: 'none',
  DOWNSTREAM_REMOTE_PORT: 'none',
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: 'none',
  DOWNSTREAM_LOCAL_ADDRESS: 'none',
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: 'none',
  DOWNSTREAM_LOCAL_PORT: 'none',
  DOWNSTREAM_PEER_URI_SAN: 'none',
};

const refused = (message: string): WeftError =>
  new WeftError('LOG_FORMAT_INVALID', message, {
    hint: 'the operators that are there are in docs/filters/access-log.md',
  });

const COMMAND = /%(?:%|([A-Z_0-9]+)(?:\(([^)]*)\))?(?::(\d{1,9}))?%)/y;
const HEADER = /^:?[A-Za-z0-9!#$&'*+.^_`|~-]+(?:\?:?[A-Za-z0-9!#$&'*+.^_`|~-]+)?$/;

const commandOf = (name: string, argument: string | undefined, length: string | undefined): LogCommand => {
  const takes = COMMANDS[name];
  if (!takes) throw refused(`the operator %${name}% is not supported`);
  // Envoy refuses the whole listener then.
  if (takes === 'none' && (argument ?? length) !== undefined)
    throw refused(`%${name}% takes nothing in parentheses, and no length`);
  if (takes === 'headers' && !HEADER.test(argument ?? '')) throw refused(`%${name}(…)% needs the name of a header`);
  return { name, argument, maxLength: length === undefined ? undefined : Number(length) };
};

const MAX_FORMAT = 16_384;

/** Throws LOG_FORMAT_INVALID. */
export const parseLogFormat = (format: string): LogPart[] => {
  if (format.length > MAX_FORMAT) throw refused(`a format is longer than ${MAX_FORMAT} characters`);
  const parts: LogPart[] = [];
  let text = '';
  for (let at = 0; at < format.length; ) {
    if (format[at] !== '%') {
      text += format[at++];
      continue;
    }
    COMMAND.lastIndex = at;
    const found = COMMAND.exec(format);
    if (!found) throw refused(`there is no operator in "${format.slice(at, at + 40)}"`);
    at = COMMAND.lastIndex;
    const [, name, argument, length] = found;
    if (name === undefined) {
      text += '%';
      continue;
    }
    if (text !== '') parts.push(text);
    text = '';
    parts.push(commandOf(name, argument, length));
  }
  if (text !== '') parts.push(text);
  return parts;
};
