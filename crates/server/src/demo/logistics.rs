//! `samples.logistics`: an invented delivery company with things to hide: card numbers, phones, who drove where.
//!
//! `trips` is partitioned and has a past (appends, an update); rows of `shipments` are deleted by deletion vectors.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int32Builder,
    Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::table::{Afterwards, DemoTable, chance, parts};

/// Enough that driver 17 exists at every scale.
const DRIVERS: u64 = 60;
/// 2025-01-01 00:00 UTC.
const FIRST_SECOND: i64 = 1_735_689_600;
const YEAR_SECONDS: i64 = 365 * 86_400;

const REGIONS: [&str; 4] = ["north", "south", "east", "west"];
const CITIES: [[&str; 3]; 4] = [
    ["Hamburg", "Bremen", "Lübeck"],
    ["München", "Augsburg", "Ulm"],
    ["Dresden", "Leipzig", "Cottbus"],
    ["Köln", "Aachen", "Münster"],
];
const GIVEN_NAMES: [&str; 20] = [
    "Ada", "Ben", "Carla", "Dimitri", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kaja", "Liam", "Mira", "Noor",
    "Oskar", "Paula", "Quentin", "Rosa", "Søren", "Tarek",
];
const FAMILY_NAMES: [&str; 20] = [
    "Adler", "Brandt", "Cruz", "Dahl", "Eder", "Farah", "Günther", "Haas", "Ito", "Jung", "Kaya", "Lang", "Moreau",
    "Novak", "O'Neil", "Petrov", "Quist", "Richter", "Sato", "Toth",
];

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn bigint(name: &str) -> Field {
    Field::new(name, DataType::Int64, false)
}

fn decimal(name: &str, precision: u8, scale: i8) -> Field {
    Field::new(name, DataType::Decimal128(precision, scale), true)
}

fn timestamp(name: &str) -> Field {
    Field::new(
        name,
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        true,
    )
}

static DRIVER_ROWS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        bigint("driver_id"),
        text("driver_name"),
        text("email"),
        text("phone"),
        text("license_number"),
        text("region"),
        Field::new("hired_on", DataType::Date32, true),
        decimal("rating", 3, 2),
        Field::new("active", DataType::Boolean, true),
    ]))
});

static RIDER_ROWS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        bigint("rider_id"),
        text("rider_name"),
        text("email"),
        text("phone"),
        text("card_number"),
        text("city"),
        text("region"),
        timestamp("joined_at"),
        Field::new("loyalty_points", DataType::Int32, true),
    ]))
});

static TRIP_ROWS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        bigint("trip_id"),
        bigint("driver_id"),
        bigint("rider_id"),
        text("region"),
        text("status"),
        timestamp("pickup_at"),
        timestamp("dropoff_at"),
        Field::new("distance_km", DataType::Float64, true),
        decimal("fare", 10, 2),
        decimal("tip", 10, 2),
        Field::new("stars", DataType::Int32, true),
    ]))
});

static SHIPMENT_ROWS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        bigint("shipment_id"),
        bigint("driver_id"),
        bigint("rider_id"),
        text("status"),
        text("city"),
        text("recipient"),
        decimal("weight_kg", 8, 3),
        decimal("declared_value", 12, 2),
        timestamp("picked_up_at"),
        timestamp("delivered_at"),
        Field::new("signature", DataType::Binary, true),
        text("notes"),
    ]))
});

pub(crate) fn tables(scale: f64) -> Vec<DemoTable> {
    // Scale is checked to be at most 100.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive and bounded by the scale"
    )]
    let rows = |at_one: f64, least: u64| ((at_one * scale) as u64).max(least);
    let table = |name, comment, rows: &LazyLock<SchemaRef>, parts, partition_column, afterwards| DemoTable {
        schema: "logistics",
        name,
        comment,
        rows: Arc::clone(rows),
        parts,
        partition_column,
        afterwards,
    };
    let update = Afterwards::Update("status", "'disputed'", "trip_id % 97 = 3 AND status = 'completed'");
    vec![
        table(
            "drivers",
            "Who drives",
            &DRIVER_ROWS,
            parts(DRIVERS, 1, drivers),
            None,
            Afterwards::Nothing,
        ),
        table(
            "riders",
            "Who orders; card numbers are invented",
            &RIDER_ROWS,
            parts(RIDERS, 1, riders),
            None,
            Afterwards::Nothing,
        ),
        table(
            "trips",
            "Rides",
            &TRIP_ROWS,
            parts(rows(500_000.0, 2_000), 3, trips),
            Some("region"),
            update,
        ),
        table(
            "shipments",
            "Parcels on the way",
            &SHIPMENT_ROWS,
            parts(rows(400_000.0, 2_000), 2, shipments),
            None,
            Afterwards::DeleteMultiples("shipment_id", 50),
        ),
    ]
}

