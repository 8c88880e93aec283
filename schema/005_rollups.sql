-- What rollups are made from, beside what samples say already.
ALTER TABLE samples
    -- How many entries a sample stands for.
    ADD COLUMN IF NOT EXISTS `Weight` UInt32 DEFAULT 1 CODEC(ZSTD(1)),
    -- Runs parallel to the components: how often the critical path entered it from another one. Entries only.
    ADD COLUMN IF NOT EXISTS `ComponentCalls` Array(UInt32) CODEC(ZSTD(1)),
    -- Critical time by call stack, of entries: a node a stack, parents before children. Parent: 1 is the first node,
    -- 0 none. Frame: component kind, component name, operation, joined by the unit separator.
    ADD COLUMN IF NOT EXISTS `NodeParents` Array(UInt16) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `NodeFrames` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `NodeNs` Array(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `NodeCalls` Array(UInt32) CODEC(ZSTD(1)),
    -- The analyzer asks which buckets have samples newer than their rollup.
    ADD INDEX IF NOT EXISTS idx_version Version TYPE minmax GRANULARITY 1;

-- Samples added up: a row a step, bucket and endpoint (with service.version and scope), made from one reading of the
-- samples (minutes) or of the next finer rows (longer steps), and replaced as a whole by one with a higher Version. An
-- empty one (Weight 0) replaces a row whose samples are gone. Read with FINAL.
CREATE TABLE IF NOT EXISTS rollups
(
    -- Seconds; see src/analysis/steps.ts.
    `Step` UInt32,
    `Bucket` DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    `Environment` LowCardinality(String),
    `Namespace` LowCardinality(String),
    `Service` LowCardinality(String),
    `Operation` LowCardinality(String),
    `Scope` LowCardinality(String),
    `ServiceVersion` LowCardinality(String),
    -- Microseconds: the store's clock when what it is made from was read.
    `Version` UInt64 CODEC(ZSTD(1)),
    -- Rows of samples, the entries they stand for, and the sum of the squares of the weights.
    `Samples` UInt64 CODEC(ZSTD(1)),
    `Weight` UInt64 CODEC(ZSTD(1)),
    `WeightSquares` Float64 CODEC(ZSTD(1)),
    `Errors` UInt64 CODEC(ZSTD(1)),
    `DurationNs` UInt64 CODEC(ZSTD(1)),
    -- Square seconds.
    `DurationSquares` Float64 CODEC(ZSTD(1)),
    -- Time that these samples were running in this bucket, the next one, ...
    `OverlapNs` Array(UInt64) CODEC(ZSTD(1)),
    -- Observed latency: log-scale bins (src/analysis/histogram.ts) and the weight in each.
    `Bins` Array(UInt16) CODEC(Delta(2), ZSTD(1)),
    `Counts` Array(UInt32) CODEC(ZSTD(1)),
    -- Components with critical time, by name; arrays run parallel. Present: weight of the samples it is on the path of,
    -- PresentNs their latency, IfInstantNs what it would be without the component's own work.
    `ComponentKinds` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `ComponentNames` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `Present` Array(UInt64) CODEC(ZSTD(1)),
    `PresentNs` Array(UInt64) CODEC(ZSTD(1)),
    `IfInstantNs` Array(UInt64) CODEC(ZSTD(1)),
    `CriticalNs` Array(UInt64) CODEC(ZSTD(1)),
    `CriticalSquares` Array(Float64) CODEC(ZSTD(1)),
    `Calls` Array(UInt64) CODEC(ZSTD(1)),
    -- The components' histograms one after the other; the i-th ends at Ends[i]. Present: observed where it is on the
    -- path; Shift: if-infinitely-fast minus that, so that all + Shift is everybody's latency without it.
    `PresentEnds` Array(UInt32) CODEC(ZSTD(1)),
    `PresentBins` Array(UInt16) CODEC(Delta(2), ZSTD(1)),
    `PresentCounts` Array(UInt32) CODEC(ZSTD(1)),
    `ShiftEnds` Array(UInt32) CODEC(ZSTD(1)),
    `ShiftBins` Array(UInt16) CODEC(Delta(2), ZSTD(1)),
    `ShiftCounts` Array(Int32) CODEC(ZSTD(1)),
    -- Of this row alone: its p95, and the component without which it would be lowest.
    `P95Ns` Float64 CODEC(ZSTD(1)),
    `LeaderKind` LowCardinality(String),
    `LeaderName` LowCardinality(String),
    `LeaderP95Ns` Float64 CODEC(ZSTD(1)),
    -- Critical time by call stack, as in samples.
    `NodeParents` Array(UInt16) CODEC(ZSTD(1)),
    `NodeFrames` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `NodeNs` Array(UInt64) CODEC(ZSTD(1)),
    `NodeCalls` Array(UInt64) CODEC(ZSTD(1)),
    -- Traces to look at. Of: 0 the endpoint, else the component. Worst: 1, else typical. Ns: latency, of components what
    -- they would save.
    `ExemplarOf` Array(UInt16) CODEC(ZSTD(1)),
    `ExemplarWorst` Array(UInt8) CODEC(ZSTD(1)),
    `ExemplarHigh` Array(UInt64) CODEC(ZSTD(1)),
    `ExemplarLow` Array(UInt64) CODEC(ZSTD(1)),
    `ExemplarNs` Array(UInt64) CODEC(ZSTD(1)),
    -- Epoch seconds: its spans expire.
    `ExemplarSeconds` Array(UInt32) CODEC(ZSTD(1)),
    INDEX idx_version Version TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(Version)
PARTITION BY (Step, if(Step < 86400, toDate(Bucket), toStartOfMonth(Bucket)))
ORDER BY (Step, Environment, Namespace, Service, Operation, Scope, ServiceVersion, Bucket)
TTL toDate(Bucket) + toIntervalDay(multiIf(Step < 3600, 9, Step < 86400, 37, 405))
-- Read in pieces of some rows: a row of a day is as long as thousands of others, and a query wants a few of each endpoint.
SETTINGS index_granularity_bytes = 100000, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- Ranges with a name: a load test before and after.
CREATE TABLE IF NOT EXISTS marks
(
    `Name` String,
    `FromMs` Int64,
    `ToMs` Int64,
    `Version` UInt64,
    `IsDeleted` UInt8
)
ENGINE = ReplacingMergeTree(Version, IsDeleted)
ORDER BY Name;
