-- A sort with a limit runs there; its rows are put in order here.
SELECT o_orderkey FROM samples.tpch.orders ORDER BY o_totalprice DESC NULLS LAST LIMIT 10;
-- sends: SELECT t1.c0 AS c0, t1.c1 AS c1 FROM (SELECT t0.`o_orderkey` AS c0, t0.`o_totalprice` AS c1 FROM `samples`.`tpch`.`orders` AS t0) AS t1 ORDER BY t1.c1 DESC NULLS LAST LIMIT 10
