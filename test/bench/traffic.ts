import type { SpanColumns } from '../../src/trace/columns.ts'
import { plantTraffic } from '../findings/planted.ts'
import { NEAR_MISSES, PLANTS } from '../findings/plants.ts'
import { seeded } from './random.ts'
import { generateRequests } from './requests.ts'
import { generateTraces } from './traces.ts'

export const TRAFFIC_SEED = 20261126
/** Of both lists of plants, about: a request to each of their endpoints. */
const PLANTED_SPANS = 200

/** About so many spans of each kind of traffic that findings are measured on. */
export const TRAFFIC: Readonly<Record<string, (spans: number) => SpanColumns>> = {
  requests: generateRequests,
  'near-misses': (spans) => plantTraffic(TRAFFIC_SEED, NEAR_MISSES, Math.ceil(spans / PLANTED_SPANS)).columns,
  'random-traces': (spans) => {
    const random = seeded(TRAFFIC_SEED)
    return generateTraces('mixed', spans, () => 5 + Math.floor(496 ** random()), TRAFFIC_SEED)
  },
  'mistake-everywhere': (spans) =>
    plantTraffic(TRAFFIC_SEED, PLANTS, Math.ceil(spans / PLANTED_SPANS)).columns,
}
