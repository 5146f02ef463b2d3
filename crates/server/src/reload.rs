//! Rules, users, services and certificates anew while clients are connected: on SIGHUP, and when a file changes.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::{Error, ErrorKind, Result};
use engine::{AccessConfig, Engine};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::{self, Config, Listen, ServiceConfig};
use crate::doors::{self, Doors};
use crate::rule_check;
use crate::wiring::Setup;

/// Writing a file is several events; this long after the first one all of them have come.
const DEBOUNCE: Duration = Duration::from_millis(300);

/// Reads the configuration again and puts it in force, all or nothing.
#[derive(Debug)]
pub(crate) struct Reloader {
    setup: Setup,
    /// The configuration as the start found it, without what the command line says.
    started: Config,
    engine: Engine,
    /// Compares the rules in force with what exists.
    comparing: Option<JoinHandle<()>>,
    services: Vec<ServiceConfig>,
    files: Vec<PathBuf>,
    fingerprint: u64,
}

impl Reloader {
    /// `started` is the configuration as the file has it.
    pub(crate) fn new(setup: Setup, started: Config, engine: Engine) -> Self {
        let files = if setup.demo.is_some() {
            Vec::new()
        } else {
            started.files()
        };
        let fingerprint = fingerprint(&files);
        Self {
            services: started.services.clone(),
            setup,
            started,
            engine,
            comparing: None,
            files,
            fingerprint,
        }
    }

    /// Starts to compare rules, users and sources, and to log what does not fit. It must run inside a runtime.
    pub(crate) fn compare_rules(&mut self) {
        // It was read a moment ago; if it cannot be read again, there is nothing to compare.
        if let Ok(access) = self.setup.access(&self.started) {
            self.compare(access);
        }
    }

    fn compare(&mut self, access: AccessConfig) {
        if let Some(earlier) = self.comparing.take() {
            earlier.abort();
        }
        self.comparing = Some(rule_check::log_in_background(access, self.engine.clone()));
    }

    /// The files that matter.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Reloads if some file's content differs from what was last looked at.
    pub(crate) fn reload_if_changed(&mut self, doors: &Doors) {
        if fingerprint(&self.files) != self.fingerprint {
            self.reload("a file changed", doors);
        }
    }

