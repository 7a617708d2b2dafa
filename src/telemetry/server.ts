// The control plane's side of telemetry, as app/ wires it: services for gRPC, the hub, and the handler for the API.
export { type FlowsHandler, flowsHandler } from './flows.ts';
export { type Hub, type HubOptions, openHub } from './hub.ts';
export { type TelemetryService, telemetryServices } from './ingest.ts';