/// Not scaled, so that a trip's rider is the same at every scale.
const RIDERS: u64 = 2_000;

fn pick<'t>(chance: &mut impl Rng, words: &[&'t str]) -> &'t str {
    words.choose(chance).copied().unwrap_or_default()
}

/// Drivers take turns over the regions: driver 17 drives in the first one.
fn region_of_driver(driver: i64) -> usize {
    usize::try_from((driver - 1).rem_euclid(4)).unwrap_or_default()
}

fn region_name(region: usize) -> &'static str {
    REGIONS.get(region).copied().unwrap_or_default()
}

fn city(chance: &mut impl Rng, region: usize) -> &'static str {
    CITIES.get(region).map_or("", |cities| pick(chance, cities))
}

fn id(row: u64) -> i64 {
    i64::try_from(row).unwrap_or(i64::MAX).saturating_add(1)
}

fn person(chance: &mut impl Rng) -> (String, String) {
    let (given, family) = (pick(chance, &GIVEN_NAMES), pick(chance, &FAMILY_NAMES));
    let plain = |name: &str| {
        name.chars()
            .filter(char::is_ascii_alphabetic)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    let number = chance.random_range(1..1000);
    (
        format!("{given} {family}"),
        format!("{}.{}{number}@example.com", plain(given), plain(family)),
    )
}

fn phone(chance: &mut impl Rng) -> String {
    format!(
        "+49 30 {:03} {:04}",
        chance.random_range(100..1000),
        chance.random_range(0..10_000)
    )
}

fn timestamps() -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::new().with_timezone("UTC")
}

fn drivers(rows: Range<u64>) -> Result<RecordBatch, ArrowError> {
    let mut ids = Int64Builder::new();
    let (mut names, mut emails, mut phones) = (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let (mut licenses, mut regions) = (StringBuilder::new(), StringBuilder::new());
    let (mut hired, mut ratings, mut active) = (Date32Builder::new(), Decimal128Builder::new(), BooleanBuilder::new());
    for row in rows {
        let mut chance = chance(11, row);
        let (name, email) = person(&mut chance);
        ids.append_value(id(row));
        names.append_value(name);
        emails.append_value(email);
        phones.append_value(phone(&mut chance));
        licenses.append_value(format!("B{:07}", chance.random_range(0..10_000_000)));
        regions.append_value(region_name(region_of_driver(id(row))));
        hired.append_value(chance.random_range(16_500..20_000));
        ratings.append_option(chance.random_bool(0.9).then(|| chance.random_range(300..=500)));
        active.append_value(chance.random_bool(0.9));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids.finish()),
        Arc::new(names.finish()),
        Arc::new(emails.finish()),
        Arc::new(phones.finish()),
        Arc::new(licenses.finish()),
        Arc::new(regions.finish()),
        Arc::new(hired.finish()),
        Arc::new(ratings.finish().with_precision_and_scale(3, 2)?),
        Arc::new(active.finish()),
    ];
    RecordBatch::try_new(Arc::clone(&DRIVER_ROWS), columns)
}

