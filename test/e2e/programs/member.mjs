// A workload that serves nothing: says in which environment it was started, then waits. What else has this environment
// calls as this workload. Joins the mesh by `weft run`; used by the end-to-end tests of features.
const { HTTP_PROXY, http_proxy, NO_PROXY, no_proxy, NODE_USE_ENV_PROXY, WEFT_DNS } = process.env;
console.log(JSON.stringify({ HTTP_PROXY, http_proxy, NO_PROXY, no_proxy, NODE_USE_ENV_PROXY, WEFT_DNS }));
process.on('SIGTERM', () => process.exit(0));
setInterval(() => {}, 60_000);
