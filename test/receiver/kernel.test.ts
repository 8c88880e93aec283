import { readFileSync } from 'node:fs'
import { main as compile } from 'assemblyscript/asc'
import { expect, it, vi } from 'vitest'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import { encodeBlock } from '../../src/receiver/native-block.ts'
import { createBlock } from '../../src/receiver/native-columns.ts'
import { createSpanKernel } from '../../src/receiver/span-kernel.ts'
import { exportRequests } from '../bench/otlp-requests.ts'
import { compareDecoders } from './kernel-twin.ts'
import { field, join, message, string } from './proto-writer.ts'

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

const WINDOW = { earliestNs: 1.7e18, latestNs: 1.9e18 }
const NOW_NS = 1_800_000_000_000_000_000n

/** A span's field, with these attributes; out of the window where `startNs` is. */
function span(name: string, attributes: Record<string, string>, startNs = NOW_NS): Uint8Array {
  const start = Buffer.alloc(9, 0x39)
  start.writeBigUInt64LE(startNs, 1)
  return message(
    ...[2, field(1, Buffer.alloc(16, 7)), field(2, Buffer.alloc(8, 9)), string(5, name), start],
    ...Object.entries(attributes).map(([key, text]) => message(9, string(1, key), field(2, string(1, text)))),
  )
}

function requestOf(...fields: Uint8Array[]): Buffer {
  return Buffer.from(message(1, message(2, ...fields)))
}

function decoder(createKernel = createSpanKernel) {
  return createSpanDecoder({ limits: DEFAULT_SPAN_LIMITS, maxRowBytes: 1e9, createKernel })
}

/** Of the bytes, how many are asked for as parts from now on, and how often. */
function countParts(bytes: Uint8Array): { parts: number; bytes: number } {
  const counts = { parts: 0, bytes: 0 }
  bytes.subarray = (from, to) => {
    const part = Uint8Array.prototype.subarray.call(bytes, from, to)
    counts.parts++
    counts.bytes += part.length
    return part
  }
  return counts
}

it.each([
  ['no spans between them', (of: Uint8Array) => join(of, Buffer.from([0x1a, 0]))],
  ['lengths of more bytes than they need', (of: Uint8Array) => join(of, lengthened(of))],
])('a request is copied into it about once, whatever the spans: %s', (_what, odd) => {
  const request = requestOf(...Array.from({ length: 3000 }, () => odd(span('a', { k: 'v' }))))
  const counts = countParts(request)
  expect(decoder()(createBlock(), request, WINDOW).kind).toBe('decoded')
  expect(counts.bytes).toBeLessThan(2 * request.length)
})

/** The same span, its length in four bytes. */
function lengthened(of: Uint8Array): Uint8Array {
  return join(Buffer.from([0x12, of[1]! | 0x80, 0x80, 0x80, 0]), of.subarray(2))
}

it('what is rejected or taken back does not make it learn all texts of a block again and again', () => {
  const block = createBlock()
  const decode = decoder()
  const filling = Array.from({ length: 3000 }, (_, i) => span(`name ${i}`, { [`key ${i}`]: 'v' }))
  decode(block, requestOf(...filling), WINDOW)
  const good = span('name 1', { 'key 1': 'v' })
  const counts = [block.spanName, block.attributes.keys].map(({ dictionary }) =>
    countParts(dictionary.values.bytes),
  )
  const learned = () => counts.reduce((sum, { parts }) => sum + parts, 0)
  decode(block, requestOf(good, good, good), WINDOW)

  const before = learned()
  const rejected = Array.from({ length: 50 }, (_, i) => [
    good,
    good,
    span('name 1', { [`new ${i}`]: 'v' }, 5n),
  ])
  expect(decode(block, requestOf(...rejected.flat(), good), WINDOW)).toMatchObject({ received: 151 })
  expect(learned() - before).toBeLessThan(100)

  for (let i = 0; i < 50; i++) {
    const request = join(requestOf(good, good, good, span(`new ${i}`, {}), good), Buffer.from([0x0a, 0x7f]))
    expect(decode(block, request, WINDOW).kind).toBe('malformed')
  }
  expect(learned() - before).toBeLessThan(200)
})

it('more names, keys and shapes than it has room for: the same as without it', () => {
  const fields = Array.from({ length: 8000 }, (_, i) =>
    span(`name ${i % 5000}`, {
      [`key ${i % 2500}`]: 'v',
      'http.route': `/${'r'.repeat(i % 200)}/${i}`,
    }),
  )
  const [ours, theirs] = [decoder(), decoder(() => undefined)].map((decode) => {
    const block = createBlock()
    for (let i = 0; i < 2; i++)
      decode(block, requestOf(...fields, ...fields.slice(0, 50).flatMap((of) => [of, of])), WINDOW)
    expect(block.rows).toBe(16_200)
    return encodeBlock(block)
  })
  expect(ours!.equals(theirs!)).toBe(true)
})

it('where there is no WebAssembly there is no kernel, and the spans are read', () => {
  vi.stubGlobal('WebAssembly', undefined)
  try {
    expect(createSpanKernel(DEFAULT_SPAN_LIMITS)).toBe(undefined)
    const block = createBlock()
    decoder()(block, requestOf(...Array.from({ length: 5 }, () => span('a', { k: 'v' }))), WINDOW)
    expect(block.rows).toBe(5)
  } finally {
    vi.unstubAllGlobals()
  }
})
