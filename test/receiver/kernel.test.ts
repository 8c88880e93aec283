import { readFileSync } from 'node:fs'
import { main as compile } from 'assemblyscript/asc'
import { expect, it } from 'vitest'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import { createBlock } from '../../src/receiver/native-columns.ts'
import { createSpanKernel } from '../../src/receiver/span-kernel.ts'
import { exportRequests } from '../bench/otlp-requests.ts'
import { compareDecoders } from './kernel-twin.ts'

it('kernel.wasm is what its sources compile to', async () => {
  let wasm: Uint8Array | undefined
  const { error, stderr } = await compile(['--config', 'src/receiver/kernel/asconfig.json'], {
    writeFile: (_name, contents) => {
      wasm = Buffer.from(contents)
    },
  })
  expect(error, stderr.toString()).toBe(null)
  expect(readFileSync('src/receiver/kernel/kernel.wasm').equals(wasm!)).toBe(true)
}, 60_000)

it('reads what an SDK sends, but for spans with something new', () => {
  let read = 0
  const decode = createSpanDecoder({
    limits: DEFAULT_SPAN_LIMITS,
    maxRowBytes: 1e9,
    createKernel: (limits) => {
      const kernel = createSpanKernel(limits)!
      return {
        ...kernel,
        readSpans(decoding, end) {
          const outcome = kernel.readSpans(decoding, end)
          read += outcome.rows
          return outcome
        },
      }
    },
  })
  const block = createBlock()
  const window = { earliestNs: 0, latestNs: Number.MAX_VALUE }
  const requests = exportRequests({ requests: 3, spans: 300, attributes: 16, seed: 1 })
  for (const request of requests) decode(block, request, window)
  expect(block.rows).toBe(900)
  // 30 names, which come one after the other.
  expect(read).toBeGreaterThan(700)
})

it('makes of odd requests what is made without it', () => {
  const seed = Date.now() | 0
  console.log(`seed ${seed}`)
  let rows = 0
  for (let i = 0; i < 5; i++) rows += compareDecoders(20, seed + i)
  expect(rows).toBeGreaterThan(500)
})
