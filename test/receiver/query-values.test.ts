import { expect, it } from 'vitest'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { protobufOf } from '../../src/receiver/json-request.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import { encodeBlock } from '../../src/receiver/native-block.ts'
import { createBlock } from '../../src/receiver/native-columns.ts'
import { readNative } from './native-reader.ts'

const NOW_NS = 1_767_225_600_000_000_000n
const WINDOW = { earliestNs: Number(NOW_NS) - 86_400e9, latestNs: Number(NOW_NS) + 86_400e9 }

function stored(attributes: Record<string, string>, keepQueryValues: boolean): [string, string][] {
  const span = {
    traceId: '07'.repeat(16),
    spanId: '09'.repeat(8),
    startTimeUnixNano: String(NOW_NS),
    endTimeUnixNano: String(NOW_NS + 5n),
    attributes: Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } })),
  }
  const request = protobufOf(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }))
  const block = createBlock()
  createSpanDecoder({ limits: { ...DEFAULT_SPAN_LIMITS, keepQueryValues }, maxRowBytes: 1e9 })(
    block,
    request,
    WINDOW,
  )
  return readNative(encodeBlock(block))[0]!.SpanAttributes as [string, string][]
}

const LONG = `SELECT * FROM t WHERE a IN (${Array.from({ length: 300 }, (_, i) => `'secret${i}'`).join(', ')})`
const SENT = {
  'db.system': 'mysql',
  'db.statement': "SELECT * FROM card WHERE number = '4111 1111' AND cvc = 123",
  'db.query.text': LONG,
  'db.query.parameter.0': 'secret',
  'db.operation.parameter.key': 'secret',
  'db.statement.parameters': '[secret]',
  'db.postgresql.values': '[secret]',
  'db.query.summary': 'SELECT card',
  'db.statement.kind': "it's kept 5",
  'url.full': 'http://a/5',
}

it('texts of queries lose their values, and values bound to them are gone, where the setting says so', () => {
  expect(stored(SENT, false)).toEqual([
    ['db.system', 'mysql'],
    ['db.statement', 'SELECT * FROM card WHERE number = ? AND cvc = ?'],
    ['db.query.text', 'SELECT * FROM t WHERE a IN (?..)'],
    ['db.query.parameter.0', ''],
    ['db.operation.parameter.key', ''],
    ['db.statement.parameters', ''],
    ['db.postgresql.values', ''],
    ['db.query.summary', 'SELECT card'],
    ['db.statement.kind', "it's kept 5"],
    ['url.full', 'http://a/5'],
  ])
})

it('and are stored as sent else', () => {
  expect(Object.fromEntries(stored(SENT, true))).toEqual(SENT)
})
