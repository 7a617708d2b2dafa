// Requests that name their endpoints themselves, as a cluster has it.
declare module '../../model/snapshot.ts' {
  interface Cluster {
    /** Lower case; the first of them that a request has says `address:port`, perhaps several with commas, the best first. */
    readonly endpointHeaders?: readonly string[];
  }
}

export {};
