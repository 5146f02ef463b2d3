-- Who sees what in the demo (lakegate serve --demo). Rules deny by default: what no line here opens does not exist.
--   dana  drives (id 17, region north)     ana  analyses     pat  is a partner     any other name  is the administrator

CREATE ROLE driver;
CREATE ROLE analyst;
CREATE ROLE partner;

GRANT EXECUTE ON SERVICE postgres, flight, rest TO driver, analyst, partner;

-- Drivers: their own trips and parcels, and themselves. Of riders no card number, no contact, and only their region.
GRANT SELECT ON samples.logistics.trips TO driver;
CREATE POLICY own ON samples.logistics.trips FOR SELECT TO driver
    USING (driver_id = user_attribute('id')::bigint);

GRANT SELECT (shipment_id, driver_id, status, city, recipient, weight_kg, picked_up_at, delivered_at, notes)
    ON samples.logistics.shipments TO driver;
CREATE POLICY own ON samples.logistics.shipments FOR SELECT TO driver
    USING (driver_id = user_attribute('id')::bigint);

GRANT SELECT ON samples.logistics.drivers TO driver;
CREATE POLICY herself ON samples.logistics.drivers FOR SELECT TO driver
    USING (driver_id = user_attribute('id')::bigint);

GRANT SELECT (rider_id, rider_name, city, region) ON samples.logistics.riders TO driver;
CREATE POLICY nearby ON samples.logistics.riders FOR SELECT TO driver
    USING (region = user_attribute('region'));

-- Analysts: every row, but no e-mail and no phone, and of a card number the last four digits.
GRANT SELECT ON samples.logistics.trips, samples.logistics.shipments TO analyst;
CREATE POLICY every_row ON samples.logistics.trips FOR SELECT TO analyst USING (true);
CREATE POLICY every_row ON samples.logistics.shipments FOR SELECT TO analyst USING (true);

GRANT SELECT (driver_id, driver_name, region, hired_on, rating, active) ON samples.logistics.drivers TO analyst;
CREATE POLICY every_row ON samples.logistics.drivers FOR SELECT TO analyst USING (true);

GRANT SELECT (rider_id, rider_name, card_number, city, region, joined_at, loyalty_points)
    ON samples.logistics.riders TO analyst;
CREATE POLICY every_row ON samples.logistics.riders FOR SELECT TO analyst USING (true);
CREATE MASK card ON samples.logistics.riders (card_number) TO analyst
    USING ('****' || right(card_number, 4));

GRANT SELECT ON ALL TABLES IN SCHEMA samples.tpch TO analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA samples.nyctaxi TO analyst;

-- Partners: what was delivered, when and where.
GRANT SELECT (shipment_id, status, city, delivered_at) ON samples.logistics.shipments TO partner;
CREATE POLICY delivered ON samples.logistics.shipments FOR SELECT TO partner USING (status = 'delivered');
