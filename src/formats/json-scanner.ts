import { createByteCutter } from './byte-cutter.ts'
import { FormatError, type Position, parseJson } from './problem.ts'

/**
 * Finds the wanted values in JSON text of any size, given in chunks: containers on the way are walked through, wanted
 * values are cut out and handed over whole, everything else is passed over unread. Memory is bounded by the longest
 * wanted value. Several values may follow each other (JSON lines).
 */
export type JsonScanner = { write(chunk: Uint8Array): void; end(): void }

/**
 * `enter`: an object is walked through in this role, an array element by element. `take`: handed over whole; with
 * `each`, the elements of an array are.
 */
export type Plan = { readonly enter: string } | { readonly take: string; readonly each: boolean }

export type JsonVisitor = {
  /** Role of the outermost values. Objects of this role that hold no planned key are handed to `unplanned`. */
  readonly root: string
  /** What to do with the value of a key; undefined: pass it over. */
  plan(role: string, key: string): Plan | undefined
  enter(role: string): void
  leave(role: string): void
  take(what: string, json: Buffer, at: Position): void
  unplanned(json: Buffer, at: Position): void
  /** The text is broken. What was entered and not left is abandoned; scanning goes on with the next line, if it begins a value. */
  broken(error: FormatError): void
}

/** What is cut out may be this long: a span of tens of megabytes is a bracket that is missing. */
const LONGEST_CUT_BYTES = 64 * 1024 * 1024

const [TAB, NEWLINE, RETURN, SPACE] = [0x09, 0x0a, 0x0d, 0x20]
const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/** What may come next, outside a value that is passed over or cut out. */
const DOCUMENT = 0
const VALUE = 1
const VALUE_OR_END = 2
const KEY = 3
const KEY_OR_END = 4
const AFTER_KEY = 5
const AFTER_VALUE = 6
/** After a fault: the rest of the line, then the first byte of the next. */
const REST_OF_LINE = 7
const LINE_START = 8
const GIVEN_UP = 9
const EXPECTED = [
  'a JSON object or array',
  'a value',
  'a value or "]"',
  'a key',
  'a key or "}"',
  '":"',
  '"," or the closing bracket',
]

/** A value that is passed over or cut out. */
const NONE = 0
const SCALAR = 1
const QUOTED = 2 // a string, or a container with all that is in it

/** `wanted` besides what plans take. */
const KEY_TEXT = '(key)'
const MISFIT = '(misfit)'

type Frame = { readonly role: string; readonly array: boolean; readonly plan: Plan | undefined }

