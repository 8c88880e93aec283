import { pushAnyValue } from './any-value.ts'
import { type ByteBuffer, pushVarint, pushWord, type WordList } from './column-buffers.ts'
import { GROUP_OF_ROLE, PARAMETER_ROLE, ROLE_BITS, ROLES, TRANSPORT_BIT } from './lean-roles.ts'
import type { CutCounts, SpanLimits } from './limits.ts'
import { dropQueryValues, isErrorText } from './query-values.ts'
import { cutLength } from './text.ts'
import { isValue, numberOf, type TextDictionary } from './text-dictionary.ts'
import { readLength, readTag, skipField, type Wire } from './wire.ts'

/** One map in the making: where its keys and values go, and what is allowed. */
export type AttributeTarget = {
  dictionary: TextDictionary
  codes: WordList
  values: ByteBuffer
  /** Attributes so far. */
  count: number
  /** Code of the key that was last seen at each place: spans of a kind have the same keys in the same order. */
  guesses: Uint32Array
  roles: FoundRoles
  /** Where messages and traces of exceptions begin and end, if a database's are not to be kept. */
  errorTexts: number[]
}

/** The attributes of a span or a resource that decide a lean column (lean-roles.ts): where their values begin. */
export type FoundRoles = {
  /** By role; ABSENT: not there. The first of several with one key counts, as it does in the map. */
  at: Int32Array
  /** Those that are there, in order of appearance. */
  list: Uint8Array
  count: number
  /** Bits of the groups they belong to. */
  groups: number
  /** Whether one that marks a driver's transport is there, and not empty. */
  transport: boolean
  /** Of the values bound to a query: code of the key, where the value begins, and so on. */
  parameters: number[]
}

export const ABSENT = -1

export function createRoles(): FoundRoles {
  return {
    at: new Int32Array(ROLES).fill(ABSENT),
    list: new Uint8Array(ROLES),
    count: 0,
    groups: 0,
    transport: false,
    parameters: [],
  }
}

export function clearRoles(roles: FoundRoles): void {
  for (let i = 0; i < roles.count; i++) roles.at[roles.list[i]!] = ABSENT
  roles.count = 0
  roles.groups = 0
  roles.transport = false
  if (roles.parameters.length > 0) roles.parameters.length = 0
}

export function noteRole(
  roles: FoundRoles,
  tag: number,
  code: number,
  start: number,
  values: ByteBuffer,
): void {
  const role = tag & ROLE_BITS
  if (role === PARAMETER_ROLE) roles.parameters.push(code, start)
  else if (role !== 0 && roles.at[role] === ABSENT) {
    roles.at[role] = start
    roles.list[roles.count++] = role
    roles.groups |= GROUP_OF_ROLE[role]!
  }
  // An empty text is a length of 0.
  if ((tag & TRANSPORT_BIT) !== 0 && values.bytes[start] !== 0) roles.transport = true
}

export type CutLog = { limits: SpanLimits; cuts: CutCounts; anyCut: boolean }

const KEY = 0x0a
const VALUE = 0x12

/** Reads one KeyValue up to `end` and appends it. A value that comes more than once: the last counts. */
export function pushAttribute(target: AttributeTarget, wire: Wire, end: number, log: CutLog): void {
  const { bytes, at } = wire
  const { limits } = log
  if (target.count >= limits.attributes) {
    log.cuts.attributes++
    log.anyCut = true
    wire.at = end
    return
  }
  // Nearly always: a key, then a value, and both are short.
  const keyLength = bytes[at + 1]!
  const valueAt = at + 2 + keyLength
  if (
    bytes[at] === KEY &&
    keyLength <= SHORT &&
    keyLength <= limits.keyBytes &&
    valueAt + 1 < end &&
    bytes[valueAt] === VALUE &&
    bytes[valueAt + 1]! <= SHORT &&
    valueAt + 2 + bytes[valueAt + 1]! === end
  ) {
    appendAttribute(target, wire, at + 2, keyLength, valueAt + 2, end, end, log)
  } else readAttribute(target, wire, end, log)
}

/** Lengths that take one byte. */
const SHORT = 0x7f

function readAttribute(target: AttributeTarget, wire: Wire, end: number, log: CutLog): void {
  let keyAt = 0
  let keyLength = 0
  let valueAt = end
  let valueEnd = end
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag === KEY) {
      keyLength = readLength(wire, end)
      keyAt = wire.at
      wire.at += keyLength
    } else if (tag === VALUE) {
      const length = readLength(wire, end)
      valueAt = wire.at
      valueEnd = valueAt + length
      wire.at = valueEnd
    } else skipField(wire, tag, end)
  }
  if (keyLength > log.limits.keyBytes) {
    keyLength = cutLength(wire.bytes, keyAt, keyLength, log.limits.keyBytes)
    log.cuts.keys++
    log.anyCut = true
  }
  appendAttribute(target, wire, keyAt, keyLength, valueAt, valueEnd, end, log)
}

function appendAttribute(
  target: AttributeTarget,
  wire: Wire,
  keyAt: number,
  keyLength: number,
  valueAt: number,
  valueEnd: number,
  end: number,
  log: CutLog,
): void {
  const { limits } = log
  const { dictionary, values } = target
  const place = target.count++
  let code = target.guesses[place]!
  if (!isValue(dictionary, code, wire.view, keyAt, keyLength)) {
    code = numberOf(dictionary, wire.bytes, wire.view, keyAt, keyLength)
    target.guesses[place] = code
  }
  pushWord(target.codes, code)
  const start = values.length
  wire.at = valueAt
  pushAnyValue(values, wire, valueEnd)
  wire.at = end
  const key = limits.keepQueryValues ? undefined : wire.bytes.subarray(keyAt, keyAt + keyLength)
  if (key !== undefined) dropQueryValues(values, start, key)
  if (values.length - start > limits.valueBytes) cutLast(values, start, log)
  if (key !== undefined && isErrorText(key)) target.errorTexts.push(start, values.length)
  const tag = dictionary.tag[code]!
  if (tag !== 0) noteRole(target.roles, tag, code, start, values)
}

/** Cuts the text that starts at `start` and ends the column to the limit on values. */
function cutLast(values: ByteBuffer, start: number, log: CutLog): void {
  const { bytes } = values
  let at = start
  while (bytes[at]! >= 0x80) at++
  at++
  const length = values.length - at
  const keep = cutLength(bytes, at, length, log.limits.valueBytes)
  if (keep === length) return
  values.length = start
  pushVarint(values, keep)
  // The shorter length may take fewer bytes.
  bytes.copyWithin(values.length, at, at + keep)
  values.length += keep
  log.cuts.values++
  log.anyCut = true
}
