-- The rules of the ride-hailing demo: who sees what of lake.rides. Tests read this file.

CREATE ROLE staff;
CREATE ROLE driver, analyst;
GRANT staff TO driver, analyst;
GRANT EXECUTE ON SERVICE postgres, flight TO staff;
GRANT EXECUTE ON SERVICE rest TO analyst;
ALTER ROLE analyst SET rate_limit = '100/hour';

-- A driver sees the trips that they drove, without the rider's name and with the end of the card number only.
GRANT SELECT (trip_id, driver_id, fare, card_number, region, started_at) ON lake.rides.trips TO driver, analyst;
CREATE POLICY own_trips ON lake.rides.trips FOR SELECT TO driver USING (driver_id = user_attribute('id')::bigint);
CREATE MASK card_end ON lake.rides.trips (card_number) TO driver USING ('****' || right(card_number, 4));

GRANT SELECT ON lake.rides.drivers, lake.rides.riders TO driver;
REVOKE SELECT (license_no) ON lake.rides.drivers FROM driver;
REVOKE SELECT (email) ON lake.rides.riders FROM driver;

-- An analyst sees the trips of the regions whose code begins with 1, without any card number.
CREATE POLICY home_regions ON lake.rides.trips FOR SELECT TO analyst USING (region LIKE '1%');
CREATE MASK no_card ON lake.rides.trips (card_number) TO analyst USING (NULL);