export function createJsonScanner(visitor: JsonVisitor): JsonScanner {
  const rootPlan: Plan = { enter: visitor.root }
  const frames: Frame[] = []
  let frame: Frame | undefined
  let expect = DOCUMENT
  let key = ''

  let skim = NONE
  let depth = 0
  let inString = false
  let escaped = false
  /** What the value at hand is taken as; undefined: passed over. */
  let wanted: string | undefined
  const value = createByteCutter()
  /** The innermost object of the root role, as long as no planned key was seen in it. */
  const record = createByteCutter()
  let recordedFrames = 0

  /** Offset of the chunk at hand, and how far it was read when something threw. */
  let base = 0
  let cursor = 0
  let line = 1
  let documentLine = 1
  /** Documents are one a line so far, and whether the chunk before ended with a line break within one. */
  let oneALine = false
  let breakAtEnd = false

  return {
    write(chunk) {
      if (breakAtEnd && chunk[0] === OPEN_OBJECT) {
        giveUpLine(cutShort({ byte: base - 1, line: line - 1 }))
        expect = LINE_START
      }
      breakAtEnd = false
      for (let i = 0; i < chunk.length; ) {
        try {
          i = scan(chunk, i)
        } catch (error) {
          giveUpLine(error)
          i = cursor
        }
      }
      value.keep(chunk)
      record.keep(chunk)
      base += chunk.length
      const held = Math.max(value.heldBytes(), record.heldBytes())
      if (held > LONGEST_CUT_BYTES) {
        const at = value.heldBytes() === held ? value.at() : record.at()
        giveUpLine(new FormatError(`expected a trace, a span or the like, found ${held} bytes of JSON`, at))
      }
    },
    end() {
      try {
        if (skim === SCALAR) finishSkim(new Uint8Array(0), 0)
        if (frames.length > 0 || skim !== NONE) {
          throw new FormatError('the file ends in the middle of a value', { byte: base, line })
        }
      } catch (error) {
        giveUpLine(error)
      }
    },
  }

  function giveUpLine(error: unknown): void {
    if (!(error instanceof FormatError)) throw error
    frames.length = 0
    frame = undefined
    skim = NONE
    value.drop()
    record.drop()
    recordedFrames = 0
    // Only where values are one a line does the next line begin anew.
    expect = documentLine === line ? REST_OF_LINE : GIVEN_UP
    visitor.broken(error)
  }

  function positionAt(i: number): Position {
    return { byte: base + i, line }
  }

  function fail(chunk: Uint8Array, i: number): never {
    cursor = i
    const found = JSON.stringify(String.fromCharCode(chunk[i]!))
    throw new FormatError(`expected ${EXPECTED[expect]}, found ${found}`, positionAt(i))
  }

  /** In files of one document a line, a document that goes on after a line break was cut short: the next one begins there. */
  function endLine(chunk: Uint8Array, i: number): void {
    if (oneALine && (frames.length > 0 || skim !== NONE)) {
      cursor = i
      if (i + 1 === chunk.length) breakAtEnd = true
      else if (chunk[i + 1] === OPEN_OBJECT) throw cutShort(positionAt(i))
    }
    line++
  }

  function cutShort(at: Position): FormatError {
    return new FormatError('the line ends in the middle of a value', at)
  }

  function scan(chunk: Uint8Array, i: number): number {
    const length = chunk.length
    while (i < length) {
      if (skim !== NONE) {
        i = skim === SCALAR ? skimScalar(chunk, i) : skimQuoted(chunk, i)
        continue
      }
      if (expect === GIVEN_UP) return length
      const c = chunk[i]!
      if (c === NEWLINE) {
        endLine(chunk, i)
        if (expect === REST_OF_LINE) expect = LINE_START
      } else if (expect === LINE_START) {
        if (c === OPEN_OBJECT || c === OPEN_ARRAY) {
          expect = DOCUMENT
          continue
        }
        if (c !== RETURN) expect = GIVEN_UP
      } else if (c !== SPACE && c !== TAB && c !== RETURN && expect !== REST_OF_LINE) {
        meet(chunk, i, c)
      }
      i++
    }
    return i
  }

  /** A byte that is no white space. */
  function meet(chunk: Uint8Array, i: number, c: number): void {
    switch (expect) {
      case DOCUMENT:
        documentLine = line
        if (c !== OPEN_OBJECT && c !== OPEN_ARRAY) fail(chunk, i)
        beginValue(chunk, i, c, rootPlan)
        break
      case VALUE:
        beginValue(chunk, i, c, frame!.array ? frame!.plan : planOf(key))
        break
      case VALUE_OR_END:
        if (c === CLOSE_ARRAY) closeFrame(chunk, i)
        else beginValue(chunk, i, c, frame!.plan)
        break
      case KEY:
      case KEY_OR_END:
        if (c === CLOSE_OBJECT && expect === KEY_OR_END) closeFrame(chunk, i)
        else if (c === QUOTE) beginSkim(QUOTED, i, c, KEY_TEXT)
        else fail(chunk, i)
        break
      case AFTER_KEY:
        if (c !== COLON) fail(chunk, i)
        expect = VALUE
        break
      case AFTER_VALUE:
        if (c === COMMA) expect = frame!.array ? VALUE : KEY
        else if (c === (frame!.array ? CLOSE_ARRAY : CLOSE_OBJECT)) closeFrame(chunk, i)
        else fail(chunk, i)
        break
    }
  }

  function planOf(name: string): Plan | undefined {
    const plan = visitor.plan(frame!.role, name)
    if (plan !== undefined && recordedFrames === frames.length) {
      recordedFrames = 0
      record.drop()
    }
    return plan
  }

  function beginValue(chunk: Uint8Array, i: number, c: number, plan: Plan | undefined): void {
    const opens = c === OPEN_OBJECT || c === OPEN_ARRAY
    if (!opens && (c === CLOSE_ARRAY || c === CLOSE_OBJECT || c === COMMA || c === COLON)) fail(chunk, i)
    if (plan !== undefined && opens && ('enter' in plan || (plan.each && c === OPEN_ARRAY))) {
      openFrame(i, c === OPEN_ARRAY, plan)
      return
    }
    // Not what was planned for (a null, a number where a list belongs): judged when it is whole.
    const fits = plan !== undefined && 'take' in plan && (!plan.each || frame?.array === true)
    beginSkim(
      opens || c === QUOTE ? QUOTED : SCALAR,
      i,
      c,
      plan === undefined ? undefined : fits ? plan.take : MISFIT,
    )
  }

  function beginSkim(kind: number, i: number, c: number, what: string | undefined): void {
    skim = kind
    wanted = what
    if (what !== undefined) value.start(i, positionAt(i))
    inString = c === QUOTE
    depth = c === OPEN_OBJECT || c === OPEN_ARRAY ? 1 : 0
    escaped = false
  }

  function openFrame(i: number, array: boolean, plan: Plan): void {
    const role = 'enter' in plan ? plan.enter : ''
    frame = { role, array, plan: array ? plan : undefined }
    frames.push(frame)
    expect = array ? VALUE_OR_END : KEY_OR_END
    if (array) return
    if (role === visitor.root) {
      record.start(i, positionAt(i))
      recordedFrames = frames.length
    }
    visitor.enter(role)
  }

  function closeFrame(chunk: Uint8Array, i: number): void {
    cursor = i + 1
    const { role, array } = frame!
    const unplanned = !array && recordedFrames === frames.length
    frames.pop()
    frame = frames.at(-1)
    endValue()
    if (unplanned) {
      recordedFrames = 0
      const at = record.at()
      visitor.unplanned(record.stop(chunk, i + 1), at)
    }
    if (!array) visitor.leave(role)
  }

  function endValue(): void {
    expect = frame === undefined ? DOCUMENT : AFTER_VALUE
    if (frame === undefined) oneALine = documentLine === line
  }

  function skimScalar(chunk: Uint8Array, i: number): number {
    for (; i < chunk.length; i++) {
      const c = chunk[i]!
      if (c <= SPACE || c === COMMA || c === CLOSE_ARRAY || c === CLOSE_OBJECT) return finishSkim(chunk, i)
    }
    return i
  }

  function skimQuoted(chunk: Uint8Array, i: number): number {
    const length = chunk.length
    let quoted = inString
    let open = depth
    if (escaped) {
      escaped = false
      i++
    }
    for (; i < length; i++) {
      let c = chunk[i]!
      if (quoted) {
        // Most bytes are within strings: this loop is what scanning costs.
        while (c !== QUOTE && c !== BACKSLASH && c >= SPACE && ++i < length) c = chunk[i]!
        if (i === length) break
        if (c === QUOTE) {
          quoted = false
          if (open === 0) return finishSkim(chunk, i + 1)
        } else if (c === BACKSLASH) {
          if (++i === length) escaped = true
        } else {
          cursor = i
          throw new FormatError(`expected the closing quote, found a control character`, positionAt(i))
        }
      } else if (c === QUOTE) quoted = true
      else if (c === OPEN_OBJECT || c === OPEN_ARRAY) open++
      else if (c === CLOSE_OBJECT || c === CLOSE_ARRAY) {
        if (--open === 0) return finishSkim(chunk, i + 1)
      } else if (c === NEWLINE) endLine(chunk, i)
    }
    inString = quoted
    depth = open
    return length
  }

  function finishSkim(chunk: Uint8Array, end: number): number {
    cursor = end
    skim = NONE
    const what = wanted
    if (what === undefined) {
      endValue()
      return end
    }
    const at = value.at()
    const json = value.stop(chunk, end)
    if (what === KEY_TEXT) {
      const text = json.toString()
      key = text.includes('\\') ? (parseJson(text, at) as string) : text.slice(1, -1)
      expect = AFTER_KEY
      return end
    }
    endValue()
    if (what !== MISFIT) visitor.take(what, json, at)
    else if (json.toString() !== 'null') {
      throw new FormatError(`expected an array or object, found ${json.toString().slice(0, 20)}`, at)
    }
    return end
  }
}
