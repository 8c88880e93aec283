/** Where rows go: the store. */
export type SpanSink = {
  insert(batch: SpanBatch): Promise<void>
  /** Rejects while nothing can be stored. */
  probe?(): Promise<void>
  /** Why nothing should be stored, though it perhaps could be. */
  damage?(): string | undefined
}

export type SpanBatch = {
  rows: number
  /** One Native block, in parts, of these columns of `received_spans`. Once the insert has succeeded the memory is used again. */
  native: readonly Uint8Array[]
  columns: readonly string[]
  /** Makes a repetition of the same bytes harmless. */
  token: string
  /** Aborted when nobody waits for it any more. */
  signal: AbortSignal
}

/**
 * ClickHouse error codes that blame the data: trying again cannot help, leaving the bad rows out can.
 * https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
 */
const DATA_ERRORS = new Set([
  6, // CANNOT_PARSE_TEXT
  27, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  33, // CANNOT_READ_ALL_DATA
  41, // CANNOT_PARSE_DATETIME
  69, // ARGUMENT_OUT_OF_BOUND
  117, // INCORRECT_DATA
  128, // TOO_LARGE_ARRAY_SIZE
  131, // TOO_LARGE_STRING_SIZE
  190, // SIZES_OF_ARRAYS_DONT_MATCH
  321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
  349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
  407, // DECIMAL_OVERFLOW
  469, // VIOLATED_CONSTRAINT
])
const TOO_MANY_PARTS = 252

/** Whether the store refuses these rows for what they are, rather than being in trouble itself. */
export function isRefusal(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { code, message, cause } = error as { code?: unknown; message?: unknown; cause?: unknown }
  const number = Number(code)
  if (DATA_ERRORS.has(number)) return true
  // The same code is "too many partitions for one insert" (the data) and "merges are behind" (the store).
  if (number === TOO_MANY_PARTS && String(message).includes('partitions')) return true
  return cause !== undefined && isRefusal(cause)
}

/** Whether it is the store that says so, by an error code of its own, rather than the way to it. */
export function isAnswer(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { code, cause } = error as { code?: unknown; cause?: unknown }
  return /^\d+$/.test(String(code)) || (cause !== undefined && isAnswer(cause))
}
