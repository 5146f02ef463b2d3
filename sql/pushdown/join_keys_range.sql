-- Of many keys only their range goes along.
SELECT count(*) FROM generate_series(1, 5000) AS k(id) JOIN samples.tpch.orders ON o_orderkey = k.id;
-- sends: SELECT t1.c0 AS c0 FROM (SELECT t0.`o_orderkey` AS c0 FROM `samples`.`tpch`.`orders` AS t0) AS t1 WHERE (((t1.c0 >= :p1) AND (t1.c0 <= :p2)) OR ((t1.c0 >= :p3) AND (t1.c0 <= :p4)))
