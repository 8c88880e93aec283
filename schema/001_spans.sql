-- Spans as they arrive. Columns, indexes and the trace id table are those of the OpenTelemetry Collector's ClickHouse
-- exporter, so that its users can insert here and Grafana's trace view works; ours stand behind them, with defaults.
CREATE TABLE IF NOT EXISTS otel_traces
(
    `Timestamp` DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    `TraceId` String CODEC(ZSTD(1)),
    `SpanId` String CODEC(ZSTD(1)),
    `ParentSpanId` String CODEC(ZSTD(1)),
    `TraceState` String CODEC(ZSTD(1)),
    `SpanName` LowCardinality(String) CODEC(ZSTD(1)),
    `SpanKind` LowCardinality(String) CODEC(ZSTD(1)),
    `ServiceName` LowCardinality(String) CODEC(ZSTD(1)),
    `ResourceAttributes` Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    `ScopeName` String CODEC(ZSTD(1)),
    `ScopeVersion` String CODEC(ZSTD(1)),
    `SpanAttributes` Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    `Duration` UInt64 CODEC(ZSTD(1)),
    `StatusCode` LowCardinality(String) CODEC(ZSTD(1)),
    `StatusMessage` String CODEC(ZSTD(1)),
    `Events` Nested(
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    `Links` Nested(
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    -- When the span was stored: the analyzer's clock.
    `StoredAt` DateTime64(3) DEFAULT now64(3) CODEC(Delta(8), ZSTD(1)),
    -- 1: sent without a start, Timestamp is the end. 2: something was cut to a limit.
    `Flags` UInt32 DEFAULT 0 CODEC(ZSTD(1)),
    -- Start minus end of a span whose end lies before its start (its Duration is 0).
    `EndBeforeStartNs` UInt64 DEFAULT 0 CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
TTL toDate(Timestamp) + toIntervalDay(7)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS otel_traces_trace_id_ts
(
    `TraceId` String CODEC(ZSTD(1)),
    `Start` DateTime CODEC(Delta(4), ZSTD(1)),
    `End` DateTime CODEC(Delta(4), ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Start)
ORDER BY (TraceId, Start)
TTL toDate(Start) + toIntervalDay(7)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_trace_id_ts_mv TO otel_traces_trace_id_ts AS
SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End
FROM otel_traces
WHERE TraceId != ''
GROUP BY TraceId;

-- What the analyzer reads of a span: ids and times as numbers, everything attributes decide as one key (the fields of
-- src/trace/shape.ts, joined by the unit separator, by the same rules).
CREATE TABLE IF NOT EXISTS spans_lean
(
    `StoredAt` DateTime64(3) CODEC(Delta(8), ZSTD(1)),
    `TraceHigh` UInt64 CODEC(ZSTD(1)),
    `TraceLow` UInt64 CODEC(ZSTD(1)),
    `SpanId` UInt64 CODEC(ZSTD(1)),
    `ParentId` UInt64 CODEC(ZSTD(1)),
    `StartNs` UInt64 CODEC(Delta(8), ZSTD(1)),
    `EndNs` UInt64 CODEC(Delta(8), ZSTD(1)),
    `Status` UInt8 CODEC(ZSTD(1)),
    `Shape` LowCardinality(String) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(StoredAt)
ORDER BY (toStartOfMinute(StoredAt), TraceHigh, TraceLow)
TTL toDate(StoredAt) + toIntervalDay(7)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS spans_lean_mv TO spans_lean AS
WITH
    replaceOne(upper(toString(SpanKind)), 'SPAN_KIND_', '') AS Kind,
    if(Kind IN ('CLIENT', 'CONSUMER', 'PRODUCER', 'SERVER'), Kind, 'INTERNAL') AS KnownKind,
    if(ResourceAttributes['service.instance.id'] != '', ResourceAttributes['service.instance.id'],
        ResourceAttributes['host.name']) AS Instance,
    if(SpanAttributes['db.system.name'] != '', SpanAttributes['db.system.name'],
        SpanAttributes['db.system']) AS DbSystem,
    if(SpanAttributes['db.namespace'] != '', SpanAttributes['db.namespace'],
        SpanAttributes['db.name']) AS DbNamespace,
    arrayExists(
        (k, v) -> v != '' AND match(k, '^(http|url|network|net|server|dns|tls)\\.'),
        mapKeys(SpanAttributes), mapValues(SpanAttributes)) AS Transport
SELECT
    StoredAt,
    reinterpretAsUInt64(reverse(unhex(substring(t.TraceId, 1, 16)))) AS TraceHigh,
    reinterpretAsUInt64(reverse(unhex(substring(t.TraceId, 17, 16)))) AS TraceLow,
    reinterpretAsUInt64(reverse(unhex(t.SpanId))) AS SpanId,
    reinterpretAsUInt64(reverse(unhex(t.ParentSpanId))) AS ParentId,
    if(bitTest(Flags, 0), 0, toUInt64(toUnixTimestamp64Nano(Timestamp))) AS StartNs,
    toUInt64(toUnixTimestamp64Nano(Timestamp)) + Duration - EndBeforeStartNs AS EndNs,
    multiIf(StatusCode IN ('Error', 'STATUS_CODE_ERROR'), 2, StatusCode IN ('Ok', 'STATUS_CODE_OK'), 1, 0) AS Status,
    toLowCardinality(arrayStringConcat(
        arrayMap(x -> replaceAll(x, '\x1f', ' '), [
            KnownKind,
            if(ServiceName = '', 'unknown_service', toString(ServiceName)),
            toString(SpanName),
            ResourceAttributes['deployment.environment.name'],
            ResourceAttributes['service.namespace'],
            ResourceAttributes['service.version'],
            Instance,
            DbSystem,
            DbNamespace,
            SpanAttributes['db.query.summary'],
            SpanAttributes['server.address'],
            SpanAttributes['peer.service'],
            SpanAttributes['messaging.system'],
            SpanAttributes['messaging.destination.name'],
            SpanAttributes['messaging.operation.type'],
            SpanAttributes['http.request.method'],
            SpanAttributes['http.route'],
            SpanAttributes['rpc.method'],
            if(Transport, '1', '')
        ]), '\x1f')) AS Shape
FROM otel_traces AS t
WHERE t.TraceId != '' AND t.SpanId != '';
