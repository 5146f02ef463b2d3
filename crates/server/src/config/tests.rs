use std::path::{Path, PathBuf};
use std::time::Duration;

use super::units;
use super::{Config, Listen, ServiceKind, parse};

fn read(text: &str) -> contract::Result<Config> {
    read_with(text, &[])
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> contract::Result<Config> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    parse("lakegate.toml", Path::new("/etc/lakegate"), text, variables)
}

const FULL: &str = r#"
[server]
postgres = "127.0.0.1:5432"
flight   = "127.0.0.1:50051"
rest     = "off"
tls = { cert = "cert.pem", key = "key.pem", client_ca = "/ca.pem" }
allow_ips = ["10.0.0.0/8", "::1"]
drain_timeout = "1m30s"
[engine]
memory_limit = "8GiB"
spill_dir = "spill"
max_concurrent_queries = 64
query_timeout = "10m"
default_catalog = "lake"
default_schema = "default"

[[service]]
name = "lake"
type = "delta"
location = "file:///srv/lake"
storage = { aws_region = "eu-west-1", aws_secret_access_key = "env:AWS_SECRET" }

[[service]]
name = "databricks"
type = "databricks"
workspace_url = "https://dbc-1.cloud.databricks.com"
http_path = "/sql/1.0/warehouses/abc123"
access_token = "canary-token"
azure = { tenant_id = "t", client_id = "c", client_secret = "{{secrets/scope/key}}", workspace_resource_id = "r" }
catalog = "main"
schema = "default"
timeout = 180
use_unity_catalog = true
route = "auto"
identity = "service"
catalogs = { prod = "main" }

[[service]]
name = "unity"
type = "unity"
url = "http://127.0.0.1:8080"
spark = "sc://127.0.0.1:15002"

[[service]]
name = "spark"
type = "spark"
workspace_url = "sc://spark-master.internal:15002"
catalog = "spark_catalog"
schema = "default"

