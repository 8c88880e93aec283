-- Buckets in a row in which the same component led an endpoint: gaps without traffic do not end a run. Of several
-- versions of a service the one with the most traffic speaks.
WITH
    buckets AS (
        SELECT Environment, Namespace, Service, Operation, Scope, Bucket,
               argMax((LeaderKind, LeaderName, P95Ns, LeaderP95Ns), Weight) AS Leading
        FROM rollups FINAL
        WHERE Step = {step:UInt32} AND Bucket >= toDateTime({fromSeconds:Int64}, 'UTC')
          AND Bucket < toDateTime({toSeconds:Int64}, 'UTC') AND Weight > 0
          AND ({environment:String} = '*' OR Environment = {environment:String})
          AND ({namespace:String} = '*' OR Namespace = {namespace:String})
          AND ({service:String} = '*' OR Service = {service:String})
          AND ({operation:String} = '*' OR Operation = {operation:String})
          AND ({scope:String} = '*' OR Scope = {scope:String})
        GROUP BY Environment, Namespace, Service, Operation, Scope, Bucket),
    marked AS (
        SELECT *, (Leading.1, Leading.2) != lagInFrame((Leading.1, Leading.2)) OVER w
                  OR row_number() OVER w = 1 AS Changed
        FROM buckets
        WINDOW w AS (PARTITION BY Environment, Namespace, Service, Operation, Scope ORDER BY Bucket
                     ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)),
    numbered AS (
        SELECT *, sum(Changed) OVER (PARTITION BY Environment, Namespace, Service, Operation, Scope ORDER BY Bucket
                                     ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS Run
        FROM marked)
SELECT
    Environment AS environment, Namespace AS namespace, Service AS service, Operation AS operation, Scope AS scope,
    toUInt32(min(Bucket)) AS fromSeconds, toUInt32(count()) AS buckets,
    any(Leading.1) AS kind, any(Leading.2) AS name,
    avg(Leading.3) AS p95Ns, avg(if(Leading.1 = '', 0, Leading.3 - Leading.4)) AS savedNs
FROM numbered
GROUP BY Environment, Namespace, Service, Operation, Scope, Run
HAVING buckets >= {lasting:UInt32}
ORDER BY environment, namespace, service, operation, scope, fromSeconds
