-- Branches of one system are one statement.
SELECT n_name FROM samples.tpch.nation UNION ALL SELECT r_name FROM samples.tpch.region;
-- sends: SELECT t2.c0 AS c0 FROM (SELECT t0.`n_name` AS c0 FROM `samples`.`tpch`.`nation` AS t0) AS t2 UNION ALL SELECT t2.c0 AS c0 FROM (SELECT t1.c0 AS c0 FROM (SELECT t0.`r_name` AS c0 FROM `samples`.`tpch`.`region` AS t0) AS t1) AS t2
