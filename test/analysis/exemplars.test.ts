import fc from 'fast-check'
import { expect, it } from 'vitest'
import { compareTraceIds, type Exemplar, pickExemplars } from '../../src/analysis/rollup.ts'

const exemplar = fc.record({
  worst: fc.boolean(),
  // Few of them: a trace comes with several samples.
  id: fc.tuple(...[1, 2, 1, 3].map((max) => fc.integer({ min: 0, max }))) as unknown as fc.Arbitrary<
    Exemplar['id']
  >,
  ns: fc.integer({ min: 0, max: 20 }),
  seconds: fc.constant(0),
})

/** All sorted, then each trace once. */
function pickSlowly(exemplars: readonly Exemplar[], typicalNs: number, count: number): Exemplar[] {
  const take = (worst: boolean, rank: (of: Exemplar) => number) =>
    exemplars
      .filter((of) => of.worst === worst)
      .sort((a, b) => rank(a) - rank(b) || compareTraceIds(a.id, b.id))
      .filter((of, i, all) => all.findIndex(({ id }) => compareTraceIds(id, of.id) === 0) === i)
      .slice(0, count)
  return [...take(true, ({ ns }) => -ns), ...take(false, ({ ns }) => Math.abs(ns - typicalNs))]
}

it('picks the worst and the most typical traces, each once, in whatever order they come', () => {
  const simple = (of: Exemplar[]) => of.map(({ worst, id, ns }) => [worst, id, ns])
  fc.assert(
    fc.property(
      fc.array(exemplar, { maxLength: 30 }),
      fc.integer({ min: 0, max: 20 }),
      fc.nat(4),
      (all, ns, count) => {
        expect(simple(pickExemplars(all, ns, count))).toEqual(simple(pickSlowly(all, ns, count)))
      },
    ),
    { numRuns: 500 },
  )
})
