// gateway.networking.k8s.io UDPRoute: where the datagrams of a Gateway's UDP listener go.
import { streamRoute } from '../stream-route.ts';

export const udpRoute = streamRoute('UDPRoute', "Where the datagrams of a Gateway's UDP listener go.", ['v1alpha2']);
