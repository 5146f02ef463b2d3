-- A condition and the columns that are asked for: one block.
SELECT o_orderkey, o_totalprice FROM samples.tpch.orders WHERE o_orderstatus = 'F' AND o_totalprice > 1000.00;
-- sends: SELECT t0.`o_orderkey` AS c0, t0.`o_totalprice` AS c1 FROM `samples`.`tpch`.`orders` AS t0 WHERE (t0.`o_orderstatus` = :p1) AND (t0.`o_totalprice` > CAST(:p2 AS DECIMAL(15, 2)))
