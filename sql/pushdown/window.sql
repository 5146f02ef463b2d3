-- A window function.
SELECT o_orderkey, row_number() OVER (PARTITION BY o_custkey ORDER BY o_orderdate, o_orderkey) FROM samples.tpch.orders;
-- sends: SELECT t2.c0 AS c0, t2.c3 AS c1 FROM (SELECT t1.c0 AS c0, t1.c1 AS c1, t1.c2 AS c2, CAST(row_number() OVER (PARTITION BY t1.c1 ORDER BY t1.c2 ASC NULLS LAST, t1.c0 ASC NULLS LAST) AS BIGINT) AS c3 FROM (SELECT t0.`o_orderkey` AS c0, t0.`o_custkey` AS c1, t0.`o_orderdate` AS c2 FROM `samples`.`tpch`.`orders` AS t0) AS t1) AS t2
