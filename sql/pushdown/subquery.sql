-- A scalar subquery over the same system goes along.
SELECT count(*) FROM samples.tpch.orders WHERE o_orderdate = (SELECT max(o_orderdate) FROM samples.tpch.orders);
-- sends: SELECT t4.c0 AS c0 FROM (SELECT count(*) AS c0 FROM (SELECT TRUE AS nothing FROM (SELECT t1.c0 AS c0 FROM (SELECT t0.`o_orderdate` AS c0 FROM `samples`.`tpch`.`orders` AS t0) AS t1 WHERE (t1.c0 = (SELECT t2.c0 AS c0 FROM (SELECT max(t1.c0) AS c0 FROM (SELECT t0.`o_orderdate` AS c0 FROM `samples`.`tpch`.`orders` AS t0) AS t1) AS t2))) AS t2) AS t3) AS t4
