import { expect, it } from 'vitest'
import type { Trace } from '../../src/web/api.ts'
import { rowsOf } from '../../src/web/waterfall.ts'

/** `a<r@5+10`: span a below r, from 5 to 15. Starts lie beyond what a double tells apart. */
function spans(drawn: string): Trace['spans'] {
  return drawn.split(' ').map((text) => {
    const [, spanId, , parentSpanId = '', start, length] = /^(\w+)(<(\w+))?@(\d+)\+(\d+)$/.exec(text) ?? []
    return {
      spanId: spanId!,
      parentSpanId,
      startUnixNano: String(1_764_000_000_000_000_000n + BigInt(start!)),
      durationNs: Number(length),
    } as Trace['spans'][number]
  })
}

const drawnRows = (drawn: string) =>
  rowsOf(spans(drawn)).map(({ span, depth, startNs }) => `${'.'.repeat(depth)}${span.spanId}@${startNs}`)

it('puts parents before children, and children by their start, to the nanosecond', () => {
  expect(drawnRows('late<r@9+1 r@3+20 deep<early@6+1 early<r@5+3')).toEqual([
    'r@0',
    '.early@2',
    '..deep@3',
    '.late@6',
  ])
})

it('shows spans of a parent that did not arrive, and those that are their own ancestors', () => {
  expect(drawnRows('orphan<gone@4+1 self<self@1+1 a<b@2+1 b<a@3+1')).toEqual([
    'self@0',
    'orphan@3',
    'a@1',
    '.b@2',
  ])
})

it('shows a chain of 100,000 spans', () => {
  const chain = Array.from({ length: 100_000 }, (_, i) => (i === 0 ? 's0@0+1' : `s${i}<s${i - 1}@${i}+1`))
  expect(rowsOf(spans(chain.join(' '))).at(-1)).toMatchObject({ depth: 99_999, startNs: 99_999 })
})
