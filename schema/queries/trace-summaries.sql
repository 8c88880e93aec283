-- Samples as one finds them in a list: slowest or newest first.
SELECT
    TraceId AS traceId, SpanId AS spanId, Environment AS environment, Namespace AS namespace, Service AS service,
    Operation AS operation, Scope AS scope, toString(toUnixTimestamp64Nano(Start)) AS startUnixNano,
    DurationNs AS durationNs, QueueWaitNs AS queueWaitNs, IsError AS isError,
    arrayMap((k, n, c, i) -> (k, n, c, i), ComponentKinds, ComponentNames, CriticalNs, IfInstantNs) AS components
FROM samples FINAL
WHERE Start >= fromUnixTimestamp64Milli({fromMs:Int64})
  AND Start < fromUnixTimestamp64Milli({toMs:Int64})
  AND ({environment:String} = '*' OR Environment = {environment:String})
  AND ({namespace:String} = '*' OR Namespace = {namespace:String})
  AND ({service:String} = '*' OR Service = {service:String})
  AND ({operation:String} = '*' OR Operation = {operation:String})
  AND ({scope:String} = '*' OR Scope = {scope:String})
  AND ({version:String} = '*' OR ServiceVersion = {version:String})
  AND DurationNs >= {minDurationNs:UInt64}
  AND ({component:String} = '*'
       OR arrayExists((k, n) -> n = {component:String} OR concat(k, ':', n) = {component:String},
                      ComponentKinds, ComponentNames))
ORDER BY if({sort:String} = 'duration', DurationNs, 0) DESC, Start DESC, TraceId, SpanId
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
