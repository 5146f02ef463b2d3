-- A join by keys, a condition on each side, and the groups of it.
SELECT n_name, count(*) FROM samples.tpch.customer JOIN samples.tpch.nation ON c_nationkey = n_nationkey
WHERE c_mktsegment = 'BUILDING' AND n_regionkey = 3 GROUP BY n_name;
-- sends: SELECT t4.c0 AS c0, t4.c1 AS c1 FROM (SELECT t3.c0 AS c0, count(*) AS c1 FROM (SELECT t2.c2 AS c0 FROM (SELECT l1.c0 AS c0, r1.c0 AS c1, r1.c1 AS c2 FROM (SELECT t0.`c_nationkey` AS c0 FROM `samples`.`tpch`.`customer` AS t0 WHERE (t0.`c_mktsegment` = :p1)) AS l1 INNER JOIN (SELECT t0.`n_nationkey` AS c0, t0.`n_name` AS c1 FROM `samples`.`tpch`.`nation` AS t0 WHERE (t0.`n_regionkey` = :p2)) AS r1 ON (l1.c0 = r1.c0)) AS t2) AS t3 GROUP BY t3.c0) AS t4
