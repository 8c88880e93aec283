import type { MetricSources } from '../api/metrics.ts'
import { startApi } from '../api/server.ts'
import { type PartArgument, runPart } from './part-thread.ts'

/** Entry of the thread that answers the API: some answers are seconds of work. */
runPart<PartArgument & { address: string }>(async ({ config, address }, { store, log, parent }) => {
  const metrics = await parent.call<MetricSources>('metrics')
  const api = await startApi({
    address,
    store,
    token: config.token,
    tls: config.tls,
    problem: () => parent.call('problem'),
    findingLimits: config.findingLimits,
    metrics,
    async refreshMetrics() {
      const now = await parent.call<MetricSources>('metrics')
      for (const [part, counters] of Object.entries(now)) Object.assign(metrics[part] ?? {}, counters)
    },
    log,
  })
  return { started: api.address, handlers: {}, stop: api.stop }
})
