-- EXISTS and NOT EXISTS are semi and anti joins.
SELECT count(*) FROM samples.tpch.customer c
WHERE EXISTS (SELECT 1 FROM samples.tpch.orders WHERE o_custkey = c_custkey)
  AND NOT EXISTS (SELECT 1 FROM samples.tpch.nation WHERE n_nationkey = c_nationkey AND n_regionkey = 1);
-- sends: SELECT t6.c0 AS c0 FROM (SELECT count(*) AS c0 FROM (SELECT TRUE AS nothing FROM (SELECT l3.c0 AS c0 FROM (SELECT t2.c1 AS c0 FROM (SELECT l1.c0 AS c0, l1.c1 AS c1 FROM (SELECT t0.`c_custkey` AS c0, t0.`c_nationkey` AS c1 FROM `samples`.`tpch`.`customer` AS t0) AS l1 LEFT SEMI JOIN (SELECT t0.`o_custkey` AS c0 FROM `samples`.`tpch`.`orders` AS t0) AS r1 ON (l1.c0 = r1.c0)) AS t2) AS l3 LEFT ANTI JOIN (SELECT t0.`n_nationkey` AS c0 FROM `samples`.`tpch`.`nation` AS t0 WHERE (t0.`n_regionkey` = :p1)) AS r3 ON (l3.c0 = r3.c0)) AS t4) AS t5) AS t6
