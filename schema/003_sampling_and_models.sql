-- Requests that a span stands for, 0: it does not say. By the rules of src/trace/sampling.ts;
-- the view fills it from 004 on.
ALTER TABLE spans_lean ADD COLUMN IF NOT EXISTS `Weight` UInt32 DEFAULT 0 CODEC(ZSTD(1));

-- Requests that a sample stands for, and the model (below) whose dependencies it was analyzed with, 0: those of the
-- trace alone.
ALTER TABLE samples
    ADD COLUMN IF NOT EXISTS `Weight` UInt32 DEFAULT 1 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `ModelVersion` UInt64 DEFAULT 0 CODEC(ZSTD(1));
ALTER TABLE analyzed_traces ADD COLUMN IF NOT EXISTS `ModelVersion` UInt64 DEFAULT 0 CODEC(ZSTD(1));

-- What was learned over many traces. A row never changes; its version is the deduplication token of its insert, so of
-- several analyzers that publish the same version, one does (see src/store/models.ts).
CREATE TABLE IF NOT EXISTS models
(
    `Version` UInt64,
    `PublishedAt` DateTime64(3) DEFAULT now64(3),
    `Publisher` String,
    `Model` String CODEC(ZSTD(3))
)
ENGINE = MergeTree
ORDER BY Version
TTL toDate(PublishedAt) + toIntervalDay(7)
SETTINGS index_granularity = 1, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;
