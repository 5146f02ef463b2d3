//! What only REST can express: A39, A13 and A16 as lists of `_catalog`, A32 with its caches, and A01 to A35 by way of
//! filters, orders and pages.

use serde_json::{Value, json};
use system_tests::attack_tables::{Twin, card};
use system_tests::transport_rest::{Http, Reply, basic};

use super::literals::HOSTILE;
use super::world::World;

/// Every format, JSON first.
const FORMATS: [&str; 4] = [
    "application/json",
    "application/x-ndjson",
    "text/csv",
    "application/vnd.apache.arrow.stream",
];

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A path with parameters that may hold anything.
fn target(path: &str, parameters: &[(&str, &str)]) -> String {
    let pairs = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    format!("/api/v2/{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

async fn send(world: &World, user: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let authorization = basic(user);
    // A fixed id, so that answers can be compared.
    let mut all = vec![("authorization", &*authorization), ("x-request-id", "r")];
    all.extend(headers);
    let mut connection = Http::connect(world.rest).await;
    let reply = connection.ask(method, target, &all, body.as_bytes()).await;
    assert!(reply.whole, "{target}: {reply:?}");
    world.recorder.note(&reply.bytes());
    reply
}

/// One question about a table or a list, judged by every byte of its answer.
async fn get(world: &World, user: &str, path: &str, parameters: &[(&str, &str)]) -> Reply {
    let reply = send(world, user, "GET", &target(path, parameters), &[], "").await;
    world.judge(&format!("{path} {parameters:?}"), "rest");
    reply
}

/// One statement with parameters.
async fn post(world: &World, user: &str, body: &Value) -> Reply {
    let headers = [("content-type", "application/json")];
    let body = body.to_string();
    let reply = send(world, user, "POST", "/api/v2/lake/_query", &headers, &body).await;
    world.judge(&body, "rest");
    reply
}

/// All that is told, without what changes by the second and with a name of the question as `…`.
fn told(reply: &Reply, name: &str) -> String {
    let headers = reply
        .headers
        .iter()
        .filter(|(header, _)| !["date", "content-length"].contains(&&**header));
    format!("{} {:?} {}", reply.status, headers.collect::<Vec<_>>(), reply.text()).replace(name, "…")
}

/// The rows of a JSON answer in an order of their own, since which file is read first is a matter of chance.
fn sorted(reply: &Reply) -> (u16, Vec<String>, Value) {
    let body = reply.json();
    let rows = body["resource"].as_array().cloned().unwrap_or_default();
    let mut rows: Vec<_> = rows.iter().map(Value::to_string).collect();
    rows.sort_unstable();
    let rest = match body {
        Value::Object(mut members) => {
            members.remove("resource");
            Value::Object(members)
        }
        other => other,
    };
    (reply.status, rows, rest)
}

/// Filters on what is visible, with the number of rows that they leave.
const COUNTS: &[(&str, &str, &str)] = &[
    ("dora", "trip_id >= 0", "6000"),
    ("dora", "driver_id = 8", "0"),
    ("dora", "driver_id IN (8, 9) OR driver_id IS NULL", "0"),
    ("dora", "NOT (driver_id = 8)", "6000"),
    ("dora", "driver_id != 8", "6000"),
    ("dora", "driver_id IS NULL", "0"),
    ("dora", "card_number = '4111222233330000'", "0"),
    ("dora", "card_number LIKE '4111%'", "0"),
    ("dora", "card_number STARTS WITH '4111'", "0"),
    ("dora", "card_number CONTAINS '22223333'", "0"),
    ("dora", "card_number > '41'", "0"),
    ("dora", "card_number IN ('4111222233330000', '****0001')", "1"),
    ("dora", "card_number ENDS WITH '0001'", "1"),
    ("dora", "card_number IS NULL", "0"),
    ("dora", "region STARTS WITH 'ZQX8'", "0"),
    ("dora", "region LIKE '%_%_%_%_%_%ZQX8%'", "0"),
    ("dora", "fare = 0", "0"),
    ("dora", "started_at > '2050-01-01'", "0"),
    ("ana", "card_number IS NULL", "6000"),
    ("ana", "driver_id = 8", "0"),
    ("ana", "fare = 0", "0"),
];

/// A07, A21, A24, A35, A39: a filter sees what SQL sees, and totals are those of visible rows.
#[tokio::test(flavor = "multi_thread")]
async fn filters_and_totals_see_visible_rows_only() {
    for twin in [Twin::First, Twin::Second] {
        let world = World::open(twin).await;
        for (user, filter, count) in COUNTS {
            let only = [("filter", *filter), ("count_only", "true")];
            let reply = get(&world, user, "lake/_table/trips", &only).await;
            assert_eq!(reply.text(), *count, "{user} {filter}");
            let page = [("filter", *filter), ("include_count", "true"), ("limit", "1")];
            let reply = get(&world, user, "lake/_table/trips", &page).await;
            assert_eq!(reply.json()["meta"]["count"].to_string(), *count, "{user} {filter}");
            assert_eq!(reply.header("x-total-count"), Some(*count), "{user} {filter}");
        }
        let raw = card(twin, 1);
        let filter = format!("card_number = '{raw}'");
        let only = [("filter", &*filter), ("count_only", "true")];
        assert_eq!(get(&world, "dora", "lake/_table/trips", &only).await.text(), "0");
        // Beyond the last visible row there is nothing.
        let page = [("offset", "5999"), ("limit", "10"), ("order", "trip_id")];
        let reply = get(&world, "dora", "lake/_table/trips", &page).await;
        assert_eq!(reply.json()["resource"].as_array().unwrap().len(), 1);
        assert_eq!(reply.json()["meta"], Value::Null);
    }
}

/// A17, A39: the masked value orders, and each format holds the visible columns.
#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_what_rules_show() {
    let world = World::open(Twin::First).await;
    let page = [
        ("order", "card_number desc, trip_id"),
        ("limit", "2"),
        ("fields", "card_number"),
    ];
    let reply = get(&world, "dora", "lake/_table/trips", &page).await;
    assert_eq!(
        reply.text(),
        r#"{"resource":[{"card_number":"****9995"},{"card_number":"****9994"}],"meta":{"next":2}}"#
    );
    for format in FORMATS {
        for (table, columns) in [
            (
                "trips",
                &["trip_id", "driver_id", "fare", "card_number", "region", "started_at"][..],
            ),
            ("drivers", &["driver_id", "name", "home_region"]),
            ("riders", &["rider_id", "rider_name", "phone"]),
        ] {
            for (name, value) in [("fields", "*"), ("limit", "0"), ("select", &columns.join(","))] {
                let target = target(&format!("lake/_table/{table}"), &[(name, value)]);
                let reply = send(&world, "dora", "GET", &target, &[("accept", format)], "").await;
                world.judge(&target, format);
                assert_eq!(reply.status, 200, "{target} {format}: {reply:?}");
                if format == "text/csv" {
                    assert_eq!(reply.text().lines().next(), Some(&*columns.join(",")), "{target}");
                }
                if format == "application/json" {
                    let rows = reply.json()["resource"].clone();
                    let names: Vec<_> = rows[0].as_object().unwrap().keys().cloned().collect();
                    assert_eq!(names, columns, "{target}");
                }
            }
        }
    }
}

/// A15, A16, A38, A39: what is withheld and what is not there have one answer, to the byte.
#[tokio::test(flavor = "multi_thread")]
async fn hidden_and_absent_are_one() {
    let world = World::open(Twin::First).await;
    for (user, path, parameters, withheld, absent) in [
        ("dora", "lake/_table/vault.@", &[][..], "keys", "nope"),
        (
            "dora",
            "lake/_table/vault.@",
            &[("filter", "key_id = 1")],
            "keys",
            "nope",
        ),
        ("dora", "lake/_table/vault.@", &[("count_only", "true")], "keys", "nope"),
        (
            "dora",
            "lake/_table/lake.vault.@",
            &[("include_count", "true")],
            "keys",
            "nope",
        ),
        ("dora", "lake/_table/@.keys", &[], "vault", "wault"),
        ("dora", "lake/_table/@.rides.trips", &[], "other", "nopes"),
        ("dora", "@/_table/trips", &[], "other", "nopes"),
        ("dora", "@/_table", &[], "other", "nopes"),
        ("dora", "@", &[], "other", "nopes"),
        ("dora", "@/_catalog", &[], "other", "nopes"),
        ("dora", "@/_catalog/rides", &[], "other", "nopes"),
        ("dora", "@/_catalog/rides/trips", &[], "other", "nopes"),
        ("dora", "lake/_catalog/@", &[], "vault", "wault"),
        ("dora", "lake/_catalog/@/keys", &[], "vault", "wault"),
        ("dora", "lake/_catalog/vault/@", &[], "keys", "nope"),
        ("ana", "lake/_catalog/rides/@", &[], "drivers", "nothing"),
        ("ana", "lake/_table/@", &[], "drivers", "nothing"),
        ("nob", "lake/_table/@", &[], "trips", "nopes"),
        ("nob", "@/_table/trips", &[], "lake", "nope"),
        ("nob", "@/_catalog", &[], "lake", "nope"),
        ("nob", "lake/_catalog/@", &[], "rides", "nopes"),
        ("dora", "lake/_table/trips", &[("fields", "@")], "rider_name", "nope"),
        (
            "dora",
            "lake/_table/trips",
            &[("fields", "trip_id,@")],
            "rider_name",
            "nope",
        ),
        (
            "dora",
            "lake/_table/trips",
            &[("order", "@ desc")],
            "rider_name",
            "nope",
        ),
        (
            "dora",
            "lake/_table/trips",
            &[("filter", "@ = 'x'")],
            "rider_name",
            "nope",
        ),
        (
            "dora",
            "lake/_table/trips",
            &[("filter", "@ IS NULL")],
            "rider_name",
            "nope",
        ),
        (
            "dora",
            "lake/_table/trips",
            &[("filter", "(@ LIKE 'HIDCOL%') OR (trip_id = 1)")],
            "rider_name",
            "nope",
        ),
        (
            "dora",
            "lake/_table/trips",
            &[("filter", "@ = 1"), ("count_only", "true")],
            "rider_name",
            "nope",
        ),
        ("dora", "lake/_table/drivers", &[("fields", "@")], "license_no", "nope"),
        ("dora", "lake/_table/drivers", &[("order", "@")], "license_no", "nope"),
        (
            "dora",
            "lake/_table/riders",
            &[("filter", "@ STARTS WITH 'H'")],
            "email",
            "nope",
        ),
        ("dora", "lake/_table/trips", &[("group", "@")], "rider_name", "nope"),
        ("dora", "lake/_table/trips", &[("related", "@")], "vault_by_key", "nope"),
        ("dora", "lake/_table/trips", &[("schema", "@")], "vault", "nope"),
        ("dora", "lake/_table/trips", &[("include_schema", "@")], "true", "nope"),
        ("dora", "lake/_table/@/1", &[], "keys", "nope"),
        ("dora", "lake/_schema/@", &[], "keys", "nope"),
        ("dora", "lake/_schema/trips/_field/@", &[], "rider_name", "nope"),
        ("dora", "@/_spec", &[], "other", "nope"),
        ("dora", "lake/_table/..%2Fvault%2F@", &[], "keys", "nope"),
        ("dora", "lake/_table/rides.%2E%2E.@", &[], "keys", "nope"),
        ("dora", "lake/_table/trips%00@", &[], "keys", "nope"),
    ] {
        let mut said = Vec::new();
        for name in [withheld, absent] {
            let parameters: Vec<_> = parameters
                .iter()
                .map(|(parameter, value)| (*parameter, value.replace('@', name)))
                .collect();
            let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, &**value)).collect();
            let reply = get(&world, user, &path.replace('@', name), &parameters).await;
            assert!(reply.status >= 400, "{user} {path} {parameters:?}: {reply:?}");
            said.push(told(&reply, name));
        }
        assert_eq!(said[0], said[1], "{user} {path} {parameters:?}");
    }
}

