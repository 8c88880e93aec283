-- Which buckets of rollups have changed: a row before and after rows of a bucket are written, with a number drawn for it.
-- While the sum of a bucket's numbers is the same, so are its rollups: answers made of them are remembered by it
-- (src/store/rollup-memory.ts). Sums wrap around.
CREATE TABLE IF NOT EXISTS rollup_changes
(
    `Step` UInt32,
    `Bucket` DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    `Number` UInt64
)
ENGINE = SummingMergeTree(Number)
PARTITION BY toStartOfMonth(Bucket)
ORDER BY (Step, Bucket)
TTL toDate(Bucket) + toIntervalDay(405)
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1;
