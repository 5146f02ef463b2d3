//! The folder of the demo's tables: a marker says whose it is and at which scale, a lock keeps two processes from
//! making it at once, and a table appears complete or not at all.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use contract::{Error, ErrorKind, Result};
use serde_json::json;
use tempfile::TempDir;
use url::Url;

use super::CATALOG;
use super::table::DemoTable;

/// Changes when other rows are generated; a folder of another number is made anew.
const GENERATOR_VERSION: u64 = 2;
const MARKER: &str = "lakegate-demo.json";
const LOCK: &str = ".lock";
const TEMPORARY: &str = ".making-";

/// The demo's folder, in use as long as this lives.
#[derive(Debug)]
pub struct DemoFolder {
    root: PathBuf,
    lock: File,
    complete: bool,
}

impl DemoFolder {
    /// Opens or starts the folder. If tables are missing, this process alone holds it until [`share`](Self::share).
    pub(crate) fn open(root: &Path, scale: f64, tables: &[DemoTable]) -> Result<Self> {
        fs::create_dir_all(root).map_err(|error| unusable(root, &error))?;
        let root = fs::canonicalize(root).map_err(|error| unusable(root, &error))?;
        let marker = marker(scale);
        match fs::read_to_string(root.join(MARKER)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => refuse_foreign(&root)?,
            Err(error) => return Err(unusable(&root, &error)),
        }
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .open(root.join(LOCK));
        let lock = lock.map_err(|error| unusable(&root, &error))?;
        let mut folder = Self {
            root,
            lock,
            complete: false,
        };
        let has_all = |folder: &Self| folder.has_marker(&marker) && tables.iter().all(|table| folder.has(table));
        folder.wait_shared()?;
        if !has_all(&folder) {
            folder.lock.unlock().map_err(|error| unusable(&folder.root, &error))?;
            match folder.lock.try_lock() {
                Ok(()) => {
                    folder.begin(&marker)?;
                    return Ok(folder);
                }
                // Another process makes the tables, or serves them.
                Err(TryLockError::WouldBlock) => folder.wait_shared()?,
                Err(TryLockError::Error(error)) => return Err(unusable(&folder.root, &error)),
            }
        }
        if !has_all(&folder) {
            let message = format!(
                "{} is in use by another lakegate with other demo data",
                folder.root.display()
            );
            let hint = "Stop that one, use its --demo-scale, or choose another --data-dir.";
            return Err(Error::new(ErrorKind::Configuration, message).with_hint(hint));
        }
        folder.complete = true;
        Ok(folder)
    }

    fn wait_shared(&self) -> Result<()> {
        self.lock.lock_shared().map_err(|error| unusable(&self.root, &error))
    }

    /// Clears what an interrupted start or another scale left behind. This process alone holds the folder.
    fn begin(&self, marker: &str) -> Result<()> {
        let entries = fs::read_dir(&self.root).map_err(|error| unusable(&self.root, &error))?;
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                fs::remove_dir_all(entry.path()).map_err(|error| unusable(&self.root, &error))?;
            }
        }
        if !self.has_marker(marker) {
            self.start_anew(marker).map_err(|error| unusable(&self.root, &error))?;
        }
        Ok(())
    }

    fn start_anew(&self, marker: &str) -> io::Result<()> {
        match fs::rename(self.tables(), self.root.join(format!("{TEMPORARY}old"))) {
            Ok(()) => fs::remove_dir_all(self.root.join(format!("{TEMPORARY}old")))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut file = tempfile::NamedTempFile::new_in(&self.root)?;
        io::Write::write_all(&mut file, marker.as_bytes())?;
        file.persist(self.root.join(MARKER))?;
        Ok(())
    }

    fn has_marker(&self, marker: &str) -> bool {
        fs::read_to_string(self.root.join(MARKER)).is_ok_and(|text| text == marker)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(crate) fn has(&self, table: &DemoTable) -> bool {
        self.table_folder(table).join("_delta_log").is_dir()
    }

    fn table_folder(&self, table: &DemoTable) -> PathBuf {
        self.tables().join(table.schema).join(table.name)
    }

    /// A folder to make a table in, gone again if it is not kept.
    pub(crate) fn temporary(&self) -> Result<TempDir> {
        tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempdir_in(&self.root)
            .map_err(|error| unusable(&self.root, &error))
    }

    /// Moves a finished table to its place in one step.
    pub(crate) fn keep(&self, temporary: TempDir, table: &DemoTable) -> Result<()> {
        let place = self.table_folder(table);
        let moved = || -> io::Result<()> {
            if let Some(schema) = place.parent() {
                fs::create_dir_all(schema)?;
            }
            // Made with this user's eyes only; the finished table has a data folder's usual permissions.
            #[cfg(unix)]
            fs::set_permissions(temporary.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
            fs::rename(temporary.path(), &place)
        };
        moved().map_err(|error| unusable(&self.root, &error))?;
        // The folder is no longer where the handle would delete it.
        let _moved_away = temporary.keep();
        Ok(())
    }

    /// Ends the making: from here on other processes may use the folder too.
    pub(crate) fn share(self) -> Result<Self> {
        self.wait_shared()?;
        Ok(Self { complete: true, ..self })
    }

    fn tables(&self) -> PathBuf {
        self.root.join(CATALOG)
    }

    /// Where the tables lie, as the location of a Delta service.
    ///
    /// # Errors
    /// `Internal` if the path cannot be written as a URL.
    pub fn location(&self) -> Result<Url> {
        Url::from_directory_path(self.tables()).map_err(|()| Error::internal("the demo's folder is no URL"))
    }
}

fn marker(scale: f64) -> String {
    json!({ "generator": "lakegate demo", "version": GENERATOR_VERSION, "scale": scale }).to_string()
}

/// A folder that the demo did not make is not written to, let alone cleared.
fn refuse_foreign(root: &Path) -> Result<()> {
    let entries = fs::read_dir(root).map_err(|error| unusable(root, &error))?;
    let foreign = entries
        .flatten()
        .map(|entry| entry.file_name())
        .find(|name| name != LOCK && !name.to_string_lossy().starts_with(".tmp"));
    let Some(foreign) = foreign else { return Ok(()) };
    let message = format!("{} is not empty and was not made by the demo", root.display());
    let detail = format!("It holds {}.", foreign.display());
    let hint = "Choose an empty or new folder with --data-dir.";
    Err(Error::new(ErrorKind::Configuration, message)
        .with_detail(detail)
        .with_hint(hint))
}

fn unusable(root: &Path, error: &io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::StorageFull {
        ErrorKind::DiskFull
    } else {
        ErrorKind::Configuration
    };
    Error::new(
        kind,
        format!("the demo's folder {} cannot be used: {error}", root.display()),
    )
}
