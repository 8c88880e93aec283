import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FileSpan, Resource } from '../../src/formats/file-span.ts'
import { createSpanSpool } from '../../src/formats/span-spool.ts'
import { traceIdHex } from '../../src/trace/columns.ts'
import { newDirectory } from '../support/directory.ts'
import { dump } from './read-all.ts'

const span = (trace: number, id: number, service: number): { span: FileSpan; resource: Resource } => ({
  span: {
    traceId: (trace * 0x9e3779b1).toString(16).padStart(32, '0').replace(/^0{8}/, 'ffffffff'),
    spanId: id.toString(16).padStart(16, '0'),
    parentSpanId: '',
    name: `op ${id % 3}`,
    kind: 'SERVER',
    startNs: 2n ** 63n + BigInt(id),
    endNs: 2n ** 63n + 7n * BigInt(id),
    status: id % 3,
    attributes: { 'http.route': `/${id % 4}` },
    weight: id % 5,
  },
  resource: { attributes: { 'service.name': `s${service}` } },
})

const spans = fc.array(
  fc.record({ trace: fc.nat({ max: 8 }), service: fc.nat({ max: 2 }), late: fc.boolean() }),
  {
    maxLength: 80,
  },
)

test('spilled or not: the same spans, whole traces, in the order of their ids when spilled', () => {
  fc.assert(
    fc.property(
      spans,
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 30 }),
      (list, inMemory, atOnce) => {
        const few = createSpanSpool(inMemory, atOnce)
        const many = createSpanSpool()
        try {
          for (const spool of [few, many]) {
            for (const [i, { trace, service, late }] of list.entries()) {
              const { span: each, resource } = span(trace, i + 1, service)
              // Its attributes come with the next span that does not wait, or at the end.
              const given: Resource = late ? { attributes: undefined } : resource
              spool.sink.add(each, given, { name: '', version: '' })
              given.attributes = resource.attributes
              if (!late) spool.sink.settle()
              spool.relieve()
            }
            spool.sink.settle()
            expect(spool.spanCount()).toBe(list.length)
          }
          for (let turn = 0; turn < 2; turn++) {
            const read: string[] = []
            const order: string[] = []
            for (const columns of few.batches()) {
              read.push(...dump(columns))
              order.push(
                ...new Set(Array.from({ length: columns.count }, (_, row) => traceIdHex(columns, row))),
              )
            }
            expect(read.sort()).toEqual([...many.batches()].flatMap(dump))
            expect(new Set(order).size).toBe(order.length)
            if (list.length >= inMemory && list.every(({ late }) => !late))
              expect(order).toEqual(order.toSorted())
          }
        } finally {
          few.close()
          many.close()
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('of temporary files nothing is to be seen, so none is left if the process is killed', () => {
  const directory = newDirectory()
  const before = process.env.TMPDIR
  process.env.TMPDIR = directory
  try {
    const spool = createSpanSpool(1, 1)
    for (let i = 1; i < 4; i++) {
      const { span: each, resource } = span(i, i, 0)
      spool.sink.add(each, resource, { name: '', version: '' })
      spool.relieve()
    }
    expect(readdirSync(directory)).toEqual([])
    const traces = [...spool.batches()].flatMap((columns) => traceIdHex(columns, 0))
    expect(traces).toHaveLength(3)
    spool.close()
    expect(readdirSync(directory)).toEqual([])
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  }
})
