use std::fmt;
use std::str::FromStr;

/// Where the work on a remote table is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Route {
    /// Wherever it is best, of the ways that are allowed.
    #[default]
    Auto,
    /// The engine reads the table's files.
    Direct,
    /// A SQL warehouse runs a statement.
    Warehouse,
    /// A Spark Connect server runs a statement.
    Spark,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Direct, Self::Warehouse, Self::Spark];

    /// The words of all, in the same order.
    pub const WORDS: [&'static str; 4] = [
        Self::Auto.word(),
        Self::Direct.word(),
        Self::Warehouse.word(),
        Self::Spark.word(),
    ];

    /// Its word, as in configuration and `SET lakegate.route`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Direct => "direct",
            Self::Warehouse => "warehouse",
            Self::Spark => "spark",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Route {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|route| route.word() == word).ok_or(())
    }
}