fn riders(rows: Range<u64>) -> Result<RecordBatch, ArrowError> {
    let mut ids = Int64Builder::new();
    let (mut names, mut emails, mut phones) = (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let (mut cards, mut cities, mut regions) = (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let (mut joined, mut points) = (timestamps(), Int32Builder::new());
    for row in rows {
        let mut chance = chance(12, row);
        let (name, email) = person(&mut chance);
        let region = chance.random_range(0..REGIONS.len());
        ids.append_value(id(row));
        names.append_value(name);
        emails.append_value(email);
        phones.append_option(chance.random_bool(0.8).then(|| phone(&mut chance)));
        // A range that no bank issues.
        cards.append_value(format!("9999{:012}", chance.random_range(0..1_000_000_000_000_u64)));
        cities.append_value(city(&mut chance, region));
        regions.append_value(region_name(region));
        joined.append_value((FIRST_SECOND - chance.random_range(0..3 * YEAR_SECONDS)) * 1_000_000);
        points.append_option(chance.random_bool(0.6).then(|| chance.random_range(0..20_000)));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids.finish()),
        Arc::new(names.finish()),
        Arc::new(emails.finish()),
        Arc::new(phones.finish()),
        Arc::new(cards.finish()),
        Arc::new(cities.finish()),
        Arc::new(regions.finish()),
        Arc::new(joined.finish()),
        Arc::new(points.finish()),
    ];
    RecordBatch::try_new(Arc::clone(&RIDER_ROWS), columns)
}

fn trips(rows: Range<u64>) -> Result<RecordBatch, ArrowError> {
    let (mut ids, mut driver_ids, mut rider_ids) = (Int64Builder::new(), Int64Builder::new(), Int64Builder::new());
    let (mut regions, mut statuses) = (StringBuilder::new(), StringBuilder::new());
    let (mut pickups, mut dropoffs) = (timestamps(), timestamps());
    let (mut distances, mut fares, mut tips) = (
        Float64Builder::new(),
        Decimal128Builder::new(),
        Decimal128Builder::new(),
    );
    let mut stars = Int32Builder::new();
    for row in rows {
        let mut chance = chance(13, row);
        let driver = id(chance.random_range(0..DRIVERS));
        let pickup = FIRST_SECOND + chance.random_range(0..YEAR_SECONDS);
        let metres = chance.random_range(400..42_000_i64);
        let status = match chance.random_range(0..100) {
            0..=91 => "completed",
            92..=97 => "cancelled",
            _ => "open",
        };
        let completed = status == "completed";
        ids.append_value(id(row));
        driver_ids.append_value(driver);
        rider_ids.append_value(id(chance.random_range(0..RIDERS)));
        regions.append_value(region_name(region_of_driver(driver)));
        statuses.append_value(status);
        pickups.append_value(pickup * 1_000_000);
        dropoffs.append_option(completed.then(|| (pickup + metres / 8 + chance.random_range(60..900)) * 1_000_000));
        distances.append_value(metres as f64 / 1000.0);
        fares.append_value(i128::from(350 + metres * 21 / 100));
        tips.append_option((completed && chance.random_bool(0.4)).then(|| chance.random_range(50..1_500)));
        stars.append_option((completed && chance.random_bool(0.7)).then(|| chance.random_range(1..=5)));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids.finish()),
        Arc::new(driver_ids.finish()),
        Arc::new(rider_ids.finish()),
        Arc::new(regions.finish()),
        Arc::new(statuses.finish()),
        Arc::new(pickups.finish()),
        Arc::new(dropoffs.finish()),
        Arc::new(distances.finish()),
        Arc::new(fares.finish().with_precision_and_scale(10, 2)?),
        Arc::new(tips.finish().with_precision_and_scale(10, 2)?),
        Arc::new(stars.finish()),
    ];
    RecordBatch::try_new(Arc::clone(&TRIP_ROWS), columns)
}

fn shipments(rows: Range<u64>) -> Result<RecordBatch, ArrowError> {
    let (mut ids, mut driver_ids, mut rider_ids) = (Int64Builder::new(), Int64Builder::new(), Int64Builder::new());
    let (mut statuses, mut cities, mut recipients) = (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let (mut weights, mut values) = (Decimal128Builder::new(), Decimal128Builder::new());
    let (mut picked_up, mut delivered) = (timestamps(), timestamps());
    let (mut signatures, mut notes) = (BinaryBuilder::new(), StringBuilder::new());
    for row in rows {
        let mut chance = chance(14, row);
        let driver = id(chance.random_range(0..DRIVERS));
        let pickup = FIRST_SECOND + chance.random_range(0..YEAR_SECONDS);
        let status = match chance.random_range(0..100) {
            0..=69 => "delivered",
            70..=89 => "in_transit",
            90..=95 => "created",
            _ => "lost",
        };
        let arrived = status == "delivered";
        ids.append_value(id(row));
        driver_ids.append_value(driver);
        rider_ids.append_value(id(chance.random_range(0..RIDERS)));
        statuses.append_value(status);
        cities.append_value(city(&mut chance, region_of_driver(driver)));
        recipients.append_value(person(&mut chance).0);
        weights.append_value(chance.random_range(50..31_500));
        values.append_option(chance.random_bool(0.5).then(|| chance.random_range(500..500_000)));
        picked_up.append_option((status != "created").then_some(pickup * 1_000_000));
        delivered.append_option(arrived.then(|| (pickup + chance.random_range(3_600..400_000)) * 1_000_000));
        signatures.append_option(arrived.then(|| chance.random::<[u8; 8]>()));
        notes.append_option(chance.random_bool(0.1).then(|| {
            pick(
                &mut chance,
                &[
                    "ring twice",
                    "leave at \"door 2\"",
                    "fragile, glass",
                    "neighbour's name: Öz",
                ],
            )
        }));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids.finish()),
        Arc::new(driver_ids.finish()),
        Arc::new(rider_ids.finish()),
        Arc::new(statuses.finish()),
        Arc::new(cities.finish()),
        Arc::new(recipients.finish()),
        Arc::new(weights.finish().with_precision_and_scale(8, 3)?),
        Arc::new(values.finish().with_precision_and_scale(12, 2)?),
        Arc::new(picked_up.finish()),
        Arc::new(delivered.finish()),
        Arc::new(signatures.finish()),
        Arc::new(notes.finish()),
    ];
    RecordBatch::try_new(Arc::clone(&SHIPMENT_ROWS), columns)
}
