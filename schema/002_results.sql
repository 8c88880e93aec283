-- What the analyzer found. Rows are replaced by version, never changed: an analysis made again writes its rows with a
-- higher Version, and rows with IsDeleted = 1 for samples that are gone. Read with FINAL.
CREATE TABLE IF NOT EXISTS samples
(
    `Start` DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    `Environment` LowCardinality(String),
    `Namespace` LowCardinality(String),
    `Service` LowCardinality(String),
    `Operation` LowCardinality(String),
    -- trace: an entry; service: another SERVER span.
    `Scope` LowCardinality(String),
    `ServiceVersion` LowCardinality(String),
    `TraceId` String CODEC(ZSTD(1)),
    `SpanId` String CODEC(ZSTD(1)),
    -- root, orphan, consumer or service.
    `EntryKind` LowCardinality(String),
    `DurationNs` UInt64 CODEC(ZSTD(1)),
    `QueueWaitNs` UInt64 CODEC(ZSTD(1)),
    `IsError` UInt8,
    -- Components with critical time, at most 65 (the 65th is service (other)); the arrays run in parallel.
    `ComponentKinds` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `ComponentNames` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `CriticalNs` Array(UInt64) CODEC(ZSTD(1)),
    `IfInstantNs` Array(UInt64) CODEC(ZSTD(1)),
    `Version` UInt64 CODEC(ZSTD(1)),
    `IsDeleted` UInt8,
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(Version, IsDeleted)
PARTITION BY toDate(Start)
ORDER BY (Environment, Namespace, Service, Operation, Scope, Start, TraceId, SpanId)
TTL toDate(Start) + toIntervalDay(7)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- Critical path of each entry, ascending; times relative to its start.
CREATE TABLE IF NOT EXISTS segments
(
    `Start` DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    `TraceId` String CODEC(ZSTD(1)),
    `EntrySpanId` String CODEC(ZSTD(1)),
    `SpanIds` Array(UInt64) CODEC(ZSTD(1)),
    `Services` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `SpanNames` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `ComponentKinds` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `ComponentNames` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `StartNs` Array(UInt64) CODEC(ZSTD(1)),
    `EndNs` Array(UInt64) CODEC(ZSTD(1)),
    `Version` UInt64 CODEC(ZSTD(1)),
    `IsDeleted` UInt8
)
ENGINE = ReplacingMergeTree(Version, IsDeleted)
PARTITION BY toDate(Start)
ORDER BY (TraceId, EntrySpanId, Start)
TTL toDate(Start) + toIntervalDay(7)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- One row a trace and analysis: what it was made from. Written last, so that a row here means the results are there.
CREATE TABLE IF NOT EXISTS analyzed_traces
(
    `TraceHigh` UInt64 CODEC(ZSTD(1)),
    `TraceLow` UInt64 CODEC(ZSTD(1)),
    `TraceId` String CODEC(ZSTD(1)),
    -- First and last StoredAt of the spans it was made from.
    `FirstStored` DateTime64(3) CODEC(ZSTD(1)),
    `LastStored` DateTime64(3) CODEC(ZSTD(1)),
    -- Rows read (duplicates counted), and spans after all drops.
    `RowCount` UInt32 CODEC(ZSTD(1)),
    `SpanCount` UInt32 CODEC(ZSTD(1)),
    `RepairKinds` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `RepairCounts` Array(UInt32) CODEC(ZSTD(1)),
    -- How often this trace has been analyzed; the quiet period doubles with each.
    `Analyses` UInt32,
    -- '': whole. 'too-large': only its first million spans were. 'unfinished': analyzed although spans kept coming.
    `Flag` LowCardinality(String),
    `Version` UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(Version)
PARTITION BY toDate(FirstStored)
ORDER BY (TraceHigh, TraceLow)
TTL toDate(FirstStored) + toIntervalDay(7)
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- Single values, by name.
CREATE TABLE IF NOT EXISTS analyzer_state
(
    `Name` String,
    `Value` String,
    `Version` UInt64
)
ENGINE = ReplacingMergeTree(Version)
ORDER BY Name;
