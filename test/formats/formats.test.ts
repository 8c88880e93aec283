import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeRequest } from './otlp-proto.ts'
import { dump, readColumns } from './read-all.ts'

const fixture = (name: string) => readFileSync(new URL(`../fixtures/traces/${name}`, import.meta.url))
const json = (name: string) => JSON.parse(fixture(name).toString('utf8'))

/** The two traces of the fixtures, as every format gives them. */
const WORLD = [
  '000000000000000000f067aa0ba902b7 0000000000000abc 0000000000000000 1700000001000000000 1700000001000250000 2 kind=INTERNAL service=worker name=poll peerService=queue',
  '4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba90001 00f067aa0ba902b7 1700000000005000000 1700000000080000000 0 kind=CLIENT service=gateway name=GET serverAddress=orders httpMethod=GET transport=1 peer=orders',
  '4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba90002 00f067aa0ba90001 1700000000006000000 1700000000078000000 1 kind=SERVER service=orders name=GET /orders/{id} httpMethod=GET httpRoute=/orders/{id} transport=1',
  '4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba90003 00f067aa0ba90002 1700000000010000000 1700000000070000000 0 kind=CLIENT service=orders name=SELECT orders dbSystem=postgresql dbNamespace=shop',
  '4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7 0000000000000000 1700000000000000000 1700000000090000000 0 kind=SERVER service=gateway name=GET /checkout/{id} httpMethod=GET httpRoute=/checkout/{id} transport=1',
]

const request = encodeRequest(json('otlp-request.json'))

/** As the Collector's file exporter writes with `format: proto`: the length as 4 bytes, big end first, before each. */
function framed(requests: Buffer[]): Buffer {
  return Buffer.concat(
    requests.flatMap((bytes) => {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      return [length, bytes]
    }),
  )
}

const FILES: Readonly<Record<string, Buffer>> = {
  'OTLP JSON, one request': fixture('otlp-request.json'),
  'OTLP JSON, an array of requests': fixture('otlp-array.json'),
  'OTLP JSON, one request a line': fixture('otlp-lines.jsonl'),
  'OTLP JSON with a byte order mark': Buffer.concat([
    Buffer.from('\ufeff\r\n'),
    fixture('otlp-request.json'),
  ]),
  'OTLP JSON, requests after each other': Buffer.from(
    json('otlp-array.json')
      .map((each: object) => JSON.stringify(each, null, 2))
      .join('\n'),
  ),
  'OTLP protobuf': request,
  'OTLP protobuf, joined requests': Buffer.concat(json('otlp-array.json').map(encodeRequest)),
  'OTLP protobuf, framed': framed(json('otlp-array.json').map(encodeRequest)),
  'Jaeger JSON': fixture('jaeger.json'),
  'Jaeger JSON, an array of traces': fixture('jaeger-array.json'),
  'Zipkin v2 JSON': fixture('zipkin.json'),
  'Zipkin v2 JSON, an array of traces': fixture('zipkin-traces.json'),
}

describe.each(Object.entries(FILES))('%s', (_, bytes) => {
  test('is told by its content and gives the same spans', async () => {
    const { columns, problems } = await readColumns(bytes)
    expect(problems).toEqual([])
    expect(dump(columns)).toEqual(WORLD)
  })

  test('gzipped', async () => {
    const { columns, problems } = await readColumns(gzipSync(bytes))
    expect(problems).toEqual([])
    expect(dump(columns)).toEqual(WORLD)
  })

  test.each([
    [
      'a wrong checksum',
      (packed: Buffer) => packed.fill(0, packed.length - 8, packed.length - 4),
      'incorrect data check',
    ],
    [
      'something behind it',
      (packed: Buffer) => Buffer.concat([packed, Buffer.from('more')]),
      'incorrect header check',
    ],
    ['the end missing', (packed: Buffer) => packed.subarray(0, -5), 'unexpected end of file'],
  ])('gzipped, with %s: says where, and keeps all that came before', async (_name, spoil, message) => {
    const { columns, problems } = await readColumns(spoil(gzipSync(bytes)))
    expect(problems).toEqual([`byte ${bytes.length}: expected gzip data: ${message}`])
    expect(dump(columns)).toEqual(WORLD)
  })

  test.each([1, 2, 3, 7, 64])('in chunks of %i bytes', async (chunkBytes) => {
    const { columns, problems } = await readColumns(bytes, chunkBytes)
    expect(problems).toEqual([])
    expect(dump(columns)).toEqual(WORLD)
  })

  test('cut short anywhere: says so, never throws, keeps whole spans only', async () => {
    for (let length = 1; length < bytes.length - 1; length += 13) {
      const { columns, problems } = await readColumns(bytes.subarray(0, length))
      for (const line of dump(columns)) expect(WORLD).toContain(line)
      if (columns.count < WORLD.length && !isWhole(bytes, length)) expect(problems.join()).toMatch(/byte \d+/)
    }
  })
})

