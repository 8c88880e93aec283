import { expect } from 'vitest'
import { createSpanDecoder, type DecodeOutcome, type SpanDecoder } from '../../src/receiver/decode-spans.ts'
import { DEFAULT_SPAN_LIMITS, type SpanLimits } from '../../src/receiver/limits.ts'
import { encodeBlock } from '../../src/receiver/native-block.ts'
import { clearBlock, createBlock, type SpanBlock } from '../../src/receiver/native-columns.ts'
import { seeded } from '../bench/random.ts'
import { readNative } from './native-reader.ts'
import { field, join, message, string, varint } from './proto-writer.ts'

/** Requests as they come and as they should not, the same for the same seed. */
export function oddRequests(seed: number) {
  const random = seeded(seed)
  const below = (n: number) => Math.floor(random() * n)
  const oneOf = <T>(list: readonly T[]): T => list[below(list.length)]!
  const rarely = (share = 0.04) => random() < share * oddness
  const pool = Buffer.from(Array.from({ length: 40_000 }, () => below(256)))
  const asciiPool = pool.map((byte) => 0x20 + (byte % 0x5f))
  const from = (memory: Uint8Array, n: number) => {
    const at = below(memory.length - n)
    return Buffer.from(memory.subarray(at, at + n))
  }
  const bytes = (n: number) => from(pool, n)
  const ascii = (n: number) => from(asciiPool, n)
  /** Whether the request may be one that cannot be read; how odd it is. */
  let isWild = false
  let oddness = 1

  /** Mostly short ones; some at the lengths where something changes. */
  const text = (): Buffer => {
    if (random() < 0.9) return ascii(below(40))
    const size = oneOf([0, 1, 15, 16, 17, 31, 32, 33, 127, 128, 129, 300, 2040, 2060, 16383, 16384])
    if (random() < 0.4) return ascii(size)
    if (random() < 0.5) return Buffer.from('aé€𐍈\u0000\u001f'.repeat(1 + below(40)).slice(below(9)))
    return oneOf([bytes(below(60)), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xf0, 0x80, 0x80, 0x80])])
  }
  const integer = (): bigint => {
    const size = BigInt(below(64))
    return oneOf([
      BigInt(below(20_000)),
      10n ** BigInt(below(19)),
      2n ** size,
      2n ** size - 1n,
      2n ** 64n - 1n - 2n ** size,
    ])
  }
  const double = (): number => {
    const whole = below(100_000)
    return oneOf([
      ...[
        whole / 100,
        -whole / 1000,
        whole / 10_000,
        whole,
        1e21,
        1e-7,
        5e-324,
        1e14 + 0.5,
        99999999999.999,
        -0,
        0,
      ],
      ...[Number.NaN, 1 / 0, -1 / 0, random(), random() * 10 ** below(30), bytes(8).readDoubleLE(0)],
    ])
  }
  const wide = (value: number) => {
    const buffer = Buffer.alloc(8)
    buffer.writeDoubleLE(value)
    return buffer
  }
  const anyValue = (depth = 0): Uint8Array => {
    if (rarely())
      return oneOf([
        join(),
        join(anyValue(depth + 1), anyValue(depth + 1)),
        Buffer.from([0x48, 1]),
        isWild ? bytes(3) : join(),
      ])
    if (rarely() && depth < 3) {
      const inner = Array.from({ length: below(4) }, () => field(1, anyValue(depth + 1)))
      const pair = message(1, string(1, `k${below(3)}`), field(2, anyValue(depth + 1)))
      return oneOf([message(5, ...inner), message(6, pair), field(7, bytes(below(9)))])
    }
    const kind = random()
    if (kind < 0.6) return field(1, text())
    if (kind < 0.8) return join(Buffer.from([0x18]), varint(integer()))
    if (kind < 0.9) return join(Buffer.from([0x21]), wide(double()))
    return Buffer.from([0x10, oneOf([0, 1, 1, 2])])
  }
  /** What sizes, ports and statuses look like, beside anything else. */
  const numberText = () =>
    field(1, Buffer.from(oneOf(['', '12', '0', '999999999', '4294967296', '9'.repeat(20), '1x', '200'])))
  const few = (count: number) => Array.from({ length: count }, () => field(1, ascii(below(12))))
  const known = {
    text: few(4),
    query: [
      ...few(2),
      string(1, "select * from t where a = 'x' and b = 1"),
      string(1, 'select 1'),
      string(1, ''),
    ],
    url: [...few(2), string(1, 'https://a.example/b?c=d'), string(1, ''), string(1, '/')],
  }
  const valueFor = (key: string): Uint8Array => {
    if (rarely(0.02)) return anyValue()
    if (/query.text|statement/.test(key)) return oneOf(known.query)
    if (/url/.test(key)) return oneOf([oneOf(known.url), field(1, Buffer.from(`http://h/${below(1000)}`))])
    if (/size|length|rows|port|status|sampl|Rate/.test(key))
      return oneOf([numberText(), join(Buffer.from([0x18]), varint(below(1e6)))])
    return /^[kx]/.test(key) ? anyValue() : oneOf(known.text)
  }
  const keys = [...KEYS, ...Array.from({ length: 6 }, (_, i) => `k${i}`)]
  const pair = (key: string) => {
    const name = rarely(0.01) ? field(1, bytes(below(5))) : string(1, key)
    if (!rarely(0.01)) return message(9, name, field(2, valueFor(key)))
    return message(
      9,
      ...oneOf([
        [field(2, anyValue()), name],
        [name],
        [name, field(2, anyValue()), name],
        [Buffer.from([0x18, 1]), name],
      ]),
    )
  }
  // What instrumentations write: the same name and keys in the same order, most of them each time.
  const programs = Array.from({ length: 6 }, (_, i) => ({
    name: oneOf([
      `op ${i}`,
      `запрос ${i}`,
      '',
      `a long name of an operation, ${'x'.repeat(120)} ${i}`,
      'select a, b',
    ]),
    keys: Array.from({ length: below(14) }, () => oneOf(keys)),
    kind: below(6),
  }))
  const time = (number: number, ns: bigint) => {
    const buffer = Buffer.alloc(9)
    buffer[0] = (number << 3) | 1
    buffer.writeBigUInt64LE(ns, 1)
    return buffer
  }
  const span = (): Uint8Array => {
    const { name, keys, kind } = oneOf(programs)
    const start = oneOf([NOW, NOW, NOW, NOW + BigInt(below(1e9)), 0n])
    const fields = [
      field(1, bytes(16)),
      field(2, bytes(8)),
      ...(random() < 0.7 ? [field(4, bytes(8))] : []),
      string(5, name),
      Buffer.from([0x30, kind]),
      time(7, start),
      time(8, NOW + BigInt(below(2e9)) - 1_000_000_000n),
      ...keys.filter(() => random() < 0.97).map(pair),
      Buffer.from([0x50, 0, 0x60, 0, 0x70, 0]),
      ...(random() < 0.5 ? [Buffer.from([0x85, 1, 1, 0, 0, 0])] : []),
      ...(random() < 0.1 ? [field(3, Buffer.from(oneOf(['a=1', 'ot=th:8', 'ot=th:c'])))] : []),
      ...(random() < 0.7 ? [message(15, Buffer.from([0x18, below(3)]))] : []),
    ]
    while (rarely(0.1))
      fields.splice(below(fields.length), 0, oneOf(isWild ? [...oddFields, ...wildFields] : oddFields)())
    while (rarely(0.03)) fields.splice(below(fields.length), 1)
    if (rarely(0.03)) fields.sort(() => random() - 0.5)
    return message(2, ...fields)
  }
  const oddFields: (() => Uint8Array)[] = [
    () => field(1, oneOf([Buffer.alloc(16), bytes(15), bytes(17)])),
    () => field(2, oneOf([Buffer.alloc(8), bytes(7), bytes(0)])),
    () => field(4, oneOf([Buffer.alloc(8), Buffer.alloc(0), bytes(8), bytes(9)])),
    () => field(3, Buffer.from(oneOf(['', 'a=1', 'ot=th:8']))),
    () => field(5, text()),
    () => Buffer.from([0x30, ...varint(oneOf([0, 6, 7, 127, 128, 2 ** 40]))]),
    () => time(7, oneOf([0n, 1n, 2n ** 63n, NOW * 2n])),
    () => time(8, oneOf([0n, NOW])),
    () =>
      message(
        11,
        time(1, NOW),
        string(2, oneOf(['exception', 'e'])),
        message(3, string(1, 'exception.message'), field(2, anyValue())),
      ),
    () => message(13, field(1, bytes(16)), field(2, bytes(8)), string(3, 'a=b')),
    () => message(15, field(2, text()), Buffer.from([0x18, oneOf([0, 1, 2, 3, 127])])),
    () => message(15, Buffer.from([0x18, ...varint(300)]), field(2, text()), string(2, 'again')),
    () => message(20, text()),
    () => Buffer.from([0xa3, 1, 0x08, 1, 0xa4, 1]),
    () => pair(oneOf(keys)),
  ]
  const wildFields = [() => bytes(1 + below(3)), () => Buffer.from([0x4a, 0x80, 0x80, 1])]
  const resourceSpans = () => {
    const attributes = RESOURCE.filter(() => random() < 0.7).map((key) =>
      message(1, string(1, key), field(2, oneOf(known.text))),
    )
    const scope = message(1, string(1, oneOf(['lib', '', 'other'])), string(2, '1'))
    const spans = Array.from({ length: oneOf([0, 1, 2, 3, 5, 20, 60, 200]) }, span)
    if (rarely())
      spans.splice(below(spans.length + 1), 0, oneOf([message(3, text()), scope, isWild ? bytes(2) : scope]))
    const scopes = [
      message(2, scope, ...spans),
      ...(random() < 0.3 ? [message(2, span(), scope, span())] : []),
    ]
    return message(1, message(1, ...attributes), ...scopes)
  }
  return (): Buffer => {
    isWild = random() < 0.2
    oddness = isWild ? 1 : oneOf([0.02, 0.1, 0.5])
    const request = Buffer.from(join(...Array.from({ length: 1 + below(3) }, resourceSpans)))
    if (isWild && random() < 0.5) request[below(request.length)]! ^= 1 << below(8)
    return isWild && random() < 0.1 ? request.subarray(0, below(request.length)) : request
  }
}

