-- The query of 008; ValueHash only where all is said: no value that a sanitizer took out, or that is bound and not told.
-- It is compared within a trace only: what was stored before keeps its own.
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
    extract(extract(TraceState, '(?:^|,)\\s*es=([^,]*)'), '(?:^|;)s:([^;\\s]*)\\s*(?:;|$)') AS ElasticShare,
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
    ]) AS Count,
    if(SpanAttributes['db.query.text'] != '', SpanAttributes['db.query.text'], SpanAttributes['db.statement']) AS QueryText,
    leftUTF8(QueryText, 4000) AS QueryCut,
    -- Strings as '', and no comments.
    replaceRegexpAll(
        if(match(DbSystem, '^(postgres|oracle|mssql|microsoft|sql_server|db2|ibm|sqlite|clickhouse|snowflake|redshift|aws\\.redshift|cockroach|h2|hsqldb|derby|firebird|trino|presto|cassandra|hana|sap|other_sql)'),
            replaceRegexpAll(QueryCut,
                '\\b[eE]\'(?:[^\'\\\\]|\\\\[\\s\\S]?|\'\')*(?:\'|$)|\'(?:[^\']|\'\')*(?:\'|$)|\\$\\$(?:[^$]|\\$[^$])*(?:\\$\\$|$)|\\$[A-Za-z_][A-Za-z0-9_]*\\$(?:[^$]|\\$(?:[A-Za-z_][A-Za-z0-9_]*)?[^$A-Za-z0-9_]|\\$[0-9])*(?:\\$(?:[A-Za-z_][A-Za-z0-9_]*)?(?:\\$|$)|$)|(--[^\\n]*|/\\*(?:[^*]|\\*+[^*/])*(?:\\*+/|\\**$))',
                '\'\'\\1'),
            replaceRegexpAll(QueryCut,
                '\'(?:[^\'\\\\]|\\\\[\\s\\S]?|\'\')*(?:\'|$)|"(?:[^"\\\\]|\\\\[\\s\\S]?|"")*(?:"|$)|\\$\\$(?:[^$]|\\$[^$])*(?:\\$\\$|$)|\\$[A-Za-z_][A-Za-z0-9_]*\\$(?:[^$]|\\$(?:[A-Za-z_][A-Za-z0-9_]*)?[^$A-Za-z0-9_]|\\$[0-9])*(?:\\$(?:[A-Za-z_][A-Za-z0-9_]*)?(?:\\$|$)|$)|(--[^\\n]*|/\\*(?:[^*]|\\*+[^*/])*(?:\\*+/|\\**$))',
                '\'\'\\1')),
        '\'\'(?:--[^\\n]*|/\\*(?:[^*]|\\*+[^*/])*(?:\\*+/|\\**$))', ' ') AS WithoutStrings,
    -- ... values as ?, lists of them as (?..).
    replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(WithoutStrings,
        '(?i)\'\'|%s|\\b0x[0-9a-f]+\\b|\\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\\b|[$:@]p?_?[0-9]+\\b|\\b[0-9]+(?:\\.[0-9]+)?(?:e[+-]?[0-9]+)?\\b', '?'),
        '[ \\t\\r\\n\\f]+', ' '),
        '\\( ?\\?(?: ?, ?\\?)* ?\\)', '(?..)'),
        '\\(\\?\\.\\.\\)(?: ?, ?\\(\\?\\.\\.\\))+', '(?..)'),
        '^ | $', '') AS WithoutValues,
    extract(QueryCut, '^[ \\t\\r\\n\\f]*([A-Za-z][A-Za-z0-9_.]{0,63})(?:[ \\t\\r\\n\\f]|$)') AS Command,
    multiIf(
        QueryText = '', '',
        match(QueryCut, '(?i)^(?:[ \\t\\r\\n\\f(]|--[^\\n]*\\n|/\\*(?:[^*]|\\*+[^*/])*\\*+/)*(?:[[{]|(?:select|insert|update|delete|with|merge|replace|upsert|call|exec|execute|begin|start|commit|rollback|savepoint|create|alter|drop|truncate|explain|show|use|declare|lock|values|copy|match|from)(?:[^A-Za-z0-9_]|$))'),
        leftUTF8(WithoutValues, 400),
        Command = '', '?',
        concat(Command, ' ?')) AS Query,
    if(QueryText = '', '', arrayStringConcat(arrayMap((k, v) -> if(match(k, '^db\\.(query|operation)\\.parameter\\.'),
        concat(k, '=', v, '\n'), ''), mapKeys(SpanAttributes), mapValues(SpanAttributes)))) AS Parameters,
    arrayExists((k, v) -> match(k, '^db\\.(query|operation)\\.parameter\\.') AND match(v,
        '(?i)^(?:\\?{1,32}|\\*{1,32}|[\\[<]?(?:redacted|masked|filtered|hidden)[\\]>]?)?$'), mapKeys(SpanAttributes), mapValues(SpanAttributes)) AS Masked,
    match(QueryCut, '(?i)[\'"](?:\\?{1,32}|\\*{1,32}|[\\[<]?(?:redacted|masked|filtered|hidden)[\\]>]?)\\\\?[\'"]|\\[[0-9]+ other arguments?\\]|(?:\\.\\.\\.|…)[ \\t\\r\\n\\f]*$|^[ \\t\\r\\n\\f]*[A-Za-z0-9_.]*[ \\t\\r\\n\\f;]*$')
        OR (match(DbSystem, '^(mongo|documentdb)') AND position(QueryCut, '{') = 0)
        OR match(WithoutStrings, '\\?|\\$[A-Za-z0-9_{]|%s|%\\(|(?:^|[^:A-Za-z0-9_\'"]):[A-Za-z0-9_]|(?:^|[^@A-Za-z0-9_])@[A-Za-z0-9_]') AS NotWhole,
    if(SpanAttributes['http.request.method'] != '', SpanAttributes['http.request.method'], SpanAttributes['http.method']) AS Method,
    if(SpanAttributes['url.full'] != '', SpanAttributes['url.full'], SpanAttributes['http.url']) AS Url
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
    if(Count > 0, toUInt32(least(4294967295, greatest(1, floor(Count + 0.5)))), 0) AS Weight,
    toLowCardinality(if(Fields = ['', '', '', '', '', '', '', '', ''], '',
        arrayStringConcat(arrayMap(x -> replaceAll(x, '\x1f', ' '), [
            Query,
            Method,
            if(SpanAttributes['http.response.status_code'] != '', SpanAttributes['http.response.status_code'],
            if(SpanAttributes['http.status_code'] != '', SpanAttributes['http.status_code'],
            if(SpanAttributes['rpc.response.status_code'] != '', SpanAttributes['rpc.response.status_code'],
            SpanAttributes['rpc.grpc.status_code']))),
            SpanAttributes['error.type'],
            if(SpanAttributes['http.request.resend_count'] != '', SpanAttributes['http.request.resend_count'], SpanAttributes['http.resend_count']),
            SpanAttributes['rpc.service'],
            SpanAttributes['url.template'],
            if(SpanAttributes['faas.coldstart'] = 'true', '1', ''),
            SpanAttributes['faas.timeout']
        ] AS Fields), '\x1f'))) AS Detail,
    toUInt32(least(4294967295, arrayMax(arrayMap(x -> if(match(x, '^[0-9]+$'), toUInt64OrZero(x), 0), [
        SpanAttributes['http.response.body.size'],
        SpanAttributes['http.request.body.size'],
        SpanAttributes['http.response_content_length'],
        SpanAttributes['http.request_content_length'],
        SpanAttributes['messaging.message.body.size']
    ])))) AS BodyBytes,
    toUInt32(least(4294967295, if(match(SpanAttributes['db.response.returned_rows'], '^[0-9]+$'),
        toUInt64OrZero(SpanAttributes['db.response.returned_rows']), 0))) AS ReturnedRows,
    toUInt32(multiIf(
        QueryText != '',
        if(Parameters = '' ? NotWhole : Masked, 0,
            bitOr(murmurHash3_32(concat(QueryText, '\n', Parameters)), 1)),
        Method = 'GET' AND Url != '', bitOr(murmurHash3_32(Url), 1),
        0)) AS ValueHash
FROM collected_spans AS t
WHERE t.TraceId != '' AND t.SpanId != '';
