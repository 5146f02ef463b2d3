//! From the tree to the typed configuration: one function a table, each key named once.

use std::path::Path;

use contract::{Result, Route};
use url::Url;

use super::model::{
    AccessSection, AuditConfig, AzureConfig, Config, DatabricksConfig, EngineConfig, JwtConfig, ServerConfig,
    ServiceConfig, ServiceKind, TlsConfig, UserConfig,
};
use super::secret::Secret;
use super::section::Section;
use super::units::{AddressRange, Listen};

/// Seconds that one request to a Databricks workspace may take.
const DATABRICKS_TIMEOUT_SECONDS: u64 = 180;

pub(crate) fn config(mut root: Section<'_>) -> Result<Config> {
    let server = root.section("server")?.map(server).transpose()?.unwrap_or_default();
    let engine = root.section("engine")?.map(engine).transpose()?.unwrap_or_default();
    let mut services: Vec<ServiceConfig> = Vec::new();
    for section in root.sections("service")? {
        let duplicate = section.error("a service of this name exists already");
        let service = service(section)?;
        if services.iter().any(|other| other.name == service.name) {
            return Err(duplicate);
        }
        services.push(service);
    }
    let access = root.section("access")?.map(access).transpose()?;
    let audit = root.section("audit")?.map(audit).transpose()?.unwrap_or_default();
    root.finish()?;
    Ok(Config {
        file: None,
        server,
        engine,
        services,
        access,
        audit,
    })
}

fn server(mut section: Section<'_>) -> Result<ServerConfig> {
    let defaults = ServerConfig::default();
    let postgres = section
        .parsed("postgres", str::parse::<Listen>)?
        .unwrap_or(defaults.postgres);
    let flight = section
        .parsed("flight", str::parse::<Listen>)?
        .unwrap_or(defaults.flight);
    let rest = section.parsed("rest", str::parse::<Listen>)?.unwrap_or(defaults.rest);
    let tls = section.section("tls")?.map(tls).transpose()?;
    let mut allow_ips = Vec::new();
    for range in section.texts("allow_ips")? {
        let range = range.parse::<AddressRange>();
        allow_ips.push(range.map_err(|message| section.error(format!("server.allow_ips: {message}")))?);
    }
    let drain_timeout = section.duration("drain_timeout")?.unwrap_or(defaults.drain_timeout);
    section.finish()?;
    Ok(ServerConfig {
        postgres,
        flight,
        rest,
        tls,
        allow_ips,
        drain_timeout,
    })
}

fn tls(mut section: Section<'_>) -> Result<TlsConfig> {
    let missing = |key| section.error(format!("server.tls.{key} is missing"));
    let (missing_cert, missing_key) = (missing("cert"), missing("key"));
    let cert = section.file_path("cert")?.ok_or(missing_cert)?;
    let key = section.file_path("key")?.ok_or(missing_key)?;
    let client_ca = section.file_path("client_ca")?;
    section.finish()?;
    Ok(TlsConfig { cert, key, client_ca })
}

fn engine(mut section: Section<'_>) -> Result<EngineConfig> {
    let memory_limit = section.size("memory_limit")?;
    let spill_dir = section.file_path("spill_dir")?;
    let max_concurrent_queries = section.count("max_concurrent_queries")?;
    let query_timeout = section.duration("query_timeout")?;
    let default_catalog = section.text("default_catalog")?;
    let default_schema = section.text("default_schema")?;
    if max_concurrent_queries == Some(0) {
        return Err(section.error("engine.max_concurrent_queries must be at least 1"));
    }
    section.finish()?;
    let max_concurrent_queries = max_concurrent_queries.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    Ok(EngineConfig {
        memory_limit,
        spill_dir,
        max_concurrent_queries,
        query_timeout,
        default_catalog,
        default_schema,
    })
}

fn service(mut section: Section<'_>) -> Result<ServiceConfig> {
    let name = section.required_text("name")?;
    if name.contains(['.', '/', '"', '\0']) || name.len() > 63 {
        return Err(section.error("service.name must be at most 63 bytes and hold none of . / \""));
    }
    // The tag first: which keys are right depends on it.
    let word = section.word("type", &["delta", "databricks", "unity", "spark"])?;
    let kind = match word {
        Some("delta") => delta(&mut section)?,
        Some("databricks") => ServiceKind::Databricks(Box::new(databricks(&mut section)?)),
        Some("unity") => unity(&mut section)?,
        Some("spark") => spark(&mut section)?,
        _ => return Err(section.error("service.type is missing: \"delta\", \"databricks\", \"unity\" or \"spark\"")),
    };
    section.finish()?;
    Ok(ServiceConfig { name, kind })
}

fn delta(section: &mut Section<'_>) -> Result<ServiceKind> {
    let folder = section.place().folder;
    let missing = section.error("service.location is missing");
    let location = section
        .parsed("location", |text| folder_url(text, folder))?
        .ok_or(missing)?;
    let mut storage = std::collections::BTreeMap::new();
    for (name, text) in section.map("storage")? {
        let secret =
            Secret::parse(&text, folder).map_err(|message| section.error(format!("storage.{name}: {message}")))?;
        storage.insert(name, secret);
    }
    let schema = section.text("schema")?.unwrap_or_else(|| "default".to_owned());
    Ok(ServiceKind::Delta {
        location,
        storage,
        schema,
    })
}

