//! Rules, users and services anew while clients are connected: on SIGHUP, and when a file changes.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::{Error, ErrorKind, Result};
use engine::Engine;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::config::{Config, Listen, ServiceConfig, ServiceKind};
use crate::wiring::Setup;

/// Writing a file is several events; this long after the first one all of them have come.
const DEBOUNCE: Duration = Duration::from_millis(300);

/// Reads the configuration again and puts it in force, all or nothing.
#[derive(Debug)]
pub(crate) struct Reloader {
    setup: Setup,
    engine: Engine,
    services: Vec<ServiceConfig>,
    files: Vec<PathBuf>,
    fingerprint: u64,
}

impl Reloader {
    pub(crate) fn new(setup: Setup, engine: Engine) -> Self {
        let files = if setup.demo.is_some() {
            Vec::new()
        } else {
            setup.config.files()
        };
        let fingerprint = fingerprint(&files);
        Self {
            services: setup.config.services.clone(),
            setup,
            engine,
            files,
            fingerprint,
        }
    }

    /// The files that matter.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Reloads if some file's content differs from what was last looked at.
    pub(crate) fn reload_if_changed(&mut self) {
        if fingerprint(&self.files) != self.fingerprint {
            self.reload("a file changed");
        }
    }

    /// Reloads; a mistake changes nothing and is logged.
    pub(crate) fn reload(&mut self, why: &str) {
        if self.setup.demo.is_some() {
            tracing::info!(why, "nothing to reload: the demo's rules are built in");
            return;
        }
        self.fingerprint = fingerprint(&self.files);
        match self.try_reload() {
            Ok(()) => tracing::info!(why, "reloaded rules, users and services"),
            Err(error) => {
                let hint = error.hint().unwrap_or_default();
                tracing::error!(
                    why,
                    hint,
                    "nothing is changed, the configuration is wrong: {}",
                    error.message()
                );
            }
        }
    }

    fn try_reload(&mut self) -> Result<()> {
        let config = self.setup.read_again()?;
        self.check_reachable(&config)?;
        let access = self.setup.access(&config)?;
        // Sources that stay as they are keep their open tables.
        if config.services != self.services || config.services.iter().any(has_secret_file) {
            self.engine.reload_sources(self.setup.sources(&config)?)?;
            self.services.clone_from(&config.services);
        }
        self.engine.reload_access(access);
        self.files = config.files();
        self.fingerprint = fingerprint(&self.files);
        Ok(())
    }

    /// The address stays what it was at the start: it must not become open to everybody.
    fn check_reachable(&self, config: &Config) -> Result<()> {
        let Listen::On(address) = &self.setup.config.server.postgres else {
            return Ok(());
        };
        if config.access.is_some() || address.is_loopback() {
            return Ok(());
        }
        let message = format!("[access] is gone, but the server listens on {address}");
        Err(Error::new(ErrorKind::Configuration, message))
    }
}

fn has_secret_file(service: &ServiceConfig) -> bool {
    match &service.kind {
        ServiceKind::Delta { storage, .. } => storage.values().any(|secret| secret.file().is_some()),
        ServiceKind::Databricks(_) | ServiceKind::Unity { .. } | ServiceKind::Spark { .. } => false,
    }
}

fn fingerprint(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.hash(&mut hasher);
        std::fs::read(file).ok().hash(&mut hasher);
    }
    hasher.finish()
}

/// Tells when something happens in a folder that holds one of the files. Folders, because editors replace files.
pub(crate) struct Watch {
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<PathBuf>,
    events: mpsc::Receiver<()>,
}

impl Watch {
    pub(crate) fn start(files: &[PathBuf]) -> Self {
        // One waiting event says as much as many.
        let (sender, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading the files must not count as a change of them.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = sender.try_send(());
            }
        });
        let watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "files are not watched; SIGHUP reloads"))
            .ok();
        let mut watch = Self {
            watcher,
            watched: HashSet::new(),
            events,
        };
        watch.follow(files);
        watch
    }

    /// Watches these files too.
    pub(crate) fn follow(&mut self, files: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        for folder in files.iter().map(|file| folder_of(file)).collect::<BTreeSet<_>>() {
            if !self.watched.insert(folder.to_owned()) {
                continue;
            }
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::warn!(%error, folder = %folder.display(), "the folder is not watched; SIGHUP reloads");
            }
        }
    }

    /// Waits until something changed and it is quiet again. Dropped while it waits it may lose what it saw: whoever
    /// drops it for a signal to reload reads the files anyway.
    pub(crate) async fn changed(&mut self) {
        if self.events.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(DEBOUNCE).await;
        while self.events.try_recv().is_ok() {}
    }
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::Origin;

    fn write(folder: &Path, name: &str, text: &str) {
        std::fs::write(folder.join(name), text).unwrap();
    }

    #[tokio::test]
    async fn a_bad_file_changes_nothing_and_a_good_one_everything() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let config = |users: &str| {
            format!(
                "[[service]]\nname = \"lake\"\ntype = \"delta\"\nlocation = \".\"\n[access]\nrules = [\"access.sql\"]\n{users}"
            )
        };
        write(root, "access.sql", "CREATE ROLE reader;");
        write(root, "lakegate.toml", &config("[[access.user]]\nname = \"ann\"\n"));
        let origin = Origin {
            config: Some(root.join("lakegate.toml")),
            demo: false,
            data_dir: None,
            demo_scale: 0.1,
        };
        let setup = Setup::load(&origin, &|_| {}).await.unwrap();
        let engine = setup.engine().unwrap();
        let mut reloader = Reloader::new(setup, engine.clone());
        let mut watch = Watch::start(reloader.files());
        assert!(engine.identity("ann").is_ok() && engine.identity("bob").is_err());

        write(
            root,
            "lakegate.toml",
            &config("[[access.user]]\nname = \"bob\"\nrole = [\"reader\"]\n"),
        );
        watch.changed().await;
        reloader.reload_if_changed();
        assert!(engine.identity("ann").is_ok() && engine.identity("bob").is_err());

        // As editors do: write beside, rename over.
        write(root, "new.toml", &config("[[access.user]]\nname = \"bob\"\n"));
        std::fs::rename(root.join("new.toml"), root.join("lakegate.toml")).unwrap();
        watch.changed().await;
        reloader.reload_if_changed();
        assert!(engine.identity("ann").is_err() && engine.identity("bob").is_ok());

        write(root, "access.sql", "CREATE NONSENSE;");
        reloader.reload("test");
        assert!(engine.identity("bob").is_ok());
    }
}
