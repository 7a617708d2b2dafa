// gateway.networking.k8s.io TCPRoute: where the connections of a Gateway's TCP listener go.
import { streamRoute } from '../stream-route.ts';

export const tcpRoute = streamRoute('TCPRoute', "Where the connections of a Gateway's TCP listener go.", ['v1alpha2']);
