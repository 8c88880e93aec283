-- When each version of a service was first seen in a range; the first one of all is no news.
SELECT environment, namespace, service, version, fromSeconds FROM (
    SELECT Environment AS environment, Namespace AS namespace, Service AS service, ServiceVersion AS version,
           toUInt32(min(Bucket)) AS fromSeconds,
           row_number() OVER (PARTITION BY Environment, Namespace, Service ORDER BY min(Bucket), ServiceVersion) AS Place
    FROM rollups FINAL
    WHERE Step = {step:UInt32} AND Bucket >= toDateTime({fromSeconds:Int64}, 'UTC')
      AND Bucket < toDateTime({toSeconds:Int64}, 'UTC') AND Weight > 0
      AND ({environment:String} = '*' OR Environment = {environment:String})
      AND ({namespace:String} = '*' OR Namespace = {namespace:String})
      AND ({service:String} = '*' OR Service = {service:String})
      AND ({operation:String} = '*' OR Operation = {operation:String})
      AND ({scope:String} = '*' OR Scope = {scope:String})
    GROUP BY Environment, Namespace, Service, ServiceVersion)
WHERE Place > 1
ORDER BY fromSeconds, environment, namespace, service, version
