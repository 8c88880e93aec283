// Columns of rows: where they end that are not so much a row, and what goes into them of a span beside attributes.
import {
  ATTRIBUTE_CODES,
  ATTRIBUTE_VALUES,
  DURATION,
  END_BEFORE_START,
  FLAGS,
  MESSAGES,
  PARENT_ID,
  PARENT_NUMBER,
  SPAN_ID,
  SPAN_NUMBER,
  TIMESTAMP,
  TRACE_HIGH,
  TRACE_ID,
  TRACE_LOW,
  TRACE_STATES,
} from './layout'
import { writeHex16 } from './text'

export let rows: u32 = 0
export let parentsEnd: usize = 0
export let messagesEnd: usize = 0
export let traceStatesEnd: usize = 0
export let codesEnd: usize = 0
export let valuesEnd: usize = 0

export function clearRows(): void {
  rows = 0
  parentsEnd = PARENT_ID
  messagesEnd = MESSAGES
  traceStatesEnd = TRACE_STATES
  codesEnd = ATTRIBUTE_CODES
  valuesEnd = ATTRIBUTE_VALUES
}

/** What has been written behind the ends is a row from now on. */
export function endRow(messages: usize, traceStates: usize, codes: usize, values: usize): void {
  messagesEnd = messages
  traceStatesEnd = traceStates
  codesEnd = codes
  valuesEnd = values
  rows++
}

/** Ids as text and as numbers; each is at its place in the request, 0 stands for no parent. */
export function writeIds(traceId: usize, spanId: usize, parentId: usize): void {
  const wide = 8 * rows
  store<u64>(TRACE_HIGH + wide, bswap<u64>(load<u64>(traceId)))
  store<u64>(TRACE_LOW + wide, bswap<u64>(load<u64>(traceId + 8)))
  store<u64>(SPAN_NUMBER + wide, bswap<u64>(load<u64>(spanId)))
  const traceText: usize = TRACE_ID + 33 * rows
  store<u8>(traceText, 32)
  writeHex16(traceText + 1, traceId)
  const spanText: usize = SPAN_ID + 17 * rows
  store<u8>(spanText, 16)
  writeHex16(spanText + 1, spanId)
  if (parentId === 0) {
    store<u64>(PARENT_NUMBER + wide, 0)
    store<u8>(parentsEnd, 0)
    parentsEnd++
  } else {
    store<u64>(PARENT_NUMBER + wide, bswap<u64>(load<u64>(parentId)))
    store<u8>(parentsEnd, 16)
    writeHex16(parentsEnd + 1, parentId)
    parentsEnd += 17
  }
}

/** Bit 1 of `flags`: the start was 0, and the time is the end. */
export function writeTimes(time: u64, end: u64, flags: u32): void {
  const wide = 8 * rows
  store<u64>(TIMESTAMP + wide, time)
  store<u64>(DURATION + wide, end < time ? 0 : end - time)
  store<u64>(END_BEFORE_START + wide, end < time ? time - end : 0)
  store<u32>(FLAGS + 4 * rows, flags)
}
