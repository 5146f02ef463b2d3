-- What the rules of access.sql must come to. Run: lakegate policy test --demo sql/demo/expectations.sql

-- as dana
SELECT count(*) > 0, count(*) FILTER (WHERE driver_id <> 17) FROM samples.logistics.trips;
-- rows: (t, 0)
SELECT driver_id FROM samples.logistics.drivers;
-- rows: (17)
SELECT count(DISTINCT region), min(region) FROM samples.logistics.riders;
-- rows: (1, north)
SELECT card_number FROM samples.logistics.riders;
-- error: column "card_number" does not exist
SELECT count(*) FROM samples.tpch.nation;
-- error: relation "samples.tpch.nation" does not exist

-- as ana
SELECT count(*) FILTER (WHERE card_number NOT LIKE '****____'), count(*) FROM samples.logistics.riders;
-- rows: (0, 2000)
SELECT email FROM samples.logistics.riders;
-- error: column "email" does not exist
SELECT count(*) FROM samples.tpch.nation;
-- rows: (25)
SELECT count(*) FROM samples.nyctaxi.trips;
-- rows: (21932)

-- as pat
SELECT count(*) > 0, count(*) FILTER (WHERE status <> 'delivered') FROM samples.logistics.shipments;
-- rows: (t, 0)
SELECT driver_id FROM samples.logistics.shipments;
-- error: column "driver_id" does not exist
SELECT * FROM samples.logistics.trips;
-- error: relation "samples.logistics.trips" does not exist

-- as root
SELECT count(*) FROM samples.logistics.drivers;
-- rows: (60)
