-- Every distinct span of one trace, as stored. The bounds are DateTime64 on purpose: compared with a DateTime of the
-- very next second, the engine's index analysis (26.7) leaves rows out.
WITH
    (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId = {traceId:String}) AS first,
    (SELECT max(End) FROM otel_traces_trace_id_ts WHERE TraceId = {traceId:String}) AS last
SELECT
    SpanId AS spanId, ParentSpanId AS parentSpanId, SpanName AS name, SpanKind AS kind, ServiceName AS service,
    TraceState AS traceState,
    toString(toUnixTimestamp64Nano(Timestamp)) AS timestampNs, toString(Duration) AS durationNs,
    toString(EndBeforeStartNs) AS endBeforeStartNs, Flags AS flags,
    StatusCode AS status, StatusMessage AS statusMessage,
    ResourceAttributes AS resource, SpanAttributes AS attributes,
    arrayMap((t, n, a) -> (toString(toUnixTimestamp64Nano(t)), n, a), Events.Timestamp, Events.Name, Events.Attributes)
        AS events,
    arrayMap((t, s, st, a) -> (t, s, st, a), Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes) AS links
FROM otel_traces
WHERE TraceId = {traceId:String} AND Timestamp >= toDateTime64(first, 9)
  AND Timestamp < toDateTime64(assumeNotNull(last), 9) + toIntervalSecond(1)
ORDER BY Timestamp, SpanId, SpanKind
LIMIT 1 BY SpanId, SpanKind, ParentSpanId, SpanName, ServiceName, Timestamp, Duration, StatusCode,
    SpanAttributes, ResourceAttributes
