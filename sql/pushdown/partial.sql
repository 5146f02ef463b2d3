-- What has no equal there stays here, over what has: upper() differs in its tables of Unicode.
SELECT upper(c_name), c_acctbal FROM samples.tpch.customer WHERE c_acctbal < 0.00 AND upper(c_name) LIKE 'CUSTOMER%';
-- sends: SELECT t0.`c_name` AS c0, t0.`c_acctbal` AS c1 FROM `samples`.`tpch`.`customer` AS t0 WHERE (t0.`c_acctbal` < CAST(:p1 AS DECIMAL(15, 2)))
