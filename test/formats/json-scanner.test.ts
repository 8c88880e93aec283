import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createJsonScanner, type JsonVisitor, type Plan } from '../../src/formats/json-scanner.ts'
import { describeProblem } from '../../src/formats/problem.ts'

/** `list` and `more` are walked through, elements of `items` and the value of `thing` are taken. */
const PLANS: Readonly<Record<string, Plan>> = {
  list: { enter: 'inner' },
  more: { enter: 'inner' },
  items: { take: 'item', each: true },
  thing: { take: 'thing', each: false },
}

function scan(text: string, chunkBytes: number) {
  const events: string[] = []
  const problems: string[] = []
  const visitor: JsonVisitor = {
    root: 'root',
    plan: (_, key) => (Object.hasOwn(PLANS, key) ? PLANS[key] : undefined),
    enter: (role) => events.push(`{ ${role}`),
    leave: (role) => events.push(`} ${role}`),
    take: (what, json) => events.push(`${what} ${JSON.stringify(JSON.parse(json.toString()))}`),
    unplanned: (json) => events.push(`unplanned ${JSON.stringify(JSON.parse(json.toString()))}`),
    broken: (error) => problems.push(describeProblem(error)),
  }
  const scanner = createJsonScanner(visitor)
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += chunkBytes) scanner.write(bytes.subarray(at, at + chunkBytes))
  scanner.end()
  return { events, problems }
}

/** The same over parsed JSON. */
function walk(json: unknown, role: string, events: string[]): void {
  if (Array.isArray(json)) {
    for (const each of json) walk(each, role, events)
    return
  }
  if (json === null || typeof json !== 'object') return
  events.push(`{ ${role}`)
  let planned = false
  for (const [key, value] of Object.entries(json)) {
    const plan = Object.hasOwn(PLANS, key) ? PLANS[key] : undefined
    if (plan === undefined) continue
    planned = true
    if ('enter' in plan) walk(value, plan.enter, events)
    else if (!plan.each) events.push(`${plan.take} ${JSON.stringify(value)}`)
    else takeEach(value, events)
  }
  if (!planned && role === 'root') events.push(`unplanned ${JSON.stringify(json)}`)
  events.push(`} ${role}`)
}

function takeEach(value: unknown, events: string[]): void {
  for (const each of Array.isArray(value) ? value : []) {
    if (Array.isArray(each)) takeEach(each, events)
    else events.push(`item ${JSON.stringify(each)}`)
  }
}

const key = fc.oneof(
  fc.constantFrom('list', 'more', 'items', 'thing'),
  fc.string({ unit: 'binary', maxLength: 6 }),
)
const { value: anyValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.jsonValue({ maxDepth: 1 }),
    tie('object'),
    tie('array'),
  ),
  object: fc.dictionary(key, tie('value'), { maxKeys: 5 }),
  array: fc.array(tie('value'), { maxLength: 4 }),
}))
/** Only objects and null where containers are walked through: misfits have their own test. */
const walkable = anyValue.filter((json) => fits(json, true))

function fits(json: unknown, walked: boolean): boolean {
  if (Array.isArray(json)) return json.every((each) => fits(each, walked))
  if (json === null) return true
  if (typeof json !== 'object') return !walked
  if (!walked) return true
  return Object.entries(json).every(([name, value]) => {
    const plan = Object.hasOwn(PLANS, name) ? PLANS[name] : undefined
    if (plan === undefined || ('take' in plan && !plan.each)) return true
    return 'enter' in plan ? fits(value, true) : value === null || Array.isArray(value)
  })
}

test('gives what walking the parsed JSON gives, whatever the chunks and the white space', () => {
  fc.assert(
    fc.property(
      fc.array(
        walkable.filter((json) => json !== null),
        { minLength: 1, maxLength: 3 },
      ),
      fc.constantFrom('', '  ', ' \t\r'),
      fc.integer({ min: 1, max: 40 }),
      (documents, indent, chunkBytes) => {
        const text = documents.map((json) => JSON.stringify(json, null, indent)).join('\n')
        const expected: string[] = []
        for (const json of documents) walk(JSON.parse(JSON.stringify(json)), 'root', expected)
        expect(scan(text, chunkBytes)).toEqual({ events: expected, problems: [] })
      },
    ),
    { numRuns: 1000 },
  )
})

test('whatever the bytes, it ends with problems or without, and never throws', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.constantFrom(
          '{',
          '}',
          '[',
          ']',
          '"',
          ':',
          ',',
          '\\',
          '\n',
          ' ',
          '1',
          'null',
          '"list"',
          '"items"',
          'é',
        ),
        {
          maxLength: 60,
        },
      ),
      fc.integer({ min: 1, max: 9 }),
      (pieces, chunkBytes) => {
        const text = pieces.join('')
        let result: ReturnType<typeof scan>
        try {
          result = scan(text, chunkBytes)
        } catch (error) {
          // Here `take` parses without the reader's care for faults.
          expect(error).toBeInstanceOf(SyntaxError)
          return
        }
        expect(scan(text, 1000)).toEqual(result)
        const lines = text.split('\n').filter((line) => line.trim() !== '')
        if (result.problems.length === 0) {
          // Skipped values are not checked, so only the brackets must balance.
          expect(brackets(lines.join('\n'))).toBe(0)
        }
      },
    ),
    { numRuns: 3000 },
  )
})

function brackets(text: string): number {
  const outside = text.replaceAll(/"(?:[^"\\]|\\.)*"/gs, '')
  return (outside.match(/[[{]/g)?.length ?? 0) - (outside.match(/[\]}]/g)?.length ?? 0)
}

test('a container 200,000 deep is passed over, and walked through', () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  expect(scan(`{"x": ${deep}, "thing": 1}`, 4096).events).toEqual(['{ root', 'thing 1', '} root'])
  expect(scan(`{"list": ${deep}, "thing": 1}`, 4096).events).toEqual(['{ root', 'thing 1', '} root'])
})

test.each([
  ['{"list": 1}', 'line 1, byte 9: expected an array or object, found 1'],
  ['{"items": {"a": 1}}', 'line 1, byte 10: expected an array or object, found {"a": 1}'],
  ['{"thing": }', 'line 1, byte 10: expected a value, found "}"'],
  ['{"thing": 1,}', 'line 1, byte 12: expected a key, found "}"'],
  ['{"list": [{},]}', 'line 1, byte 13: expected a value, found "]"'],
  ['{\n "thing": 1\n "x": 2}', 'line 3, byte 15: expected "," or the closing bracket, found "\\""'],
  ['{"thing": "a\nb"}', 'line 1, byte 12: expected the closing quote, found a control character'],
  ['{"a": 1} x', 'line 1, byte 9: expected a JSON object or array, found "x"'],
  ['{"thing": [1, 2', 'line 1, byte 15: the file ends in the middle of a value'],
])('%j', (text, problem) => {
  expect(scan(text, 3).problems).toEqual([problem])
})
