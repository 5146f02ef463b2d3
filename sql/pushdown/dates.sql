-- Groups by the beginning of a month, of what took so many days.
SELECT date_trunc('month', l_shipdate), count(*) FROM samples.tpch.lineitem WHERE l_commitdate - l_shipdate > 30 GROUP BY 1;
-- sends: SELECT t3.c0 AS c0, t3.c1 AS c1 FROM (SELECT t2.k0 AS c0, count(*) AS c1 FROM (SELECT CAST(trunc(CAST(CAST(t1.c0 AS TIMESTAMP_NTZ) AS DATE), 'MONTH') AS TIMESTAMP_NTZ) AS k0 FROM (SELECT t0.`l_shipdate` AS c0 FROM `samples`.`tpch`.`lineitem` AS t0 WHERE (CAST(datediff(t0.`l_commitdate`, t0.`l_shipdate`) AS BIGINT) > :p1)) AS t1) AS t2 GROUP BY t2.k0) AS t3
