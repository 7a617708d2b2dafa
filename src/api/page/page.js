// The console: services, workloads and the latest flows of the mesh, read from the API that serves it.
import { outcomeOf, peerName, requestText, statusText, timeText } from './flow-text.js';
import { readJsonLines } from './json-lines.js';
import { servicesView, workloadsView } from './mesh-view.js';
import { openTable } from './table.js';

const REFRESH_MS = 2_000;
const RETRY_MS = 1_000;
const TIMEOUT_MS = 10_000;
const SHOWN_FLOWS = 100;
const AS_TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';

const at = (id) => document.getElementById(id);
const mono = 'mono';
const numbers = 'number mono';

const services = openTable(at('services'), [
  { name: 'Name', className: mono },
  { name: 'Ports', className: mono },
  { name: 'Workloads', className: '' },
  { name: 'Req/s', className: numbers },
  { name: 'Denied', className: numbers },
  { name: 'Failed', className: numbers },
  { name: 'Versions', className: mono },
]);
const workloads = openTable(at('workloads'), [
  { name: 'Name', className: mono },
  { name: 'Health', className: '' },
  { name: 'Identity', className: mono },
  { name: 'Version', className: mono },
  { name: 'Address', className: mono },
]);
const flows = openTable(at('flows'), [
  { name: 'Time', className: mono },
  { name: 'Source', className: mono },
  { name: 'Destination', className: mono },
  { name: 'Request', className: `${mono} request` },
  { name: 'Status', className: numbers },
  { name: 'ms', className: numbers },
  { name: 'Verdict', className: 'verdict' },
]);

class NotSignedIn extends Error {}

const call = async (path, signal, accept = 'application/json') => {
  const response = await fetch(path, { headers: { accept }, signal, cache: 'no-store' }).catch((error) => {
    // What fetch throws when nothing answers; its message says little, and differs by browser.
    if (!(error instanceof TypeError)) throw error;
    throw new Error('the control plane does not answer; is "weft up" running?');
  });
  if (response.status === 401) throw new NotSignedIn('not signed in: open the link that "weft up" shows');
  if (!response.ok) throw new Error(`${path} answers ${response.status}`);
  return response;
};

const json = async (path, accept) => (await call(path, AbortSignal.timeout(TIMEOUT_MS), accept)).json();

