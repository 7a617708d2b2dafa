// Rows for the tables of services and workloads, out of what the API answers. Pure; called by page.js.

/** The rows of a meta.k8s.io/v1 Table as `{ object, cell(name) }`. */
const readTable = ({ columnDefinitions, rows }) => {
  const index = new Map(columnDefinitions.map(({ name }, i) => [name.toLowerCase(), i]));
  return (rows ?? []).map(({ cells, object }) => ({ object, cell: (name) => cells[index.get(name)] ?? '' }));
};

const labelsOf = ({ metadata, spec }) => ({ ...metadata?.labels, ...spec?.labels });

const isSelected = (service, workload) => {
  const selector = Object.entries(service.spec?.selector ?? {});
  const labels = labelsOf(workload);
  const isSameNamespace = service.metadata.namespace === workload.metadata.namespace;
  return isSameNamespace && selector.length > 0 && selector.every(([key, value]) => labels[key] === value);
};

const isHealthy = (health) => /^healthy$/i.test(health);

const HEALTH_STATES = { healthy: 'good', starting: 'warn' };

const healthCell = (health) => ({ text: health || 'unknown', state: HEALTH_STATES[health.toLowerCase()] ?? 'bad' });

const workloadsCell = (healthy, all) => {
  if (all === 0) return { text: 'none', state: 'warn' };
  return healthy === all
    ? { text: `${all} healthy`, state: 'good' }
    : { text: `${healthy} of ${all} healthy`, state: 'bad' };
};

const byName = (a, b) => (a.key < b.key ? -1 : 1);

const countCell = (count, state) => ({ text: count, state: count ? state : 'zero' });

const rateText = (perSecond) => {
  if (perSecond === 0) return '0';
  return perSecond < 0.05 ? '<0.1' : perSecond.toFixed(perSecond < 10 ? 1 : 0);
};

const keyOf = ({ namespace = '', name }) => `${namespace}/${name}`;

export const servicesView = (services, workloadTable, stats) => {
  const workloads = readTable(workloadTable);
  const counts = countsByService(stats);
  return services.items
    .map((service) => {
      const key = keyOf(service.metadata);
      const mine = workloads.filter(({ object }) => isSelected(service, object));
      const healthy = mine.filter(({ cell }) => isHealthy(cell('health'))).length;
      const count = counts.get(key) ?? NO_COUNTS;
      const { perSecond, denied, failed } = count;
      return {
        key,
        cells: [
          key,
          (service.spec?.ports ?? []).map(({ port }) => port).join(', '),
          workloadsCell(healthy, mine.length),
          { text: rateText(perSecond), state: perSecond ? '' : 'zero' },
          countCell(denied, 'bad'),
          countCell(failed, 'bad'),
          sharesText(count),
        ],
      };
    })
    .sort(byName);
};

export const workloadsView = (workloadTable) =>
  readTable(workloadTable)
    .map(({ object, cell }) => ({
      key: keyOf(object.metadata),
      cells: [
        keyOf(object.metadata),
        healthCell(cell('health')),
        cell('identity'),
        labelsOf(object).version ?? '-',
        cell('address'),
      ],
    }))
    .sort(byName);

/** Requests of the last minute by the service that was called, from `/weft/v1/stats`. */
const countsByService = (stats) => new Map((stats.services ?? []).map((service) => [keyOf(service), service]));

const NO_COUNTS = { perSecond: 0, requests: 0, denied: 0, failed: 0, versions: [] };

/** How requests spread over versions, where there are several: `v1 90%, v2 10%`. */
const sharesText = ({ versions, requests }) => {
  const seen = versions.filter((entry) => entry.version && entry.requests > 0);
  if (seen.length < 2) return '';
  return seen.map((entry) => `${entry.version} ${Math.round((100 * entry.requests) / requests)}%`).join(', ');
};
