-- The newest minutes and ten minutes of rollups once more, by time: of a range that ends now one minute of every endpoint is
-- read again and again, and in rollups those lie in as many places as there are endpoints, each in a granule of other
-- minutes. Packed quickly (LZ4): rows are soon gone. A column that rollups gets has to be added here and to the view.
CREATE TABLE IF NOT EXISTS recent_rollups
ENGINE = ReplacingMergeTree(Version)
PARTITION BY toStartOfHour(Bucket)
ORDER BY (Step, Bucket, Environment, Namespace, Service, Operation, Scope, ServiceVersion)
TTL Bucket + toIntervalHour(4)
SETTINGS index_granularity_bytes = 100000, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000
EMPTY AS SELECT * FROM rollups;

-- An hour more than is read (RECENT_SECONDS in src/store/rollups.ts), for clocks that are apart: whatever row a bucket got by
-- the time it is read has come by.
CREATE MATERIALIZED VIEW IF NOT EXISTS recent_rollups_view TO recent_rollups AS
SELECT * FROM rollups WHERE Step <= 600 AND Bucket >= now() - toIntervalHour(3);

-- Epoch second from which on buckets are here as a whole: none of them had a row before the view was there. Inserts that
-- had begun by then may take a while.
INSERT INTO analyzer_state (Name, Value, Version)
SELECT 'recent-rollups-from', toString(greatest(toUInt32(now()), toUInt32(max(Bucket))) + 300), toUnixTimestamp64Micro(now64(6))
FROM rollups WHERE Step <= 600;
