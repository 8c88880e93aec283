import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer'
import { pino } from 'pino'
import { afterAll, describe, expect, it } from 'vitest'
import { createJsonReader } from '../../src/receiver/json-reader.ts'
import { readJson } from '../../src/receiver/json-request.ts'
import { readableOf, sampleSpans } from './span-samples.ts'

const MAX_OBJECT_BYTES = 2 ** 26
const log = pino({ level: 'silent' })
const reader = createJsonReader(MAX_OBJECT_BYTES, log)
afterAll(() => reader.close())

const json = (spans: number) => JsonTraceSerializer.serializeRequest(readableOf(sampleSpans(spans)))!

describe('long requests in JSON', () => {
  it('are read beside all others, with the same result', async () => {
    const [short, long] = [json(1), json(1000)]
    const order: string[] = []
    const read = (name: string, bytes: Uint8Array) =>
      reader.read(bytes).then((outcome) => {
        order.push(name)
        return outcome
      })
    const [ofLong, ofShort] = await Promise.all([read('long', long), read('short', short)])
    expect(order).toEqual(['short', 'long'])
    expect(ofShort).toEqual(readJson(short, MAX_OBJECT_BYTES))
    expect(ofLong.kind).toBe('bytes')
    expect(ofLong).toEqual(readJson(long, MAX_OBJECT_BYTES))
  })

  it('are malformed and too large like short ones', async () => {
    const text = ' '.repeat(200_000)
    expect(await reader.read(Buffer.from(`${text}{"resourceSpans":`))).toMatchObject({ kind: 'malformed' })
    const objects = Buffer.from(`{"resourceSpans":[${'{},'.repeat(700_000)}{}]}`)
    expect(await reader.read(objects)).toMatchObject({ kind: 'too-large' })
  })

  it('are to be sent again if the thread has ended meanwhile, and are read again then', async () => {
    const another = createJsonReader(MAX_OBJECT_BYTES, log)
    const waiting = another.read(json(1000))
    another.close()
    expect(await waiting).toMatchObject({ kind: 'unavailable' })
    expect(await another.read(json(1000))).toMatchObject({ kind: 'bytes' })
    another.close()
  })
})