const NOW = 1_800_000_000_000_000_000n
const WINDOW = { earliestNs: 1.7e18, latestNs: 1.9e18 }
const RESOURCE = ['service.name', 'service.version', 'host.name', 'x', 'deployment.environment.name']
const KEYS = [
  ...[
    'http.request.method',
    'http.method',
    'http.route',
    'http.response.status_code',
    'server.address',
    'server.port',
  ],
  ...[
    'url.full',
    'http.url',
    'db.system',
    'db.query.text',
    'db.statement',
    'db.response.returned_rows',
    'net.peer.name',
  ],
  ...[
    'http.response.body.size',
    'http.request_content_length',
    'messaging.message.body.size',
    'rpc.service',
    'rpc.method',
  ],
  ...[
    'db.query.parameter.0',
    'sampling.probability',
    'SampleRate',
    'messaging.system',
    'net.transport',
    'error.type',
  ],
  ...[
    'network.protocol.name',
    'exception.message',
    'faas.coldstart',
    'ключ',
    `x${'y'.repeat(126)}`,
    `x${'z'.repeat(200)}`,
    '',
  ],
]

const LIMITS: Partial<SpanLimits>[] = [
  {},
  {},
  { attributes: 4 },
  { keyBytes: 9, valueBytes: 6, nameBytes: 5 },
  { valueBytes: 130, nameBytes: 130, eventsPerSpan: 0, linksPerSpan: 0 },
  { keepQueryValues: false },
]

