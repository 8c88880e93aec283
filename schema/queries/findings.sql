-- Samples of the endpoints that show a known mistake in a range: all their durations, the requests each stands for, and
-- what it shows.
-- Columns in the order that src/store/read-findings.ts expects.
SELECT
    Environment, Namespace, Service, Operation, Scope, if(empty(FindingPatterns), '', TraceId) AS FoundIn, DurationNs,
    Weight, FindingPatterns, FindingSubjects, FindingSavedNs, FindingSpentNs, FindingAmounts, FindingUnproven
FROM samples FINAL
WHERE Start >= fromUnixTimestamp64Milli({fromMs:Int64})
  AND Start < fromUnixTimestamp64Milli({toMs:Int64})
  AND ({environment:String} = '*' OR Environment = {environment:String})
  AND ({namespace:String} = '*' OR Namespace = {namespace:String})
  AND ({service:String} = '*' OR Service = {service:String})
  AND ({operation:String} = '*' OR Operation = {operation:String})
  AND ({scope:String} = '*' OR Scope = {scope:String})
  AND ({version:String} = '*' OR ServiceVersion = {version:String})
  AND (Environment, Namespace, Service, Operation, Scope) IN (
    SELECT Environment, Namespace, Service, Operation, Scope FROM samples
    WHERE Start >= fromUnixTimestamp64Milli({fromMs:Int64})
      AND Start < fromUnixTimestamp64Milli({toMs:Int64})
      AND notEmpty(FindingPatterns))
