//! The prompt: reads statements until their semicolon, runs them, and goes on after an error.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use contract::{Error, ErrorKind, Result};
use engine::{ClientSession, TransactionStatus};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};
use tokio::runtime::Runtime;

use super::Door;
use super::helper::SqlHelper;
use super::meta::{self, Meta};
use super::runner::{Runner, rows_of};
use crate::command::print_error;
use crate::output::{Format, Pager, Target, is_broken_pipe};

/// Lines of history kept.
const HISTORY_MAX: usize = 10_000;
/// Names for completion are a comfort; a slow service must not hold up the prompt for them.
const NAMES_TIMEOUT: Duration = Duration::from_secs(3);
/// If the terminal does not say how high it is.
const SCREEN_LINES: usize = 24;

type LineEditor = Editor<SqlHelper, FileHistory>;

pub(crate) fn run(
    runtime: &Runtime,
    door: Door,
    session: ClientSession,
    format: Format,
    output: Option<&Path>,
) -> Result<ExitCode> {
    let config = Config::builder().max_history_size(HISTORY_MAX).map_err(editor_failed)?;
    let config = config
        .completion_type(CompletionType::List)
        .auto_add_history(true)
        .build();
    let mut editor = LineEditor::with_config(config).map_err(editor_failed)?;
    editor.set_helper(Some(SqlHelper::default()));
    let history = history_file();
    if let Some(history) = &history {
        let _ = editor.load_history(history);
    }
    let file = output.map(Target::file).transpose()?;
    let mut prompt = Prompt {
        runtime,
        door,
        runner: Runner::new(session, format),
        file,
    };
    prompt.show(&format!("lakegate {}; \\? helps\n", env!("CARGO_PKG_VERSION")));
    prompt.load_names(&mut editor);
    loop {
        match editor.readline(&prompt.text()) {
            Ok(line) => {
                if !prompt.line(&line, &mut editor) {
                    break;
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(editor_failed(error)),
        }
    }
    if let Some(history) = &history {
        let _ = editor.save_history(history);
    }
    prompt.file.take().map_or(Ok(()), Target::finish)?;
    Ok(ExitCode::SUCCESS)
}

fn editor_failed(error: ReadlineError) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("the terminal cannot be used: {error}"),
    )
}

/// `lakegate/history` in the user's state folder.
fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    let folder = state.join("lakegate");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

struct Prompt<'r> {
    runtime: &'r Runtime,
    door: Door,
    runner: Runner,
    file: Option<Target>,
}

impl Prompt<'_> {
    /// `samples=>` or, as an administrator, `samples=#`; `*` in a transaction, `!` in a failed one.
    fn text(&self) -> String {
        let session = &self.runner.session;
        let state = match session.transaction_status() {
            TransactionStatus::Idle => "",
            TransactionStatus::Open => "*",
            TransactionStatus::Failed => "!",
        };
        let sign = if session.identity().is_administrator() {
            '#'
        } else {
            '>'
        };
        let user = self
            .door
            .user
            .as_deref()
            .map(|user| format!("{user}@"))
            .unwrap_or_default();
        format!("{user}{}={state}{sign} ", session.catalog())
    }

    /// Does what a line says; false at the end.
    fn line(&mut self, line: &str, editor: &mut LineEditor) -> bool {
        if !line.trim_start().starts_with('\\') {
            self.execute(line, editor);
            return true;
        }
        match meta::parse(line) {
            Meta::Quit => return false,
            Meta::Query(sql) => {
                let format = std::mem::replace(&mut self.runner.format, Format::Table);
                self.execute(&sql, editor);
                self.runner.format = format;
            }
            Meta::Help => self.show(meta::HELP),
            Meta::Wrong(message) => self.show(&format!("{message}\n")),
            Meta::Expanded => {
                self.runner.expanded = !self.runner.expanded;
                self.show(&format!("Expanded display is {}.\n", on_off(self.runner.expanded)));
            }
            Meta::Timing => {
                self.runner.timing = !self.runner.timing;
                self.show(&format!("Timing is {}.\n", on_off(self.runner.timing)));
            }
            Meta::Format(name) => match Format::from_str(&name, true) {
                Ok(format) => self.runner.format = format,
                Err(_) => self.show(&format!("{name} is no format; \\? lists them\n")),
            },
            Meta::Connect(catalog) => self.reopen(
                Door {
                    catalog: Some(catalog),
                    ..self.door.clone()
                },
                editor,
            ),
            Meta::User(user) => self.reopen(
                Door {
                    user,
                    ..self.door.clone()
                },
                editor,
            ),
            Meta::Output(path) => self.redirect(path.as_deref()),
            Meta::Include(path) => match std::fs::read_to_string(&path) {
                Ok(sql) => self.execute(&sql, editor),
                Err(error) => self.show(&format!("cannot read {path}: {error}\n")),
            },
        }
        true
    }

    fn execute(&mut self, sql: &str, editor: &mut LineEditor) {
        if sql.trim().is_empty() {
            return;
        }
        let mut screen = None;
        let target = match &mut self.file {
            Some(file) => file,
            None => {
                if self.runner.format.is_binary() && std::io::stdout().is_terminal() {
                    self.show("this format is not for a terminal: name a file with \\o\n");
                    return;
                }
                let lines = editor
                    .dimensions()
                    .map_or(SCREEN_LINES, |(_, lines)| usize::from(lines));
                screen.insert(Target::Pager(Pager::new(lines.saturating_sub(2))))
            }
        };
        self.runner.show_progress = !matches!(target, Target::Pager(_));
        let done = self.runtime.block_on(self.runner.run(sql, target));
        let shown = screen.map_or(Ok(()), Target::finish);
        match done.and(shown) {
            Ok(()) => {}
            Err(error) if is_broken_pipe(&error) => {}
            Err(error) => print_error(&error, Some(sql)),
        }
    }

    fn reopen(&mut self, door: Door, editor: &mut LineEditor) {
        match door.open() {
            Ok(session) => {
                self.door = door;
                self.runner.session = session;
                self.load_names(editor);
            }
            Err(error) => print_error(&error, None),
        }
    }

    fn redirect(&mut self, path: Option<&str>) {
        let finished = self.file.take().map_or(Ok(()), Target::finish);
        let opened = finished.and_then(|()| path.map(|path| Target::file(Path::new(path))).transpose());
        match opened {
            Ok(file) => self.file = file,
            Err(error) => print_error(&error, None),
        }
    }

    /// Asks the catalog for names to complete; without an answer there are only keywords.
    fn load_names(&mut self, editor: &mut LineEditor) {
        let asked = tokio::time::timeout(NAMES_TIMEOUT, rows_of(&mut self.runner.session, meta::NAMES));
        let rows = self.runtime.block_on(async { asked.await.ok().and_then(Result::ok) });
        let mut names = BTreeSet::new();
        for row in rows.unwrap_or_default() {
            if let [Some(schema), Some(table), Some(column)] = row.as_slice() {
                names.insert(format!("{schema}.{table}"));
                names.insert(table.clone());
                names.insert(column.clone());
            }
        }
        if let Some(helper) = editor.helper_mut() {
            helper.names = names.into_iter().collect();
        }
    }

    fn show(&self, text: &str) {
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