/** What a decoder makes of requests: outcomes, and blocks' bytes. */
type Side = { decode: SpanDecoder; blocks: SpanBlock[] }

/**
 * Both decoders get the same requests, into two blocks in turns that are emptied now and then; after each the outcomes are
 * equal, and now and then the blocks' bytes, or their rows where a request was taken back. Returns how many spans were stored.
 */
export function compareDecoders(
  requests: number,
  seed: number,
  plain: typeof createSpanDecoder = (options) =>
    createSpanDecoder({ ...options, createKernel: () => undefined }),
): number {
  const next = oddRequests(seed)
  const random = seeded(seed)
  const limits = { ...DEFAULT_SPAN_LIMITS, ...LIMITS[Math.abs(seed) % LIMITS.length]! }
  const maxRowBytes = seed % 7 === 0 ? 100_000 : 1e8
  const sides: Side[] = [createSpanDecoder, plain].map((create) => ({
    decode: create({ limits, maxRowBytes }),
    blocks: [createBlock(), createBlock()],
  }))
  const failure = `seed ${seed}`
  // What is taken back leaves texts that no row has, and each side has read as far as it reads ahead.
  const strays = [false, false]
  let rows = 0
  for (let i = 0; i < requests; i++) {
    const request = next()
    const block = Math.floor(random() * 2)
    const [ours, theirs] = sides.map(
      ({ decode, blocks }): DecodeOutcome => decode(blocks[block]!, request, WINDOW),
    )
    expect(ours, failure).toEqual(theirs)
    if (ours!.kind === 'decoded') rows += ours!.rows
    else strays[block] = true
    if (random() < 0.9 && i + 1 < requests) continue
    const [a, b] = sides.map(({ blocks }) => encodeBlock(blocks[block]!))
    if (strays[block]) expect(readNative(a!), failure).toEqual(readNative(b!))
    else expect(a!.equals(b!), failure).toBe(true)
    if (random() >= 0.5) continue
    for (const { blocks } of sides) clearBlock(blocks[block]!)
    strays[block] = false
  }
  return rows
}