const reasonOf = (error) => {
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`;
  return error.message;
};

// ---- services and workloads: asked for every two seconds, kept on the screen when that fails

let lastSuccess;
let refreshTimer;
let refreshProblem;

const showState = () => {
  const retry = at('retry');
  retry.hidden = refreshProblem === undefined;
  if (refreshProblem === undefined) {
    at('state').textContent = lastSuccess === undefined ? 'loading' : 'live';
    at('state').className = 'quiet';
    return;
  }
  const age =
    lastSuccess === undefined ? '' : `what is shown is ${Math.round((Date.now() - lastSuccess) / 1000)} s old: `;
  at('state').textContent = `${lastSuccess === undefined ? 'error: ' : 'stale: '}${age}${refreshProblem}`;
  at('state').className = 'bad';
};

const showMesh = (serviceList, workloadTable, stats) => {
  const serviceRows = servicesView(serviceList, workloadTable, stats);
  const workloadRows = workloadsView(workloadTable);
  services.set(serviceRows);
  workloads.set(workloadRows);
  at('services-note').textContent = serviceRows.length ? '' : 'No services yet. Make one: weft apply -f service.yaml';
  at('workloads-note').textContent = workloadRows.length
    ? ''
    : 'No workloads yet. Start one: weft run --service NAME --port PORT -- PROGRAM';
};

const refresh = async () => {
  clearTimeout(refreshTimer);
  try {
    const [serviceList, workloadTable, stats] = await Promise.all([
      json('/api/v1/services'),
      json('/apis/networking.istio.io/v1/workloadentries?includeObject=Object', AS_TABLE),
      json('/weft/v1/stats'),
    ]);
    showMesh(serviceList, workloadTable, stats);
    lastSuccess = Date.now();
    refreshProblem = undefined;
  } catch (error) {
    refreshProblem = reasonOf(error);
  }
  showState();
  if (!document.hidden) refreshTimer = setTimeout(refresh, REFRESH_MS);
};

// ---- flows: one stream; at most SHOWN_FLOWS are kept, however fast they come

let recent = [];
let isPaused = false;
let missed = 0;
let isDrawn = true;
let lastKey = 0;
const problemsOnly = at('problems-only');

const flowRow = ({ key, event }) => {
  const outcome = outcomeOf(event);
  const state = { bad: 'bad', between: 'warn' }[outcome.state] ?? 'zero';
  return {
    key,
    cells: [
      timeText(event.startMs),
      { text: peerName(event.source), title: event.source?.identity },
      { text: peerName(event.destination), title: event.destination?.identity },
      requestText(event),
      statusText(event),
      event.durationMs.toFixed(event.durationMs < 10 ? 1 : 0),
      { text: outcome.text, state },
    ],
  };
};

// Proxies send their events in batches, so they do not arrive in the order in which they ended.
const newestFirst = (a, b) => endOf(b.event) - endOf(a.event) || b.key - a.key;
const endOf = ({ startMs, durationMs }) => startMs + durationMs;

const drawFlows = () => {
  isDrawn = true;
  flows.set(recent.toSorted(newestFirst).map(flowRow));
  const wanted = problemsOnly.checked ? 'Nothing was denied and nothing failed' : 'No flows';
  at('flows-note').textContent = recent.length ? '' : `${wanted} so far. Open the gateway's URL and look again.`;
  at('pause').textContent = isPaused ? `Go on${missed ? ` (${missed} came meanwhile)` : ''}` : 'Pause';
};

const drawSoon = () => {
  if (!isDrawn) return;
  isDrawn = false;
  // Not requestAnimationFrame: a hidden page would pile up.
  setTimeout(drawFlows, 100);
};

const isWanted = (event) => !problemsOnly.checked || outcomeOf(event).state !== 'good';

const addFlow = (event) => {
  if (!isWanted(event)) return;
  if (isPaused) missed += 1;
  else {
    lastKey += 1;
    recent = [{ key: lastKey, event }, ...recent.slice(0, SHOWN_FLOWS - 1)];
  }
  drawSoon();
};

const showFlowsState = (text, className = 'quiet') => {
  at('flows-state').textContent = text;
  at('flows-state').className = className;
};

let stream = new AbortController();

const followFlows = async () => {
  const { signal } = stream;
  try {
    const response = await call(`/weft/v1/flows?follow=true&limit=${SHOWN_FLOWS}`, signal);
    recent = [];
    drawFlows();
    showFlowsState('live');
    await readJsonLines(response, addFlow);
    throw new Error('the control plane ended the stream');
  } catch (error) {
    if (signal.aborted) return;
    showFlowsState(`stopped: ${reasonOf(error)}; trying again`, 'bad');
    setTimeout(followFlows, RETRY_MS);
  }
};

const restartFlows = () => {
  stream.abort();
  stream = new AbortController();
  followFlows();
};

at('pause').addEventListener('click', () => {
  isPaused = !isPaused;
  at('pause').setAttribute('aria-pressed', String(isPaused));
  if (isPaused) showFlowsState('paused');
  else if (missed) restartFlows();
  else showFlowsState('live');
  missed = 0;
  drawFlows();
});

problemsOnly.checked = location.hash === '#problems';
problemsOnly.addEventListener('change', () => {
  history.replaceState(null, '', problemsOnly.checked ? '#problems' : location.pathname);
  restartFlows();
});

at('retry').addEventListener('click', () => {
  refresh();
  restartFlows();
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) refresh();
});
setInterval(() => refreshProblem !== undefined && showState(), 1_000);

refresh();
followFlows();