/// A URL, or a path of this machine; ends in `/` either way, so that joining adds to it.
pub(crate) fn folder_url(text: &str, folder: &Path) -> Result<Url, String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if !text.contains("://") {
        let path = std::path::absolute(folder.join(text)).map_err(|error| error.to_string())?;
        return Url::from_directory_path(path).map_err(|()| format!("\"{text}\" is no folder"));
    }
    let with_slash = if text.ends_with('/') {
        text.to_owned()
    } else {
        format!("{text}/")
    };
    let url = Url::parse(&with_slash).map_err(|error| format!("\"{text}\" is no URL: {error}"))?;
    if url.password().is_some() {
        return Err("credentials do not belong in a URL; write them under storage".to_owned());
    }
    Ok(url)
}

fn url(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|error| format!("no URL: {error}"))
}

fn databricks(section: &mut Section<'_>) -> Result<DatabricksConfig> {
    let missing = section.error("service.workspace_url is missing");
    Ok(DatabricksConfig {
        workspace_url: section.parsed("workspace_url", url)?.ok_or(missing)?,
        http_path: section.text("http_path")?,
        cluster_id: section.text("cluster_id")?,
        access_token: section.secret("access_token")?,
        client_id: section.text("client_id")?,
        client_secret: section.secret("client_secret")?,
        azure: section.section("azure")?.map(azure).transpose()?,
        catalog: section.text("catalog")?,
        schema: section.text("schema")?,
        timeout_seconds: section.count("timeout")?.unwrap_or(DATABRICKS_TIMEOUT_SECONDS),
        use_unity_catalog: section.boolean("use_unity_catalog")?.unwrap_or(false),
        route: section
            .word("route", &Route::WORDS)?
            .and_then(|word| word.parse().ok())
            .unwrap_or_default(),
        identity: section
            .word("identity", &["service", "passthrough"])?
            .unwrap_or("service"),
        token_exchange: section.boolean("token_exchange")?.unwrap_or(false),
        catalogs: section.renames("catalogs")?,
        storage: section.map("storage")?,
    })
}

fn azure(mut section: Section<'_>) -> Result<AzureConfig> {
    let azure = AzureConfig {
        tenant_id: section.text("tenant_id")?,
        client_id: section.text("client_id")?,
        client_secret: section.secret("client_secret")?,
        workspace_resource_id: section.text("workspace_resource_id")?,
        authority_host: section.parsed("authority_host", url)?,
    };
    // A tenant alone is a forgotten secret, not a machine's own identity.
    if azure.tenant_id.is_some() && azure.client_secret.is_none() {
        return Err(section.error("azure.client_secret is missing"));
    }
    if azure.client_secret.is_some() && (azure.tenant_id.is_none() || azure.client_id.is_none()) {
        return Err(section.error("azure needs tenant_id and client_id beside client_secret"));
    }
    section.finish()?;
    Ok(azure)
}

fn unity(section: &mut Section<'_>) -> Result<ServiceKind> {
    let missing = section.error("service.url is missing");
    Ok(ServiceKind::Unity {
        url: section.parsed("url", url)?.ok_or(missing)?,
        spark: section.secret("spark")?,
        access_token: section.secret("access_token")?,
        catalogs: section.renames("catalogs")?,
        storage: section.map("storage")?,
    })
}

fn spark(section: &mut Section<'_>) -> Result<ServiceKind> {
    let missing = section.error("service.workspace_url is missing");
    Ok(ServiceKind::Spark {
        workspace_url: section.secret("workspace_url")?.ok_or(missing)?,
        catalog: section.text("catalog")?,
        schema: section.text("schema")?,
        access_token: section.secret("access_token")?,
        ca: section.file_path("ca")?,
    })
}

fn access(mut section: Section<'_>) -> Result<AccessSection> {
    let folder = section.place().folder;
    let rules = section
        .texts("rules")?
        .into_iter()
        .map(|path| folder.join(path))
        .collect();
    let mut users: Vec<UserConfig> = Vec::new();
    for section in section.sections("user")? {
        let duplicate = section.error("a user of this name exists already");
        let user = user(section)?;
        if users.iter().any(|other| other.name == user.name) {
            return Err(duplicate);
        }
        users.push(user);
    }
    let jwt = section.section("jwt")?.map(jwt).transpose()?;
    section.finish()?;
    Ok(AccessSection { rules, users, jwt })
}

fn user(mut section: Section<'_>) -> Result<UserConfig> {
    let user = UserConfig {
        name: section.required_text("name")?,
        password: section.secret("password")?,
        api_keys: section.texts("api_keys")?,
        roles: section.texts("roles")?,
        attributes: section.map("attributes")?,
        administrator: section.boolean("administrator")?.unwrap_or(false),
    };
    let is_hash = |key: &String| {
        key.strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    if !user.api_keys.iter().all(is_hash) {
        let error = section.error("access.user.api_keys holds something that is no hash \"sha256:\" and 64 hex digits");
        return Err(error.with_hint("Make a key and its hash with: lakegate new-api-key"));
    }
    section.finish()?;
    Ok(user)
}

fn jwt(mut section: Section<'_>) -> Result<JwtConfig> {
    let jwt = JwtConfig {
        issuer: section.required_text("issuer")?,
        audience: section.text("audience")?,
        jwks_url: section.parsed("jwks_url", url)?,
        jwks_file: section.file_path("jwks_file")?,
        user_claim: section.text("user_claim")?.unwrap_or_else(|| "sub".to_owned()),
        roles_claim: section.text("roles_claim")?.unwrap_or_else(|| "roles".to_owned()),
        attributes: section.map("attributes")?,
    };
    if jwt.jwks_url.is_some() == jwt.jwks_file.is_some() {
        return Err(section.error("access.jwt needs exactly one of jwks_url and jwks_file"));
    }
    section.finish()?;
    Ok(jwt)
}

fn audit(mut section: Section<'_>) -> Result<AuditConfig> {
    let audit = AuditConfig {
        path: section.text("path")?,
    };
    section.finish()?;
    Ok(audit)
}
