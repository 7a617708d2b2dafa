// What a resolver counts; shown by the admin pages. Written all over dns/.

export class DnsCounts {
  requests = 0;
  requestsOverTcp = 0;
  /** Bytes that are no question. */
  invalid = 0;
  /** Answered from the mesh's own names. */
  local = 0;
  fromCache = 0;
  servfail = 0;
  nxdomain = 0;
  truncated = 0;
  upstreamRequests = 0;
  upstreamFailures = 0;
  /** Messages from a server that were not the answer to its question. */
  strays = 0;
  /** Questions refused because too many wait. */
  overflows = 0;
}