/** Whether what is left is a file of its own: whole lines, whole requests, or nothing but white space. */
function isWhole(bytes: Buffer, length: number): boolean {
  const left = bytes.subarray(0, length)
  if (left[0] === 0x0a || left[0] === 0) return true
  const text = left.toString('utf8').trimEnd()
  return text.endsWith('\n') || text.split('\n').every((line) => isJson(line)) || documents(text)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Pretty-printed documents after each other. */
function documents(text: string): boolean {
  return text.split(/\n(?=\{)/).every(isJson)
}

describe('a file that is none of them', () => {
  test.each([
    ['', 'byte 0: expected a trace file .*, found an empty file'],
    ['hello', 'byte 0: expected a trace file .*, found "hello"'],
    ['\xff\xfe{\0"\0', 'found UTF-16 text'],
    [
      '{"resourceMetrics":[]}',
      'line 1, byte 0: expected resourceSpans .*, found an object of resourceMetrics',
    ],
    ['\n\n {"a": {"data": []}, "b": 1}', 'line 3, byte 3: expected .*, found an object of a, b'],
    ['{"resourceSpans": 5}', 'line 1, byte 18: expected an array or object, found 5'],
    ['{"resourceSpans": [}', 'line 1, byte 19: expected a value or "]", found "}"'],
    ['{"data" [', 'line 1, byte 8: expected ":", found "\\["'],
    ['{"data": ["x"]}', 'line 1, byte 10: expected an array or object, found "x"'],
    [
      '[{"traceId":"1","id":"2","timestamp":"soon"}]',
      'byte 1: expected microseconds in timestamp, found "soon"',
    ],
    ['[{"traceId":"1","id":"2", bad}]', 'line 1, byte 26: expected a key, found "b"'],
    ['\x00\x00\x00\x05\x0a', 'byte 5: expected 4 more bytes'],
    ['\x0a\x05\x0a\x09\x01\x02\x03', 'byte 3: expected a field of .*, found a length of 9'],
    ['\x1f\x8b\x08\x00nonsense', 'expected gzip data'],
  ])('%j', async (text, expected) => {
    const { columns, problems } = await readColumns(Buffer.from(text, 'latin1'))
    expect(columns.count).toBe(0)
    expect(problems).toEqual([expect.stringMatching(new RegExp(expected))])
  })
})

test('an empty request is a file without spans', async () => {
  for (const text of ['{}', '[]', '{"resourceSpans":[]}', '{"resourceSpans":null}', '{"data":[]}']) {
    expect(await readColumns(text).then((read) => [read.columns.count, read.problems])).toEqual([0, []])
  }
})

describe('lines', () => {
  const lines = fixture('otlp-lines.jsonl').toString('utf8').trimEnd().split('\n')

  test('one that is broken is left out', async () => {
    const { columns, problems } = await readColumns([lines[0], lines[1]!.slice(0, 200), lines[2]].join('\n'))
    expect(dump(columns)).toEqual([WORLD[0], WORLD[1], WORLD[4]])
    expect(problems).toEqual([
      expect.stringMatching(/^line 2, byte \d+: (the line ends|expected the closing quote)/),
    ])
  })

  test('the first one too', async () => {
    const { columns, problems } = await readColumns(
      ['{"resourceSpans": nonsense}', ...lines.slice(1)].join('\n'),
    )
    expect(columns.count).toBe(3)
    expect(problems).toHaveLength(1)
  })

  test('a span without an id is left out', async () => {
    const { columns, problems } = await readColumns(
      lines[0]!.replaceAll('"00f067aa0ba90001"', '"0000000000000000"'),
    )
    expect(columns.count).toBe(1)
    expect(problems).toEqual([
      expect.stringMatching(/^line 1, byte \d+: expected a spanId that is not zero; the span is left out/),
    ])
  })
})

test('a resource may come after its spans', async () => {
  const late = json('otlp-request.json').resourceSpans.map(
    (each: { resource: object; scopeSpans: object[] }) => ({
      scopeSpans: each.scopeSpans,
      resource: each.resource,
    }),
  )
  const { columns } = await readColumns(JSON.stringify({ resourceSpans: late }))
  expect(dump(columns)).toEqual(WORLD)
})

test('whole nanoseconds survive as JSON numbers', async () => {
  const text = fixture('otlp-request.json')
    .toString('utf8')
    .replaceAll(/"(17\d{17})"/g, '$1')
    .replace('1700000000005000000', '1700000000005000001')
  expect(text).toMatch(/: 1700000000005000001,/)
  const { columns } = await readColumns(text)
  expect(dump(columns)).toEqual(
    WORLD.map((line) => line.replace('1700000000005000000', '1700000000005000001')),
  )
})

test('damaged files are read or reported, never thrown', async () => {
  const files = Object.values(FILES)
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: files.length - 1 }),
      fc.array(fc.record({ at: fc.nat(), bytes: fc.uint8Array({ maxLength: 4 }), cut: fc.nat({ max: 8 }) }), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.constantFrom(7, 1 << 20),
      async (which, edits, chunkBytes) => {
        let bytes = files[which]!
        for (const { at, bytes: put, cut } of edits) {
          const from = at % bytes.length
          bytes = Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + cut)])
        }
        const { columns, problems } = await readColumns(bytes, chunkBytes)
        expect(columns.count).toBeLessThanOrEqual(WORLD.length + edits.length)
        for (const problem of problems) expect(problem).toMatch(/^(?:line \d+, )?byte \d+: /)
      },
    ),
    { numRuns: 2000 },
  )
})
