// `/weft/v1/gateways`: the gateway processes that are connected, for `weft proxy-config`. Mounted by control-plane.ts.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { formatHostPort } from '../lib/host-port.ts';
import type { ProxyNode } from '../model/node.ts';

export const GATEWAYS_PATH = '/weft/v1/gateways';

/** Name, namespace and id of each, and where its admin interface answers on its own machine. */
export const gatewayListHandler =
  (gateways: () => readonly ProxyNode[]) =>
  (req: IncomingMessage, res: ServerResponse): void => {
    const isRead = req.method === 'GET';
    const items = gateways().map(({ id, name, namespace, admin }) => ({
      id,
      name,
      namespace,
      ...(admin && { admin: formatHostPort(admin.address, admin.port) }),
    }));
    const body = JSON.stringify(isRead ? { items } : { kind: 'Status', status: 'Failure', code: 405 });
    res.writeHead(isRead ? 200 : 405, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-cache, private',
      ...(!isRead && { allow: 'GET' }),
    });
    res.end(body);
  };
