import { epochNs, idHex, type SpanColumns, traceIdHex } from '../../src/trace/columns.ts'
import type { CollectorSpan } from './store.ts'

const NO_PARENT = '0'.repeat(16)

/** What brings simulated times (from the start of 2026) to today: the store drops what is too old. */
const SHIFT_NS = BigInt(Date.now() - 20_000_000) * 1_000_000n - 1_767_225_600_000_000_000n

/** Spans as a Collector's exporter would insert them, with the attributes that simulated ones have. */
export function collectorSpansOf(spans: SpanColumns): CollectorSpan[] {
  return Array.from({ length: spans.count }, (_, row) => {
    const { kind, service, name, dbSystem, dbNamespace, serverAddress } = spans.dictionary.fields(
      spans.shape[row]!,
    )
    const startNs = epochNs(spans.start, row)
    const parent = idHex(spans.parentId, row)
    const attributes = {
      'db.system.name': dbSystem,
      'db.namespace': dbNamespace,
      'server.address': serverAddress,
    }
    return {
      TraceId: traceIdHex(spans, row),
      SpanId: idHex(spans.spanId, row),
      ParentSpanId: parent === NO_PARENT ? '' : parent,
      SpanName: name,
      SpanKind: kind,
      ServiceName: service,
      SpanAttributes: Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== '')),
      startNs: startNs + SHIFT_NS,
      durationNs: Number(epochNs(spans.end, row) - startNs),
    }
  })
}
