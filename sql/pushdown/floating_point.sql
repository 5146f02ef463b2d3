-- Comparisons of floating point, with one NaN and one zero.
SELECT count(*) FROM samples.nyctaxi.trips WHERE trip_distance > 2.5 AND fare_amount BETWEEN 5 AND 50;
-- sends: SELECT t2.c0 AS c0 FROM (SELECT count(*) AS c0 FROM (SELECT TRUE AS nothing FROM `samples`.`nyctaxi`.`trips` AS t0 WHERE (t0.`trip_distance` > :p1) AND (t0.`fare_amount` >= :p2) AND (t0.`fare_amount` <= :p3)) AS t1) AS t2
