-- Keys stand around the block that carries the rule, and name its columns as a user sees them.
-- as: dana
SELECT t.trip_id FROM (VALUES (3), (4)) AS k(id) JOIN samples.logistics.trips AS t ON t.trip_id = k.id;
-- sends: SELECT t4.c0 AS c0 FROM (SELECT t3.c0 AS c0 FROM (SELECT t2.c0 AS c0 FROM (SELECT t1.c0 AS c0, t1.c1 AS c1, t1.c2 AS c2, t1.c3 AS c3, t1.c4 AS c4, t1.c5 AS c5, t1.c6 AS c6, t1.c7 AS c7, t1.c8 AS c8, t1.c9 AS c9, t1.c10 AS c10 FROM (SELECT t0.`trip_id` AS c0, t0.`driver_id` AS c1, t0.`rider_id` AS c2, t0.`region` AS c3, t0.`status` AS c4, t0.`pickup_at` AS c5, t0.`dropoff_at` AS c6, t0.`distance_km` AS c7, t0.`fare` AS c8, t0.`tip` AS c9, t0.`stars` AS c10 FROM `samples`.`logistics`.`trips` AS t0) AS t1 WHERE (t1.c1 = :p1)) AS t2) AS t3) AS t4 WHERE (t4.c0 IN (:p2, :p3))
