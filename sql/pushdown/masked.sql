-- Masks are computed below everything else.
-- as: ana
SELECT card_number, count(*) FROM samples.logistics.riders GROUP BY card_number;
-- sends: SELECT t5.c0 AS c0, t5.c1 AS c1 FROM (SELECT t4.c0 AS c0, count(*) AS c1 FROM (SELECT t3.c0 AS c0 FROM (SELECT concat(:p1, right(t2.c4, :p2)) AS c0 FROM (SELECT t1.c0 AS c0, t1.c1 AS c1, t1.c2 AS c2, t1.c3 AS c3, t1.c4 AS c4, t1.c5 AS c5, t1.c6 AS c6, t1.c7 AS c7, t1.c8 AS c8 FROM (SELECT t0.`rider_id` AS c0, t0.`rider_name` AS c1, t0.`email` AS c2, t0.`phone` AS c3, t0.`card_number` AS c4, t0.`city` AS c5, t0.`region` AS c6, t0.`joined_at` AS c7, t0.`loyalty_points` AS c8 FROM `samples`.`logistics`.`riders` AS t0) AS t1 WHERE :p3) AS t2) AS t3) AS t4 GROUP BY t4.c0) AS t5
