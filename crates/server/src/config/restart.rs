//! Which keys only a start reads.

use super::model::Config;

/// The keys that differ between two configurations and that a reload cannot apply, as they are written in the file.
pub(crate) fn changed_keys(old: &Config, new: &Config) -> Vec<&'static str> {
    let pairs = fixed(old).into_iter().zip(fixed(new));
    let changed = pairs.filter(|((_, old), (_, new))| old != new);
    changed.map(|((key, _), _)| key).collect()
}

/// Each such key with its value as a text. None of them is a secret, and the texts are compared only.
fn fixed(config: &Config) -> [(&'static str, String); 13] {
    // Taken apart, so that a new key must be put on one of the two sides.
    let Config {
        file: _,
        server,
        engine,
        services: _,
        access: _,
        audit,
    } = config;
    let super::model::ServerConfig {
        postgres,
        flight,
        rest,
        tls,
        allow_ips,
        drain_timeout,
    } = server;
    let super::model::EngineConfig {
        memory_limit,
        spill_dir,
        max_concurrent_queries,
        query_timeout,
        default_catalog,
        default_schema,
    } = engine;
    [
        ("server.postgres", format!("{postgres:?}")),
        ("server.flight", format!("{flight:?}")),
        ("server.rest", format!("{rest:?}")),
        ("server.tls", format!("{tls:?}")),
        ("server.allow_ips", format!("{allow_ips:?}")),
        ("server.drain_timeout", format!("{drain_timeout:?}")),
        ("engine.memory_limit", format!("{memory_limit:?}")),
        ("engine.spill_dir", format!("{spill_dir:?}")),
        ("engine.max_concurrent_queries", format!("{max_concurrent_queries:?}")),
        ("engine.query_timeout", format!("{query_timeout:?}")),
        ("engine.default_catalog", format!("{default_catalog:?}")),
        ("engine.default_schema", format!("{default_schema:?}")),
        ("audit.path", format!("{:?}", audit.path)),
    ]
}