/// A13, A16: the lists at each depth.
#[tokio::test(flavor = "multi_thread")]
async fn lists_show_what_rules_show() {
    let names = |reply: &Reply| -> Vec<String> {
        let body = reply.json();
        let rows = body["resource"].as_array().unwrap_or_else(|| panic!("{body}"));
        rows.iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let worlds = [World::open(Twin::First).await, World::open(Twin::Second).await];
    for world in &worlds {
        for (user, path, expected) in [
            ("dora", "", &["lake"][..]),
            ("dora", "lake/_table", &["rides.drivers", "rides.riders", "rides.trips"]),
            ("dora", "lake/_catalog", &["rides"]),
            ("dora", "lake/_catalog/rides", &["drivers", "riders", "trips"]),
            (
                "dora",
                "lake/_catalog/rides/trips",
                &["trip_id", "driver_id", "fare", "card_number", "region", "started_at"],
            ),
            (
                "dora",
                "lake/_catalog/rides/drivers",
                &["driver_id", "name", "home_region"],
            ),
            (
                "dora",
                "lake/_catalog/rides/riders",
                &["rider_id", "rider_name", "phone"],
            ),
            ("ana", "", &["lake"]),
            ("ana", "lake/_table", &["rides.trips"]),
            ("ana", "lake/_catalog/rides", &["trips"]),
            ("nob", "", &[]),
        ] {
            let reply = get(world, user, path, &[]).await;
            assert_eq!(names(&reply), expected, "{user} {path}");
        }
    }
    for user in ["dora", "ana", "nob"] {
        for path in [
            "",
            "lake",
            "lake/_table",
            "lake/_catalog",
            "lake/_catalog/rides",
            "lake/_catalog/rides/trips",
            "lake/_catalog/rides/riders",
            "lake/_catalog/vault/keys",
        ] {
            for format in FORMATS {
                let mut said = Vec::new();
                for world in &worlds {
                    let reply = send(
                        world,
                        user,
                        "GET",
                        &format!("/api/v2/{path}"),
                        &[("accept", format)],
                        "",
                    )
                    .await;
                    world.judge(path, format);
                    said.push((reply.status, reply.body));
                }
                assert_eq!(said[0], said[1], "{user} {path} {format}");
            }
        }
    }
    let root = get(&worlds[0], "root", "", &[]).await;
    assert_eq!(names(&root), ["lake", "other"]);
    let root = get(&worlds[0], "root", "lake/_table", &[]).await;
    assert_eq!(
        names(&root),
        ["rides.drivers", "rides.riders", "rides.trips", "vault.keys"]
    );
}

/// Oracle 2 over `_table`: the same rows and messages, and as many bytes, in both worlds.
#[tokio::test(flavor = "multi_thread")]
async fn transcripts_are_equal() {
    let worlds = [World::open(Twin::First).await, World::open(Twin::Second).await];
    let mut wrong = Vec::new();
    for user in ["dora", "ana"] {
        for (table, name, value) in [
            ("trips", "fields", "*"),
            ("trips", "limit", "0"),
            ("trips", "fields", "rider_name"),
            ("trips", "fields", "passenger"),
            ("trips", "order", "note"),
            ("trips", "filter", "note = 1"),
            ("trips", "filter", "region = 1"),
            ("trips", "filter", "region > 100"),
            ("trips", "filter", "fare > 'x'"),
            ("trips", "filter", "fare = 99999999999999999999999999999999999999"),
            ("trips", "filter", "driver_id = 99999999999"),
            ("trips", "filter", "started_at > 'yesterday or so'"),
            ("trips", "filter", "driver_id LIKE '8%'"),
            ("trips", "filter", "(driver_id = 8) XOR (region LIKE 'ZQX8%')"),
            ("trips", "filter", "driver_id = {user.id}"),
            ("trips", "filter", "trip_id IN (SELECT key_id FROM vault.keys)"),
            ("trips", "filter", "count(trip_id) > 1"),
            ("trips", "order", "1/0"),
            ("trips", "order", "trip_id, (SELECT 1)"),
            ("trips", "fields", "card_number::raw"),
            ("trips", "fields", "count(*)"),
            ("vault.keys", "limit", "1"),
            ("drivers", "fields", "*"),
            ("riders", "filter", "email = 'x'"),
        ] {
            let order = if name == "order" { "limit" } else { "order" };
            let more = if name == "order" { "3" } else { "trip_id" };
            let more = if table == "trips" {
                vec![(name, value), (order, more)]
            } else {
                vec![(name, value)]
            };
            let path = format!("lake/_table/{table}");
            let (here, there) = (
                get(&worlds[0], user, &path, &more).await,
                get(&worlds[1], user, &path, &more).await,
            );
            assert_ne!(here.status, 500, "{path} {more:?}: {here:?}");
            if sorted(&here) != sorted(&there) || here.body.len() != there.body.len() {
                wrong.push(format!("{user} {path} {more:?}: {here:?}\nin the twin world {there:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A32: no answer is kept for others, and nothing is "not modified".
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shared_between_users() {
    let world = World::open(Twin::First).await;
    let target = target("lake/_table/trips", &[("count_only", "true")]);
    for _ in 0..2 {
        for (user, count) in [("dora", "6000"), ("dave", "3000"), ("root", "10000")] {
            for (name, value) in [
                ("if-none-match", "*"),
                ("if-none-match", "\"1\""),
                ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
                ("cache-control", "only-if-cached"),
            ] {
                let reply = send(&world, user, "GET", &target, &[(name, value)], "").await;
                assert_eq!((reply.status, reply.text()), (200, count), "{user} {name}: {value}");
                assert_eq!(reply.header("etag"), None);
                assert_eq!(reply.header("cache-control"), Some("no-store"));
            }
        }
    }
}

/// A33, A39: headers, methods and parameters given twice change nothing.
#[tokio::test(flavor = "multi_thread")]
async fn headers_and_methods_change_no_right() {
    let world = World::open(Twin::First).await;
    let count = target("lake/_table/trips", &[("count_only", "true")]);
    for (name, value) in [
        ("x-lakegate-user", "root"),
        ("x-forwarded-user", "root"),
        ("x-remote-user", "root"),
        ("x-role", "root"),
        ("user.id", "8"),
        ("prefer", "count=exact"),
        ("accept-profile", "vault"),
        ("content-profile", "vault"),
        ("cookie", "session=root; arrow_flight_session_id=shared"),
        ("x-http-method", "DELETE"),
    ] {
        let reply = send(&world, "dora", "GET", &count, &[(name, value)], "").await;
        world.judge(value, "rest");
        assert_eq!((reply.status, reply.text()), (200, "6000"), "{name}: {value}");
    }
    let json = ("content-type", "application/json");
    for method in ["DELETE", "PUT", "PATCH", "MERGE", "POST", "get/../delete", "SELECT"] {
        for table in ["trips", "vault.keys", "vault.nope"] {
            let path = format!("/api/v2/lake/_table/{table}");
            let reply = send(&world, "dora", "POST", &path, &[json, ("x-http-method", method)], "{}").await;
            world.judge(table, "rest");
            assert!([400, 405, 501].contains(&reply.status), "{method} {table}: {reply:?}");
        }
    }
    for parameters in [
        &[("filter", "driver_id = 7"), ("filter", "driver_id = 8")][..],
        &[("fields", "trip_id"), ("select", "rider_name")],
        &[("limit", "1"), ("top", "2")],
        &[("limit", "-1")],
        &[("offset", "1; DROP TABLE x")],
    ] {
        let reply = get(&world, "dora", "lake/_table/trips", parameters).await;
        assert_eq!(reply.status, 400, "{parameters:?}: {reply:?}");
    }
    let keys = get(&world, "root", "lake/_table/vault.keys", &[("count_only", "1")]);
    // What root may see is no canary to root, so the answer is a number.
    assert_eq!(keys.await.text(), "2");
}

/// Hazard 4: in a filter, as a value of a filter, and as a parameter of a statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_stays_one_text() {
    const SQL: &str = "SELECT ?::text AS v, (SELECT count(*) FROM trips WHERE region = $1 OR card_number LIKE $1) AS n";
    let world = World::open(Twin::First).await;
    for text in HOSTILE {
        let statement = SQL.replace('?', "$1");
        let reply = post(&world, "dora", &json!({"sql": statement, "params": [text]})).await;
        assert_eq!(
            reply.json()["resource"],
            json!([{"v": text, "n": 0}]),
            "{text}: {reply:?}"
        );
        let quoted = format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        for filter in [
            format!("region = {quoted}"),
            format!("(region = {quoted}) OR (card_number = {quoted})"),
            format!("region IN ({quoted}, 'x')"),
            format!("region STARTS WITH {quoted}"),
            format!("card_number CONTAINS {quoted}"),
        ] {
            let only = [("filter", &*filter), ("count_only", "true")];
            let reply = get(&world, "dora", "lake/_table/trips", &only).await;
            assert_eq!((reply.status, reply.text()), (200, "0"), "{filter}");
        }
        let body = json!({"filter": "(region = :x) OR (card_number IN :y)", "params": {":x": text, ":y": [text]}});
        let headers = [("content-type", "application/json"), ("x-http-method", "GET")];
        let path = "/api/v2/lake/_table/trips?count_only=true";
        let reply = send(&world, "dora", "POST", path, &headers, &body.to_string()).await;
        world.judge(text, "rest");
        assert_eq!((reply.status, reply.text()), (200, "0"), "{text}");
    }
}

/// A02, A07, A21, A30 with values apart from the statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_meets_visible_rows_only() {
    let world = World::open(Twin::First).await;
    for (user, sql, value, count) in [
        (
            "dora",
            "SELECT count(*) AS n FROM trips WHERE driver_id = $1",
            json!(7),
            6000,
        ),
        (
            "dora",
            "SELECT count(*) AS n FROM trips WHERE driver_id = $1",
            json!("8"),
            0,
        ),
        (
            "dora",
            "SELECT count(*) AS n FROM trips WHERE driver_id = ?",
            json!(null),
            0,
        ),
        (
            "dora",
            "SELECT count(*) AS n FROM trips WHERE card_number = ?",
            json!(card(Twin::First, 1)),
            0,
        ),
        (
            "dora",
            "SELECT count(*) AS n FROM trips WHERE card_number = ?",
            json!("****0001"),
            1,
        ),
        (
            "dora",
            "SELECT count(*) AS n FROM trips WHERE CAST(region AS INT) > ?",
            json!(0),
            6000,
        ),
        (
            "ana",
            "SELECT count(*) AS n FROM trips WHERE 100 / (driver_id - $1) < 1000",
            json!(8),
            6000,
        ),
    ] {
        let reply = post(&world, user, &json!({"sql": sql, "params": [value]})).await;
        assert_eq!(
            reply.json()["resource"],
            json!([{"n": count}]),
            "{user} {sql} {value}: {reply:?}"
        );
    }
    for value in [
        json!("8 OR true"),
        json!("7'); --"),
        json!(7.5),
        json!(true),
        json!([7, 8]),
        json!({"a": 8}),
        json!("7\u{0}"),
    ] {
        let sql = "SELECT count(*) AS n FROM trips WHERE driver_id = $1";
        let reply = post(&world, "dora", &json!({"sql": sql, "params": [value]})).await;
        assert_eq!(reply.status, 400, "{value}: {reply:?}");
    }
    for sql in ["COPY trips TO STDOUT", "COPY (SELECT * FROM trips) TO STDOUT"] {
        let reply = post(&world, "dora", &json!({"sql": sql})).await;
        assert_eq!((reply.status, &*reply.sqlstate()), (501, "0A000"), "{sql}");
    }
    let several = post(&world, "dora", &json!({"sql": "SELECT 1; SELECT * FROM vault.keys"})).await;
    assert_eq!(several.status, 400);
}
