// The kernel's memory: where what is. Read by both sides, the kernel and the TypeScript that feeds it. All in bytes.

/** What the rows of a run take, as words: HEADER + 4 * one of the below. */
export const HEADER = 0x400
export const ROWS = 0
export const VALUES_BYTES = 1
export const CODES = 2
export const MESSAGES_BYTES = 3
export const PARENTS_BYTES = 4
export const PENDING = 5
/** Of the spans, without their tags and lengths. */
export const SPAN_BYTES = 6
/** Whether it stopped at a span that is not for the kernel. */
export const HAS_BAILED = 7
export const TRACE_STATES_BYTES = 8

/** No more rows than this at a time. */
export const MAX_ROWS = 1024
/** No more spans than this whose shape and detail are not known. */
export const MAX_PENDING = 24
export const MAX_INPUT = 0x1_0000

/** A text that is to be put into a table. */
export const STAGING = 0x800
export const MAX_STAGING = 0x1000

/** What a text that is known stands for; words: hash, size, place, four values, the entry that came after it last. */
export const ENTRY_BYTES = 32
/** Tables of entries, the first of each is none; then slots (twice as many, words: number of the entry). */
export const KEY_ENTRIES = 0x2000
export const MAX_KEYS = 2048
export const NAME_ENTRIES = 0x1_8000
export const MAX_NAMES = 4096
export const LEAN_ENTRIES = 0x4_0000
export const MAX_LEANS = 4096
/** Their texts. */
export const TEXTS = 0x7_0000
export const TEXTS_END = 0xf_0000
export const LEAN_TEXTS = 0xf_0000
export const LEAN_TEXTS_END = 0x1d_0000

/** Of spans whose shape and detail are not known: words row, code, value, count, whether it can be learned, size of its key, trace state; then the key. */
export const PENDING_ENTRIES = 0x1d_0000
export const PENDING_BYTES = 0xa00
export const PENDING_KEY = 32
/** What makes a shape and a detail may be this long. */
export const MAX_KEY_BYTES = 0x800

/** The columns of the rows. */
export const TRACE_ID = 0x1e_0000 // 33 a row
export const SPAN_ID = 0x1e_9000 // 17 a row
export const PARENT_ID = 0x1e_e000
export const TRACE_HIGH = 0x1f_3000 // 8 a row
export const TRACE_LOW = 0x1f_5000
export const SPAN_NUMBER = 0x1f_7000
export const PARENT_NUMBER = 0x1f_9000
export const TIMESTAMP = 0x1f_b000
export const DURATION = 0x1f_d000
export const END_BEFORE_START = 0x1f_f000
export const ATTRIBUTE_ENDS = 0x20_1000
export const SPAN_NAME = 0x20_3000 // 4 a row
export const SPAN_KIND = 0x20_4000
export const STATUS_CODE = 0x20_5000
export const FLAGS = 0x20_6000
export const SHAPE = 0x20_7000
export const DETAIL = 0x20_8000
export const BODY_BYTES = 0x20_9000
export const RETURNED_ROWS = 0x20_a000
export const VALUE_HASH = 0x20_b000
export const WEIGHT = 0x20_c000
export const MESSAGES = 0x20_d000
export const ATTRIBUTE_CODES = 0x22_0000
export const ATTRIBUTE_VALUES = 0x23_0000
/** The bytes of requests, with room to read beyond them. */
export const INPUT = 0x27_0000
export const TRACE_STATES = 0x28_1000
// The end is at 0x2a_0000: the 42 pages of asconfig.json.

/** What a key is to the kernel, beside its role and its bit for a driver's transport (lean-roles.ts). */
export const KEYED = 0x100
export const ACTION_BITS = 0xf000
/** The span is for others, */
export const ACTION_BAIL = 0x1000
/** ... or what is worked out of its attributes. */
export const ACTION_PENDING = 0x2000
export const ACTION_BODY = 0x3000
export const ACTION_ROWS = 0x4000
export const ACTION_URL_FULL = 0x5000
export const ACTION_HTTP_URL = 0x6000
export const ACTION_METHOD = 0x7000
export const ACTION_QUERY = 0x8000
export const ACTION_ADDRESS = 0x9000
