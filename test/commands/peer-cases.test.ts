import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import type { TraceJson } from '../../src/analysis/report-json.ts'
import { run } from '../../src/commands/analyze.ts'
import { capture } from './capture.ts'

type PeerCase = {
  name: string
  spans: {
    id: string
    parent: string
    service: string
    name: string
    kind: string
    start: number
    end: number
  }[]
  expected: { span: string; start: number; end: number }[]
  repairs: { kind: string; span: string }[]
}
const cases = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'fixtures', 'peer-cases.json'), 'utf8'),
) as PeerCase[]
const directory = mkdtempSync(join(tmpdir(), 'longpole-peers-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const BASE_US = 1_700_000_000_000_000n
const OTLP_KIND = ['', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER']

it('analyze --json --dependencies single gives what is expected of the peer cases', async () => {
  const idsOf = (c: PeerCase) =>
    [...new Set(c.spans.flatMap((s) => [s.id, s.parent]))].filter((id) => id !== '')
  const traceId = (i: number) => (i + 1).toString(16).padStart(32, '0')
  const lines = cases.map((c, i) => {
    const ids = idsOf(c)
    const hex = (id: string) => (id === '' ? '' : (ids.indexOf(id) + 1).toString(16).padStart(16, '0'))
    return JSON.stringify({
      resourceSpans: c.spans.map((s) => ({
        resource: { attributes: [{ key: 'service.name', value: { stringValue: s.service } }] },
        scopeSpans: [
          {
            spans: [
              {
                traceId: traceId(i),
                spanId: hex(s.id),
                parentSpanId: hex(s.parent),
                name: s.name,
                kind: OTLP_KIND.indexOf(s.kind),
                startTimeUnixNano: `${BASE_US + BigInt(s.start)}000`,
                endTimeUnixNano: `${BASE_US + BigInt(s.end)}000`,
              },
            ],
          },
        ],
      })),
    })
  })
  const file = join(directory, 'peers.jsonl')
  writeFileSync(file, lines.join('\n'))
  const context = capture()
  expect(await run(['--json', '--dependencies', 'single', file], context)).toBe(0)
  const { traces } = JSON.parse(context.out()) as { traces: TraceJson[] }
  expect(traces.map((t) => t.traceId)).toEqual(cases.map((_, i) => traceId(i)))
  traces.forEach((trace, i) => {
    const ids = idsOf(cases[i]!)
    const label = (id: string) => ids[Number.parseInt(id, 16) - 1]
    const entry = trace.entries[0]!
    const offset = Number(BigInt(entry.startUnixNano) - BASE_US * 1000n)
    const us = (ns: number) => (ns + offset) / 1000
    expect([
      cases[i]!.name,
      entry.criticalPath.map((p) => ({ span: label(p.spanId), start: us(p.startNs), end: us(p.endNs) })),
      trace.repairs.map((r) => ({ kind: r.kind, span: label(r.spanId) })),
    ]).toEqual([cases[i]!.name, cases[i]!.expected, cases[i]!.repairs])
  })
})
