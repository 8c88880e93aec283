-- Which samples of a range are replayed: a weighted sample of each endpoint and hour (priority sampling, as in
-- src/analysis/reservoir.ts: weight / uniform, the highest), one more than are replayed. A pure function of what is
-- stored: nothing has to be kept up to date for it, and the same question replays the same samples. Memory is bounded by
-- endpoints and hours, whatever the number of samples.
SELECT
    Environment, Namespace, Service, Operation, Scope, toUnixTimestamp(toStartOfHour(Start)) AS hour,
    count() AS entries,
    groupArraySorted({limit:UInt32})((
        -(Weight / ((toFloat64(sipHash64(TraceId, SpanId)) + 1) / 18446744073709551616.)),
        TraceId, SpanId, Weight, ModelVersion)) AS samples
FROM samples FINAL
WHERE Start >= fromUnixTimestamp64Milli({fromMs:Int64})
  AND Start < fromUnixTimestamp64Milli({toMs:Int64})
  AND ({environment:String} = '*' OR Environment = {environment:String})
  AND ({namespace:String} = '*' OR Namespace = {namespace:String})
  AND ({service:String} = '*' OR Service = {service:String})
  AND ({operation:String} = '*' OR Operation = {operation:String})
  AND ({scope:String} = '*' OR Scope = {scope:String})
  AND ({version:String} = '*' OR ServiceVersion = {version:String})
GROUP BY Environment, Namespace, Service, Operation, Scope, hour
ORDER BY Environment, Namespace, Service, Operation, Scope, hour
