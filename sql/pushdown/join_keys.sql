-- The keys of what is read here go along with the other side of a join, each a value; NULL equals nothing.
SELECT o_orderkey, k.name FROM (VALUES (1, 'a'), (7, 'b'), (7, 'c'), (NULL, 'd')) AS k(id, name)
JOIN samples.tpch.orders ON o_orderkey = k.id WHERE o_totalprice > 10.00;
-- sends: SELECT t1.c0 AS c0 FROM (SELECT t0.`o_orderkey` AS c0 FROM `samples`.`tpch`.`orders` AS t0 WHERE (t0.`o_totalprice` > CAST(:p1 AS DECIMAL(15, 2)))) AS t1 WHERE (t1.c0 IN (:p2, :p3))
