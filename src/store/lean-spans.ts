import { columnsIn, reserve, type SpanColumns } from '../trace/columns.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import {
  type NativeReader,
  readLowCardinality,
  readText,
  readUInt32s,
  readVarint,
  readWords,
} from './native.ts'

/** The lean columns in the order in which they are read; the decoder goes by it. */
export const LEAN_COLUMNS =
  'TraceHigh, TraceLow, SpanId, ParentId, StartNs, EndNs, Status, Shape, Weight, Detail, BodyBytes, ReturnedRows, ValueHash'

/** A row has at least so many: six columns of eight, four of four, and three of at least one. */
const ROW_BYTES = 67

/**
 * Decodes a Native answer of LEAN_COLUMNS into columns, without an object a span: numbers are copied as they are,
 * shapes are looked up once a block and distinct value. `before`: spans that nobody needs any more; their memory is used
 * again.
 *
 * @throws RangeError when the bytes are not such an answer
 */
export function decodeLeanSpans(bytes: Buffer, dictionary: Dictionary, before?: SpanColumns): SpanColumns {
  const columns = columnsIn(before, dictionary, Math.max(1024, Math.floor(bytes.length / ROW_BYTES)))
  const reader: NativeReader = { bytes, at: 0 }
  while (reader.at < bytes.length) {
    const width = readVarint(reader)
    const rows = readVarint(reader)
    const row = columns.count
    reserve(columns, row + rows)
    for (let c = 0; c < width; c++) {
      const name = readText(reader)
      readText(reader) // type
      switch (name) {
        case 'TraceHigh':
          readWords(reader, rows, columns.traceHigh, row)
          break
        case 'TraceLow':
          readWords(reader, rows, columns.traceLow, row)
          break
        case 'SpanId':
          readWords(reader, rows, columns.spanId, row)
          break
        case 'ParentId':
          readWords(reader, rows, columns.parentId, row)
          break
        case 'StartNs':
          readWords(reader, rows, columns.start, row)
          break
        case 'EndNs':
          readWords(reader, rows, columns.end, row)
          break
        case 'Status':
          columns.status.set(bytes.subarray(reader.at, reader.at + rows), row)
          reader.at += rows
          break
        case 'Weight':
          readUInt32s(reader, rows, columns.weight, row)
          break
        case 'Shape':
          readLowCardinality(reader, rows, columns.shape, row, dictionary.shape)
          break
        case 'Detail':
          readLowCardinality(reader, rows, columns.detail, row, dictionary.details.id)
          break
        case 'BodyBytes':
          readUInt32s(reader, rows, columns.bodyBytes, row)
          break
        case 'ReturnedRows':
          readUInt32s(reader, rows, columns.returnedRows, row)
          break
        case 'ValueHash':
          readUInt32s(reader, rows, columns.valueHash, row)
          break
        default:
          throw new RangeError(`unexpected column ${JSON.stringify(name)} in the answer`)
      }
    }
    columns.count = row + rows
  }
  return columns
}
