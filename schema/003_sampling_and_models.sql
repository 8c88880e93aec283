-- Requests that a span stands for, 0: it does not say. By the rules of src/trace/sampling.ts.
ALTER TABLE spans_lean ADD COLUMN IF NOT EXISTS `Weight` UInt32 DEFAULT 0 CODEC(ZSTD(1));

ALTER TABLE spans_lean_mv MODIFY QUERY
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
        mapKeys(SpanAttributes), mapValues(SpanAttributes)) AS Transport,
    extract(TraceState, '(?:^|,)\\s*ot=([^,]*)') AS OtState,
    extract(OtState, '(?:^|;)th:([0-9a-f]{1,14})\\s*(?:;|$)') AS Threshold,
    extract(OtState, '(?:^|;)p:(\\d{1,2})\\s*(?:;|$)') AS Exponent,
    extract(extract(TraceState, '(?:^|,)\\s*es=([^,]*)'), '(?:^|;)s:([^;]*)') AS ElasticShare,
    '^\\d+(\\.\\d*)?([eE]-?\\d+)?$' AS Number,
    if(hasAny(mapKeys(SpanAttributes), ['sampling.probability', 'SampleRate', '_MS.sampleRate', 'sampler.param']),
        map('share', SpanAttributes['sampling.probability'],
            'rate', SpanAttributes['SampleRate'],
            'percent', SpanAttributes['_MS.sampleRate'],
            'param', if(SpanAttributes['sampler.type'] = 'probabilistic', SpanAttributes['sampler.param'], '')),
        map()) AS Sampling,
    -- Each is how many requests the span stands for, 0 where it does not say.
    arrayFirst(count -> count > 0 AND isFinite(count), [
        if(Threshold = '', 0, 72057594037927936 /
            (72057594037927936 - reinterpretAsUInt64(reverse(unhex(concat('00', rightPad(Threshold, 14, '0'))))))),
        if(Exponent = '' OR toUInt8OrZero(Exponent) > 62, 0, exp2(toUInt8OrZero(Exponent))),
        if(match(ElasticShare, Number) AND toFloat64OrZero(ElasticShare) <= 1, 1 / toFloat64OrZero(ElasticShare), 0),
        if(match(Sampling['share'], Number) AND toFloat64OrZero(Sampling['share']) <= 1,
            1 / toFloat64OrZero(Sampling['share']), 0),
        if(match(Sampling['rate'], Number), toFloat64OrZero(Sampling['rate']), 0),
        if(match(Sampling['percent'], Number) AND toFloat64OrZero(Sampling['percent']) <= 100,
            100 / toFloat64OrZero(Sampling['percent']), 0),
        if(match(Sampling['param'], Number) AND toFloat64OrZero(Sampling['param']) <= 1,
            1 / toFloat64OrZero(Sampling['param']), 0)
    ]) AS Count
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
        ]), '\x1f')) AS Shape,
    if(Count > 0, toUInt32(least(4294967295, greatest(1, floor(Count + 0.5)))), 0) AS Weight
FROM otel_traces AS t
WHERE t.TraceId != '' AND t.SpanId != '';

-- Requests that a sample stands for, and the model (below) whose dependencies it was analyzed with, 0: those of the
-- trace alone.
ALTER TABLE samples ADD COLUMN IF NOT EXISTS `Weight` UInt32 DEFAULT 1 CODEC(ZSTD(1));
ALTER TABLE samples ADD COLUMN IF NOT EXISTS `ModelVersion` UInt64 DEFAULT 0 CODEC(ZSTD(1));
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
