//! Engines as a configuration describes them.

use engine::Engine;

/// The engine of a configuration, whose relative paths start in a folder of its own with these other `files`.
///
/// # Panics
/// If it does not describe one.
pub fn configured(configuration: &str, files: &[(&str, &str)]) -> Engine {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let file = folder.path().join("lakegate.toml");
    std::fs::write(&file, configuration).unwrap();
    lakegate::engine_from_file(&file).unwrap_or_else(|error| panic!("{error:?} in\n{configuration}"))
}
