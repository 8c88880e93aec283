-- Attributes are most of what is packed, and LZ4 packs them in a fraction of ZSTD's time, at inserts and at each merge. What
-- repeats it packs as well as ZSTD(1) or better (resources: a seventh), what does not repeat worse.
ALTER TABLE otel_traces
    MODIFY COLUMN `ResourceAttributes` Map(LowCardinality(String), String) CODEC(LZ4),
    MODIFY COLUMN `SpanAttributes` Map(LowCardinality(String), String) CODEC(LZ4);
