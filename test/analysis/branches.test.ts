import { describe, expect, it } from 'vitest'
import { withoutCrossings } from '../../src/analysis/branches.ts'

/** Events by name, the last is the parent's end: `b: a! c` waited for a, certainly, and perhaps for c. */
function kept(lines: string, byChance = 0): string[] {
  const events = lines
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/[: ]+/))
  const names = events.map(([name]) => name!)
  const waits = events.map(([, ...list]) => list.filter((wait) => wait !== ''))
  const numbers = (list: string[]) => list.map((wait) => names.indexOf(wait.replace('!', '')))
  return withoutCrossings(
    waits.map((list) => ({ waitsFor: numbers(list), possible: numbers(list) })),
    waits.map((list) => numbers(list.filter((wait) => wait.endsWith('!')))),
    () => byChance,
  ).map((list, j) => `${names[j]}:${list.map((k) => ` ${names[k]}`).join('')}`)
}

describe('branches side by side', () => {
  it('do not wait for calls of each other that go on to another one', () => {
    const crossing = `
      a:
      b: a! c
      c:
      d: c!
      end: a b! c d!`
    expect(kept(crossing)[1]).toBe('b: a')
    expect(kept(crossing)[4]).toBe('end: a b c d')
  })

  it('... but where that would have been seen by now', () => {
    expect(
      kept(
        `
        a:
        b: a! c
        c:
        d: c!
        end: b! d!`,
        20,
      )[1],
    ).toBe('b: a c')
  })

  it('wait for all before a join', () => {
    expect(
      kept(`
        a:
        c:
        b: a! c
        d: a c!
        end: b! d!`),
    ).toEqual(['a:', 'c:', 'b: a c', 'd: a c', 'end: b d'])
  })

  it('wait for a branch that ends there', () => {
    expect(
      kept(`
        a:
        b: a! c
        c:
        end: a b! c`)[1],
    ).toBe('b: a c')
  })

  it('never lose what is certain, nor what follows from it', () => {
    expect(
      kept(`
        a:
        b: a! c!
        c:
        d: c!
        e: a b! c
        end: e! d!`),
    ).toEqual(['a:', 'b: a c', 'c:', 'd: c', 'e: a b c', 'end: e d'])
  })
})
