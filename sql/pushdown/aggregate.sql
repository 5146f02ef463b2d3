-- Only the groups come back.
SELECT o_orderpriority, count(*), sum(o_totalprice), max(o_orderdate) FROM samples.tpch.orders GROUP BY o_orderpriority;
-- sends: SELECT t2.c0 AS c0, t2.c1 AS c1, t2.c2 AS c2, t2.c3 AS c3 FROM (SELECT t1.c2 AS c0, count(*) AS c1, sum(t1.c0) AS c2, max(t1.c1) AS c3 FROM (SELECT t0.`o_totalprice` AS c0, t0.`o_orderdate` AS c1, t0.`o_orderpriority` AS c2 FROM `samples`.`tpch`.`orders` AS t0) AS t1 GROUP BY t1.c2) AS t2