    /// Reloads; a mistake changes nothing and is logged.
    pub(crate) fn reload(&mut self, why: &str, doors: &Doors) {
        if self.setup.demo.is_some() {
            tracing::info!(why, "nothing to reload: the demo's rules are built in");
            return;
        }
        self.fingerprint = fingerprint(&self.files);
        match self.try_reload(doors) {
            Ok(()) => tracing::info!(why, "reloaded rules, users, services and certificates"),
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

    fn try_reload(&mut self, doors: &Doors) -> Result<()> {
        let config = self.setup.read_again()?;
        self.check_reachable(&config)?;
        let access = self.setup.access(&config)?;
        let login = self.setup.token_login(&config)?;
        // Before anything changes.
        doors.check_tls()?;
        // Sources that stay as they are keep their open tables.
        if config.services != self.services || config.services.iter().any(has_files) {
            self.engine.reload_sources(self.setup.sources(&config)?)?;
            self.services.clone_from(&config.services);
            self.engine.reload_token_login(login);
        }
        doors.reload_tls()?;
        self.engine.reload_access(access.clone());
        self.files = config.files();
        // The certificates in use are those of the start, whatever the file names now.
        let started = self.started.files();
        self.files
            .extend(started.into_iter().filter(|file| !config.files().contains(file)));
        self.fingerprint = fingerprint(&self.files);
        for key in config::changed_keys(&self.started, &config) {
            tracing::warn!("{key} has changed, which takes effect at the next start only");
        }
        self.compare(access);
        Ok(())
    }

    /// The addresses stay what they were at the start: none must become open to everybody.
    fn check_reachable(&self, config: &Config) -> Result<()> {
        if config.access.is_some() {
            return Ok(());
        }
        for listen in doors::addresses(&self.setup.config.server) {
            if let Listen::On(address) = listen
                && !address.is_loopback()
            {
                let message = format!("[access] is gone, but the server listens on {address}");
                return Err(Error::new(ErrorKind::Configuration, message));
            }
        }
        Ok(())
    }
}

fn has_files(service: &ServiceConfig) -> bool {
    !service.kind.files().is_empty()
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
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use std::net::SocketAddr;
    use std::sync::Arc;

    use super::*;
    use crate::wiring::Origin;

    /// All doors on free ports.
    const PORTS: &str = "postgres = \"127.0.0.1:0\"\nflight = \"127.0.0.1:0\"\nrest = \"127.0.0.1:0\"\n";

    async fn open(setup: &Setup, engine: &Engine) -> Doors {
        let mut doors = Doors::open(&setup.config.server).await.unwrap();
        doors.serve(engine);
        doors
    }

    fn write(folder: &Path, name: &str, text: &str) {
        std::fs::write(folder.join(name), text).unwrap();
    }

    #[tokio::test]
    async fn a_bad_file_changes_nothing_and_a_good_one_everything() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let config = |users: &str| {
            format!(
                "[server]\n{PORTS}[[service]]\nname = \"lake\"\ntype = \"delta\"\nlocation = \".\"\n[access]\nrules = [\"access.sql\"]\n{users}"
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
        let started = setup.config.clone();
        let doors = open(&setup, &engine).await;
        let mut reloader = Reloader::new(setup, started, engine.clone());
        let mut watch = Watch::start(reloader.files());
        assert!(engine.identity("ann").is_ok() && engine.identity("bob").is_err());

        write(
            root,
            "lakegate.toml",
            &config("[[access.user]]\nname = \"bob\"\nrole = [\"reader\"]\n"),
        );
        watch.changed().await;
        reloader.reload_if_changed(&doors);
        assert!(engine.identity("ann").is_ok() && engine.identity("bob").is_err());

        // As editors do: write beside, rename over.
        write(root, "new.toml", &config("[[access.user]]\nname = \"bob\"\n"));
        std::fs::rename(root.join("new.toml"), root.join("lakegate.toml")).unwrap();
        watch.changed().await;
        reloader.reload_if_changed(&doors);
        assert!(engine.identity("ann").is_err() && engine.identity("bob").is_ok());

        write(root, "access.sql", "CREATE NONSENSE;");
        reloader.reload("test", &doors);
        assert!(engine.identity("bob").is_ok());
    }

    #[test]
    fn keys_that_only_a_start_reads_are_told() {
        let read = |text: &str| config::parse("t.toml", Path::new(""), text, []).unwrap();
        let old = read("[server]\npostgres = \"127.0.0.1:1\"\n[engine]\nmemory_limit = \"1GiB\"\n");
        assert_eq!(config::changed_keys(&old, &old), [""; 0]);
        let new = read(
            "[server]\npostgres = \"127.0.0.1:2\"\ndrain_timeout = \"1s\"\n[engine]\nmemory_limit = \"2GiB\"\n[access]\nrules = []\n",
        );
        let expected = ["server.postgres", "server.drain_timeout", "engine.memory_limit"];
        assert_eq!(config::changed_keys(&old, &new), expected);
        let tls = read("[server]\ntls = { cert = \"c.pem\", key = \"k.pem\", client_ca = \"a.pem\" }\n");
        assert_eq!(tls.files(), ["c.pem", "k.pem", "a.pem"].map(PathBuf::from));
    }

    fn certificate(folder: &Path) -> bool {
        let made = std::process::Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-out")
            .arg(folder.join("cert.pem"))
            .arg("-keyout")
            .arg(folder.join("key.pem"))
            .output();
        made.is_ok_and(|made| made.status.success())
    }

    /// Whether a client that trusts the certificate in the file can open a connection.
    async fn trusted_at(folder: &Path, protocol: &'static str, address: SocketAddr) -> bool {
        let certificate = CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap();
        tokio::task::spawn_blocking(move || {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(certificate).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let mut client = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            client.alpn_protocols = vec![protocol.as_bytes().to_vec()];
            let mut tls = rustls::ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            while tls.is_handshaking() {
                if tls.complete_io(&mut stream).is_err() {
                    return false;
                }
            }
            true
        })
        .await
        .unwrap()
    }

    /// Whether each door is trusted, all of them alike.
    async fn trusted(folder: &Path, doors: &Doors) -> bool {
        let mut all = Vec::new();
        for (protocol, address) in ["postgresql", "h2", "http/1.1"].into_iter().zip(doors.bound()) {
            all.push(trusted_at(folder, protocol, address.unwrap()).await);
        }
        assert!(all.iter().all(|trusted| *trusted == all[0]), "{all:?}");
        all[0]
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reload_takes_new_certificates_or_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        if !certificate(root) {
            eprintln!("SKIPPED: openssl is not installed, so there is no certificate to test TLS with");
            assert!(std::env::var_os("CI").is_none(), "CI must have openssl");
            return;
        }
        let config = |users: &str| {
            format!(
                "[server]\n{PORTS}tls = {{ cert = \"cert.pem\", key = \"key.pem\" }}\n[[service]]\nname = \"lake\"\ntype = \"delta\"\nlocation = \".\"\n[access]\nrules = []\n{users}"
            )
        };
        write(root, "lakegate.toml", &config("[[access.user]]\nname = \"ann\"\n"));
        let origin = Origin {
            config: Some(root.join("lakegate.toml")),
            demo: false,
            data_dir: None,
            demo_scale: 0.1,
        };
        let setup = Setup::load(&origin, &|_| {}).await.unwrap();
        let started = setup.config.clone();
        let engine = setup.engine().unwrap();
        let mut doors = open(&setup, &engine).await;
        let mut reloader = Reloader::new(setup, started, engine.clone());
        assert!(reloader.files().contains(&root.join("cert.pem")));
        assert!(trusted(root, &doors).await);

        assert!(certificate(root));
        assert!(!trusted(root, &doors).await, "the old one is served until it is told");
        reloader.reload("SIGHUP", &doors);
        assert!(trusted(root, &doors).await);

        // A key that is none: neither it nor the new user comes in force.
        write(root, "key.pem", "nonsense");
        write(root, "lakegate.toml", &config("[[access.user]]\nname = \"bob\"\n"));
        reloader.reload("SIGHUP", &doors);
        assert!(trusted(root, &doors).await);
        assert!(engine.identity("ann").is_ok() && engine.identity("bob").is_err());

        assert!(certificate(root));
        reloader.reload_if_changed(&doors);
        assert!(trusted(root, &doors).await);
        assert!(engine.identity("ann").is_err() && engine.identity("bob").is_ok());
        doors
            .drain(Duration::from_secs(60), std::future::pending())
            .await
            .unwrap();
    }
}
