import fc from 'fast-check'
import { expect, it } from 'vitest'
import { linkTo, parseRoute, rangeOf } from '../../src/web/route.ts'

it('an address leads back to what it was made of', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1 })
  fc.assert(
    fc.property(fc.dictionary(text, text), (query) => {
      expect({ ...parseRoute(linkTo('endpoint', query)).query }).toEqual({ ...query })
    }),
  )
})

it('nothing means all endpoints, and what is empty is left out', () => {
  expect(parseRoute('')).toEqual({ view: 'endpoints', query: {} })
  expect(linkTo('endpoints', { from: 'now-1h', target: '', to: undefined })).toBe('#/endpoints?from=now-1h')
})

it('keeps the range from view to view, and nothing else', () => {
  const route = parseRoute('#/endpoint?service=shop&operation=GET%20/&from=now-6h&target=p95%3C1s')
  expect(rangeOf(route)).toEqual({ from: 'now-6h', target: 'p95<1s' })
})
