//! Where output goes: a stream, or a file that appears only when it is complete.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use contract::{Error, ErrorKind, Result};
use tempfile::NamedTempFile;

use super::pager::Pager;
use super::write_failed;

/// A place for output.
pub(crate) enum Target {
    /// Standard output.
    Stdout(BufWriter<io::Stdout>),
    /// A device or a pipe, which cannot be replaced.
    Direct(BufWriter<File>),
    /// A file beside its final place; [`finish`](Target::finish) renames it.
    File(BufWriter<NamedTempFile>, PathBuf),
    /// The screen, page by page.
    Pager(Pager),
}

impl Target {
    pub(crate) fn stdout() -> Self {
        Self::Stdout(BufWriter::new(io::stdout()))
    }

    /// Opens `path` for writing. An existing file stays as it is until [`finish`](Self::finish).
    pub(crate) fn file(path: &Path) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::new(
                ErrorKind::Configuration,
                format!("cannot write {}: {error}", path.display()),
            )
            .with_source(error)
        };
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(failed(io::ErrorKind::IsADirectory.into())),
            Ok(metadata) if !metadata.is_file() => {
                return Ok(Self::Direct(BufWriter::new(
                    OpenOptions::new().write(true).open(path).map_err(failed)?,
                )));
            }
            _ => {}
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        // As any new file: the user's umask decides.
        let file = builder
            .prefix(".lakegate-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder);
        Ok(Self::File(BufWriter::new(file.map_err(failed)?), path.to_owned()))
    }

    /// Completes the output; without this a file never appears.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush().map_err(write_failed),
            Self::Direct(mut out) => out.flush().map_err(write_failed),
            Self::File(out, path) => {
                let file = out.into_inner().map_err(|error| write_failed(error.into_error()))?;
                file.as_file().sync_all().map_err(write_failed)?;
                file.persist(path).map_err(|error| write_failed(error.error))?;
                Ok(())
            }
            Self::Pager(pager) => pager.finish().map_err(write_failed),
        }
    }

    pub(crate) fn writer(&mut self) -> &mut (dyn Write + Send) {
        match self {
            Self::Stdout(out) => out,
            Self::Direct(out) => out,
            Self::File(out, _) => out,
            Self::Pager(pager) => pager,
        }
    }
}