[access]
rules = ["access.sql"]
[[access.user]]
name = "dana"
password = "file:dana.scram"
api_keys = ["sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]
roles = ["driver"]
attributes = { id = "17", region = "north" }
[access.jwt]
issuer = "https://issuer"
audience = "lakegate"
jwks_file = "jwks.json"
attributes = { id = "employee_id" }
[audit]
path = "audit.ndjson"
"#;

#[test]
fn every_key_of_the_design_is_read() {
    let config = read(FULL).unwrap();
    assert_eq!(config.server.drain_timeout, Duration::from_secs(90));
    assert_eq!(config.server.rest, Listen::Off);
    assert_eq!(config.server.tls.unwrap().cert, PathBuf::from("/etc/lakegate/cert.pem"));
    assert_eq!(config.server.allow_ips.len(), 2);
    assert_eq!(config.engine.memory_limit, Some(8 << 30));
    assert_eq!(config.engine.query_timeout, Some(Duration::from_secs(600)));
    let words: Vec<&str> = config.services.iter().map(|service| service.kind.word()).collect();
    assert_eq!(words, ["delta", "databricks", "unity", "spark"]);
    let ServiceKind::Delta { location, storage, .. } = &config.services[0].kind else {
        panic!()
    };
    assert_eq!(location.as_str(), "file:///srv/lake/");
    assert_eq!(format!("{:?}", storage["aws_secret_access_key"]), "env:AWS_SECRET");
    let access = config.access.unwrap();
    assert_eq!(access.rules, [PathBuf::from("/etc/lakegate/access.sql")]);
    assert_eq!(access.users[0].attributes["id"], "17");
    assert_eq!(access.jwt.unwrap().user_claim, "sub");
}

/// The catalogs that the services of a configuration give.
fn wired(text: &str) -> contract::Result<Vec<String>> {
    let config = read(text)?;
    let setup = crate::wiring::Setup::of(config.clone());
    setup.token_login(&config)?;
    let sources = setup.sources(&config)?;
    Ok(sources.iter().map(|source| source.name().to_owned()).collect())
}

#[tokio::test]
async fn the_services_of_the_design_are_there() {
    // Two ways to log in are two too many, and its variable is not set here.
    let lines = FULL
        .lines()
        .filter(|line| !line.starts_with("azure = ") && !line.starts_with("storage = "));
    let text = lines.collect::<Vec<_>>().join("\n");
    assert_eq!(wired(&text).unwrap(), ["lake", "prod", "unity", "spark"]);
    let passthrough = text.replace(
        "identity = \"service\"",
        "identity = \"passthrough\"\ntoken_exchange = true",
    );
    assert_eq!(wired(&passthrough).unwrap(), ["lake", "prod", "unity", "spark"]);
    let exchange_alone = text.replace("identity = \"service\"", "token_exchange = true");
    let error = wired(&exchange_alone).unwrap_err();
    assert!(error.hint().unwrap().contains("passthrough"), "{error:?}");
}

#[test]
fn an_empty_file_is_the_defaults() {
    let config = read("").unwrap();
    let Listen::On(address) = config.server.postgres else {
        panic!()
    };
    assert_eq!(address.to_string(), "127.0.0.1:5432");
    assert!(config.access.is_none() && config.services.is_empty());
}

#[test]
fn secrets_do_not_print() {
    let config = read(FULL).unwrap();
    assert!(!format!("{config:?}").contains("canary-token"));
}

#[test]
fn an_unknown_key_names_place_and_nearest() {
    let error = read("[server]\npostgres = \"off\"\ndrain_timout = \"3s\"\n").unwrap_err();
    assert_eq!(error.message(), "lakegate.toml:3: unknown key `server.drain_timout`");
    assert_eq!(error.hint(), Some("The nearest key is `drain_timeout`."));
    let error = read("[sever]\n").unwrap_err();
    assert_eq!(error.hint(), Some("The nearest key is `server`."));
    let error = read("\n[[service]]\nname = \"a\"\ntype = \"delta\"\nlocaton = \"x\"\n").unwrap_err();
    assert!(error.message().contains("service.location is missing"), "{error}");
    let error = read("[[service]]\nname = \"a\"\ntype = \"delta\"\nlocation = \"x\"\nhttp_path = \"x\"\n").unwrap_err();
    assert_eq!(error.message(), "lakegate.toml:5: unknown key `service.http_path`");
    let error = read("[access]\n[[access.user]]\nname = \"a\"\nrole = [\"x\"]").unwrap_err();
    assert_eq!(error.hint(), Some("The nearest key is `roles`."));
}

#[test]
fn wrong_values_name_place_and_key_but_not_the_value() {
    for (text, expected) in [
        (
            "[server]\npostgres = 5432",
            "lakegate.toml:2: server.postgres: expected a string, found a whole number",
        ),
        (
            "[server]\nrest = \"8080\"",
            "lakegate.toml:2: server.rest: \"8080\" is neither HOST:PORT nor off",
        ),
        (
            "[engine]\nmemory_limit = \"8 giga\"",
            "lakegate.toml:2: engine.memory_limit: \"8 giga\" is no size; write it like \"8GiB\" or \"512MiB\"",
        ),
        (
            "[engine]\nmax_concurrent_queries = -1",
            "lakegate.toml:2: engine.max_concurrent_queries: expected a whole number that is not negative",
        ),
        ("[server", "lakegate.toml:1: "),
        (
            "[[service]]\nname = \"x\"\ntype = \"sparc\"",
            "lakegate.toml:3: service.type: \"sparc\" is none of \"delta\", \"databricks\", \"unity\", \"spark\"",
        ),
    ] {
        let error = read(text).unwrap_err();
        assert!(
            error.message().starts_with(expected),
            "{} / {expected}",
            error.message()
        );
    }
}

#[test]
fn the_environment_lies_over_the_file() {
    let config = read_with(
        FULL,
        &[
            ("LAKEGATE_SERVER__POSTGRES", "[::1]:6000"),
            ("LAKEGATE_SERVER__ALLOW_IPS", "192.168.0.0/16, 10.0.0.1"),
            ("LAKEGATE_ENGINE__MAX_CONCURRENT_QUERIES", "7"),
            ("LAKEGATE_SERVICE__LAKE__LOCATION", "s3://bucket/lake"),
            ("LAKEGATE_SERVICE__DATABRICKS__USE_UNITY_CATALOG", "false"),
            ("LAKEGATE_SERVICE__MORE__TYPE", "delta"),
            ("LAKEGATE_SERVICE__MORE__LOCATION", "more"),
            ("LAKEGATE_ACCESS__USER__DANA__ATTRIBUTES__ID", "18"),
            ("LAKEGATE_CONFIG", "x.toml"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    let Listen::On(address) = &config.server.postgres else {
        panic!()
    };
    assert_eq!(
        (address.to_string(), address.is_loopback()),
        ("[::1]:6000".to_owned(), true)
    );
    assert_eq!(config.engine.max_concurrent_queries, Some(7));
    let ServiceKind::Delta { location, .. } = &config.services[0].kind else {
        panic!()
    };
    assert_eq!(location.as_str(), "s3://bucket/lake/");
    assert_eq!(config.services[4].name, "more");
    assert_eq!(config.access.unwrap().users[0].attributes["id"], "18");
    let error = read_with("", &[("LAKEGATE_SERVER__POSTGRE", "off")]).unwrap_err();
    assert_eq!(
        error.message(),
        "environment variable LAKEGATE_SERVER__POSTGRE: unknown key `server.postgre`"
    );
}

#[test]
fn durations_and_sizes() {
    for (text, milliseconds) in [
        ("30s", 30_000),
        ("250ms", 250),
        ("1h30m", 5_400_000),
        ("7", 7_000),
        ("0s", 0),
        ("2d", 172_800_000),
    ] {
        assert_eq!(units::duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
    }
    for text in [
        "",
        "s",
        "10",
        "3x",
        "1h30",
        "-1s",
        "99999999999999999999s",
        "18446744073709551615d",
    ] {
        assert_eq!(units::duration(text).is_ok(), text == "10", "{text}");
    }
    for (text, bytes) in [
        ("8GiB", 8usize << 30),
        ("512 MiB", 512 << 20),
        ("1kb", 1000),
        ("17", 17),
    ] {
        assert_eq!(units::size(text), Ok(bytes), "{text}");
    }
    assert!(units::size("99999999999TiB").is_err());
}

#[test]
fn addresses() {
    for (text, loopback) in [
        ("127.0.0.1:0", true),
        ("0.0.0.0:5432", false),
        ("[::]:1", false),
        ("10.1.2.3:4", false),
    ] {
        let Ok(Listen::On(address)) = text.parse() else {
            panic!("{text}")
        };
        assert_eq!(
            (address.is_loopback(), address.to_string()),
            (loopback, text.to_owned())
        );
    }
    for text in ["", "5432", "::1:5432", ":5432", "host:", "host:70000", "[x]:1"] {
        assert!(text.parse::<Listen>().is_err(), "{text}");
    }
}

/// What `docker compose --profile lakehouse up` serves is a configuration, and its services are those beside it.
#[test]
fn the_deployment_is_a_configuration() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join("deploy/lakehouse");
    let text = std::fs::read_to_string(folder.join("lakegate.toml")).unwrap();
    let config = parse("lakegate.toml", &folder, &text, std::iter::empty()).unwrap();
    let words: Vec<&str> = config.services.iter().map(|service| service.kind.word()).collect();
    assert_eq!(words, ["spark", "unity", "delta"]);
    let access = config.access.unwrap();
    let rules = access
        .rules
        .iter()
        .map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap()));
    policy::parse_rules(&rules.collect::<Vec<_>>()).unwrap();
    let compose = std::fs::read_to_string(root.join("docker-compose.yml")).unwrap();
    for host in ["spark", "unity", "store"] {
        assert!(text.contains(&format!("//{host}:")), "{host}");
        assert!(compose.contains(&format!("\n  {host}:\n")), "{host}");
    }
}
