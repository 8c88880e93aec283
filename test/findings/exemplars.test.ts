import fc from 'fast-check'
import { expect, it } from 'vitest'
import { addFound, createFindingCollector } from '../../src/findings/findings.ts'
import { limitsOf } from '../../src/findings/settings.ts'

it('exemplars are the three traces that would be shortened most, by id where as much', () => {
  const rows = fc.array(fc.record({ trace: fc.nat(9), savedNs: fc.nat(4) }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(rows, (found) => {
      const collector = createFindingCollector()
      const endpoint = { environment: '', namespace: '', service: 's', operation: 'o' }
      for (const { trace, savedNs } of found) {
        const one = { pattern: 'slow-query', subject: 'database\x1fd\x1fs\x1fo\x1fq', savedNs, spentNs: 9 }
        const group = collector.groupOf(endpoint, 'trace')
        addFound(group, 100, 1, `trace ${trace}`, [{ ...one, amount: 1, unproven: false }])
      }
      const [finding] = collector.findings(limitsOf({}))
      const order = found.toSorted((a, b) => b.savedNs - a.savedNs || a.trace - b.trace)
      const traces = [...new Set(order.map(({ trace }) => `trace ${trace}`))]
      expect(finding!.exemplars).toEqual(traces.slice(0, 3))
    }),
  )
})
