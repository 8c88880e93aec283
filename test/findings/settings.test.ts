import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { PATTERNS } from '../../src/findings/patterns.ts'
import { limitsOf, parseOverrides } from '../../src/findings/settings.ts'

const README = readFileSync(join(import.meta.dirname, '../../src/findings/README.md'), 'utf8')

/** A pattern as the README's table has it. */
function rowOf({ id, title, thresholds }: (typeof PATTERNS)[number]): string {
  const limits = Object.entries(thresholds).map(([name, { value, unit }]) => `\`${name}\` ${value} ${unit}`)
  return `| \`${id}\` | ${title} | ${limits.join('<br>')} |`
}

it('the README lists every pattern with its thresholds', () => {
  const rows = README.split('\n').filter((line) => line.startsWith('| `'))
  expect(rows).toEqual(PATTERNS.map(rowOf))
})

it('every threshold says its unit and where it comes from, and can be set', () => {
  for (const { id, thresholds } of PATTERNS) {
    for (const [name, { unit, source }] of Object.entries(thresholds)) {
      expect([id, name, unit === '', source === '']).toEqual([id, name, false, false])
      const overrides = parseOverrides(`${id}.${name}=7.5`)
      expect(limitsOf(overrides).get(id)).toMatchObject({ [name]: 7.5 })
    }
  }
})

it('what is no threshold is refused, and what there is is said', () => {
  expect(() => parseOverrides('n-plus-one.call=3')).toThrow('it has calls, togetherMs, group')
  expect(() => parseOverrides('n-plus-two.calls=3')).toThrow('there are n-plus-one, slow-query')
  expect(() => parseOverrides('n-plus-one.calls=many')).toThrow('expected n-plus-one.calls=10')
})
