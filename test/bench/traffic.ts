import type { SpanColumns } from '../../src/trace/columns.ts'
import { plantTraffic } from '../findings/planted.ts'
import { NEAR_MISSES, PLANTS } from '../findings/plants.ts'
import { seeded } from './random.ts'
import { generateRequests, LANDSCAPE } from './requests.ts'
import { generateTraces } from './traces.ts'

export const TRAFFIC_SEED = 20261126
/** Of both lists of plants, about: a request to each of their endpoints. */
const PLANTED_SPANS = 200

const SPANS_A_REQUEST = 96.5

/** About so many spans of each kind of traffic that findings are measured on. */
export const TRAFFIC: Readonly<Record<string, (spans: number) => SpanColumns>> = {
  /** One a second: some 16 samples a minute and endpoint. */
  requests: (spans) => generateRequests(spans),
  /** The same at 400,000 spans a second. */
  dense: (spans) => generateRequests(spans, LANDSCAPE, SPANS_A_REQUEST / 400),
  'near-misses': (spans) => plantTraffic(TRAFFIC_SEED, NEAR_MISSES, Math.ceil(spans / PLANTED_SPANS)).columns,
  'random-traces': (spans) => {
    const random = seeded(TRAFFIC_SEED)
    return generateTraces('mixed', spans, () => 5 + Math.floor(496 ** random()), TRAFFIC_SEED)
  },
  'mistake-everywhere': (spans) =>
    plantTraffic(TRAFFIC_SEED, PLANTS, Math.ceil(spans / PLANTED_SPANS)).columns,
}
