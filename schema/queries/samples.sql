-- Samples of a range, for exact percentiles. Columns in the order that src/store/read-samples.ts expects.
SELECT
    Environment, Namespace, Service, Operation, Scope, TraceId, DurationNs, IsError,
    ComponentKinds, ComponentNames, CriticalNs, IfInstantNs, Weight
FROM samples FINAL
WHERE Start >= fromUnixTimestamp64Milli({fromMs:Int64})
  AND Start < fromUnixTimestamp64Milli({toMs:Int64})
  AND ({environment:String} = '*' OR Environment = {environment:String})
  AND ({namespace:String} = '*' OR Namespace = {namespace:String})
  AND ({service:String} = '*' OR Service = {service:String})
  AND ({operation:String} = '*' OR Operation = {operation:String})
  AND ({scope:String} = '*' OR Scope = {scope:String})
