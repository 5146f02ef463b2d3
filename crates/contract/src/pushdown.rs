use std::fmt;
use std::str::FromStr;

/// What happens to a statement for which a remote system sends many rows to be joined, aggregated or sorted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum PushdownMode {
    /// It runs.
    #[default]
    Auto,
    /// It runs, and the client is told.
    Warn,
    /// It is refused.
    Strict,
}

impl PushdownMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Warn, Self::Strict];

    /// The words of all, in the same order.
    pub const WORDS: [&'static str; 3] = [Self::Auto.word(), Self::Warn.word(), Self::Strict.word()];

    /// Its word, as in `SET lakegate.pushdown`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Warn => "warn",
            Self::Strict => "strict",
        }
    }
}

impl fmt::Display for PushdownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for PushdownMode {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|mode| mode.word() == word).ok_or(())
    }
}

/// How many rows of one remote statement may come for work that is done here, and what happens beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PushdownLimit {
    /// What happens beyond.
    pub mode: PushdownMode,
    /// The most rows.
    pub rows: u64,
}

impl PushdownLimit {
    /// The most rows where nobody says otherwise: what a second or two bring.
    pub const ROWS_DEFAULT: u64 = 1_000_000;
}

impl Default for PushdownLimit {
    fn default() -> Self {
        Self {
            mode: PushdownMode::default(),
            rows: Self::ROWS_DEFAULT,
        }
    }
}
