/**
 * Decoding OTLP requests: ours into a Native block, against what one would write first (protobufjs, then a row object a
 * span as JSONEachRow). Both in one run, alternating, in CPU time; compare the ratio, not the times.
 *
 *   npx tsx test/bench/decode.ts [seconds]
 */
import { availableParallelism, cpus } from 'node:os'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import { encodeBlock } from '../../src/receiver/native-block.ts'
import { clearBlock, createBlock } from '../../src/receiver/native-columns.ts'
import { exportRequests } from './otlp-requests.ts'
import { rowsOf } from './protobufjs-rows.ts'

const SPANS = 512
const ATTRIBUTES = 12
const SEED = 1
const ROWS_A_BLOCK = 20_480

const requests = exportRequests({ requests: 40, spans: SPANS, attributes: ATTRIBUTES, seed: SEED })
const bytes = requests.reduce((sum, request) => sum + request.length, 0)

const decode = createSpanDecoder({ limits: DEFAULT_SPAN_LIMITS, maxRowBytes: 1e9 })
const block = createBlock()
const window = { earliestNs: 0, latestNs: Number.MAX_VALUE }

/** CPU time of this process so far, in ms. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Returns the times of decoding and of encoding, in ms. */
function ours(): [number, number] {
  clearBlock(block)
  const start = cpuMs()
  let encodeMs = 0
  for (const request of requests) {
    const outcome = decode(block, request, window)
    if (outcome.kind !== 'decoded' || outcome.rows !== SPANS) throw new Error(JSON.stringify(outcome))
    if (block.rows >= ROWS_A_BLOCK) {
      const at = cpuMs()
      encodeBlock(block)
      clearBlock(block)
      encodeMs += cpuMs() - at
    }
  }
  return [cpuMs() - start - encodeMs, encodeMs]
}

function theirs(): number {
  const start = cpuMs()
  let size = 0
  for (const request of requests) {
    size += rowsOf(request)
      .map((row) => JSON.stringify(row))
      .join('\n').length
  }
  if (size === 0) throw new Error('no rows')
  return cpuMs() - start
}

const seconds = Number(process.argv[2] ?? 5)
const until = performance.now() + seconds * 1000
const decodeMs: number[] = []
const encodeMs: number[] = []
const rowMs: number[] = []
while (performance.now() < until) {
  const [d, e] = ours()
  decodeMs.push(d)
  encodeMs.push(e)
  rowMs.push(theirs())
}
const spans = SPANS * requests.length
const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1]!
const perSpan = (times: number[]) => Number(((median(times) * 1000) / spans).toFixed(2))
console.log(
  JSON.stringify({
    machine: `${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`,
    data: `${requests.length} requests of ${SPANS} spans, ${ATTRIBUTES} attributes, ${Math.round(bytes / spans)} bytes a span, seed ${SEED}`,
    decodeUsPerSpan: perSpan(decodeMs),
    encodeUsPerSpan: perSpan(encodeMs),
    protobufjsRowsUsPerSpan: perSpan(rowMs),
    ratio: Number((median(rowMs) / (median(decodeMs) + median(encodeMs))).toFixed(1)),
    rounds: decodeMs.length,
  }),
)
