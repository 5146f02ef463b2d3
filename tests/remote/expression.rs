//! Expressions over the columns of [`cases`](crate::cases), typed, in PostgreSQL's words.

use crate::random::Random;

/// What an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Small,
    Int,
    Long,
    Real,
    Double,
    Money,
    Wide,
    Text,
    Bytes,
    Day,
    Stamp,
    Moment,
}

impl Kind {
    pub(crate) const ALL: [Self; 13] = [
        Self::Boolean,
        Self::Small,
        Self::Int,
        Self::Long,
        Self::Real,
        Self::Double,
        Self::Money,
        Self::Wide,
        Self::Text,
        Self::Bytes,
        Self::Day,
        Self::Stamp,
        Self::Moment,
    ];

    /// Those of which `others` has a column.
    pub(crate) const SHARED: [Self; 7] = [
        Self::Boolean,
        Self::Int,
        Self::Long,
        Self::Double,
        Self::Money,
        Self::Text,
        Self::Day,
    ];

    /// Columns of this kind; the first is in `others` too, if any is.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Boolean => &["b"],
            Self::Small => &["s"],
            Self::Int => &["k", "id", "i"],
            Self::Long => &["l"],
            Self::Real => &["r"],
            Self::Double => &["d"],
            Self::Money => &["m"],
            Self::Wide => &["w"],
            Self::Text => &["t"],
            Self::Bytes => &["y"],
            Self::Day => &["a"],
            Self::Stamp => &["p"],
            Self::Moment => &["z"],
        }
    }

    fn literals(self) -> &'static [&'static str] {
        match self {
            Self::Boolean => &["true", "false"],
            Self::Small => &["0::smallint", "7::smallint", "(-1)::smallint", "32767::smallint"],
            Self::Int => &["0", "1", "(-7)", "42", "2147483647"],
            Self::Long => &["0::bigint", "5::bigint", "9223372036854775807", "(-1)::bigint"],
            Self::Real => &["0::real", "1.5::real", "'NaN'::real", "'-Infinity'::real"],
            Self::Double => &[
                "0::float8",
                "2.5::float8",
                "'NaN'::float8",
                "'Infinity'::float8",
                "0.1::float8",
            ],
            Self::Money => &["0.00::numeric(10,2)", "1.50::numeric(10,2)", "2.45::numeric(10,2)"],
            Self::Wide => &["0::numeric(38,10)", "1.0000000001::numeric(38,10)"],
            Self::Text => &[
                "''",
                "'a'",
                "'A'",
                "'b'",
                "' a '",
                "'it''s'",
                "'x\\y'",
                "'Łódź'",
                "'é'",
                "'😀b'",
                "'ß'",
                "'zz'",
            ],
            Self::Bytes => &["'\\x'::bytea", "'\\x00'::bytea", "'\\xff'::bytea"],
            Self::Day => &[
                "DATE '1970-01-01'",
                "DATE '2024-02-29'",
                "DATE '0001-01-01'",
                "DATE '9999-12-31'",
            ],
            Self::Stamp => &[
                "TIMESTAMP '1970-01-01 00:00:00'",
                "TIMESTAMP '2024-02-29 12:34:56.789012'",
            ],
            Self::Moment => &[
                "TIMESTAMPTZ '1970-01-01 00:00:00+00'",
                "TIMESTAMPTZ '2024-02-29 12:34:56.789012+00'",
            ],
        }
    }
}

/// Writes expressions over columns of `alias`.
#[derive(Debug)]
pub(crate) struct Expressions<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) alias: &'static str,
    /// Whether the table has only the columns of [`Kind::SHARED`].
    pub(crate) few: bool,
}

impl Expressions<'_> {
    pub(crate) fn kind(&mut self) -> Kind {
        match self.few {
            true => self.random.pick(&Kind::SHARED),
            false => self.random.pick(&Kind::ALL),
        }
    }

    pub(crate) fn column(&mut self, kind: Kind) -> String {
        let columns = kind.columns();
        let column = match (self.few, kind) {
            (true, Kind::Int) => self.random.pick(&columns[..2]),
            (true, _) => columns[0],
            (false, _) => self.random.pick(columns),
        };
        format!("{}.{column}", self.alias)
    }

    fn literal(&mut self, kind: Kind) -> String {
        match self.random.chance(8) {
            true => "NULL".to_owned(),
            false => self.random.pick(kind.literals()).to_owned(),
        }
    }

    /// An expression that cannot fail.
    pub(crate) fn value(&mut self, kind: Kind, depth: usize) -> String {
        if depth == 0 || self.random.chance(35) {
            return match self.random.chance(75) {
                true => self.column(kind),
                false => self.random.pick(kind.literals()).to_owned(),
            };
        }
        match self.random.below(4) {
            0 => {
                let condition = self.condition(depth - 1);
                let one = self.value(kind, depth - 1);
                let other = self.other(&one, kind, depth - 1);
                match self.random.chance(30) {
                    true => format!("CASE WHEN {condition} THEN {one} END"),
                    false => format!("CASE WHEN {condition} THEN {one} ELSE {other} END"),
                }
            }
            number @ (1 | 2) => {
                let one = self.value(kind, depth - 1);
                let other = self.other(&one, kind, depth - 1);
                format!("{}({one}, {other})", if number == 1 { "coalesce" } else { "nullif" })
            }
            _ => self.own(kind, depth - 1),
        }
    }

    /// One that differs from row to row: a constant is no key to group or order by.
    pub(crate) fn key(&mut self, kind: Kind, depth: usize) -> String {
        let value = self.value(kind, depth);
        match value.contains(&format!("{}.", self.alias)) {
            true => value,
            false => self.column(kind),
        }
    }

    /// Another one than `first`: what is compared with itself is settled without a look at a row.
    fn other(&mut self, first: &str, kind: Kind, depth: usize) -> String {
        for _ in 0..4 {
            let value = self.value(kind, depth);
            if value != first {
                return value;
            }
        }
        self.random.pick(kind.literals()).to_owned()
    }

    /// What only this kind has.
    fn own(&mut self, kind: Kind, depth: usize) -> String {
        match kind {
            Kind::Boolean => self.condition(depth),
            Kind::Int => {
                let (text, day) = (self.value(Kind::Text, depth), self.column(Kind::Day));
                let part = self.random.pick(&[
                    "year", "month", "day", "quarter", "doy", "dow", "week", "isodow", "isoyear",
                ]);
                match self.random.below(10) {
                    9 => format!("{}::int", self.column(Kind::Money)),
                    4 => format!("ascii({text})"),
                    5 => format!("bit_length({text})"),
                    6 => format!("({} & {})", self.column(kind), self.value(kind, depth)),
                    7 => format!("({} | {})", self.column(kind), self.value(kind, depth)),
                    8 => format!("({} # {})", self.column(kind), self.value(kind, depth)),
                    0 => format!("length({text})"),
                    1 => format!("position('a' IN {text})"),
                    2 => format!("extract({part} FROM {day})::int"),
                    _ => format!("octet_length({text})"),
                }
            }
            Kind::Long => match self.random.chance(50) {
                true => format!("{}::bigint", self.value(Kind::Int, depth)),
                false => format!("({} - {})", self.column(Kind::Day), self.value(Kind::Day, depth)),
            },
            Kind::Real => format!("{}::real", self.value(Kind::Int, depth)),
            Kind::Double => match self.random.below(3) {
                0 => format!("{}::float8", self.value(Kind::Int, depth)),
                1 => format!("abs({})", self.value(Kind::Double, depth)),
                _ => format!("floor({})", self.value(Kind::Double, depth)),
            },
            Kind::Money => format!("abs({})", self.value(Kind::Money, depth)),
            Kind::Text => self.text(depth),
            Kind::Stamp => {
                let part = self
                    .random
                    .pick(&["year", "quarter", "month", "week", "day", "hour", "minute", "second"]);
                match self.random.below(4) {
                    0 => format!("date_trunc('{part}', {})", self.value(Kind::Stamp, depth)),
                    1 => format!("date_trunc('{part}', {})", self.value(Kind::Day, depth)),
                    2 => {
                        let interval = self.random.pick(&["1 day", "-2 months", "90 minutes", "0.5 seconds"]);
                        format!("({} + interval '{interval}')", self.value(Kind::Stamp, depth))
                    }
                    _ => format!("{}::timestamp", self.value(Kind::Day, depth)),
                }
            }
            Kind::Day if self.few || self.random.chance(40) => {
                let (sign, days) = (
                    self.random.pick(&["+", "-"]),
                    self.random.pick(&["0", "1", "31", "366"]),
                );
                format!("({} {sign} {days})", self.value(Kind::Day, depth))
            }
            Kind::Day => format!("{}::date", self.value(Kind::Stamp, depth)),
            _ => self.column(kind),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        let text = self.value(Kind::Text, depth);
        let (start, count) = (self.random.below(6) as i64 - 1, self.random.below(5));
        match self.random.below(25) {
            24 => format!("translate({text}, 'aé ', '😀b')"),
            14 => format!("reverse({text})"),
            15 => format!("md5({text})"),
            16 => format!("lpad({text}, {count}, 'é-')"),
            17 => format!("rpad({text}, {count})"),
            18 => format!("repeat({text}, {count})"),
            19 => format!("concat_ws('-', {text}, {}, 'z')", self.value(Kind::Text, depth)),
            20 => format!(
                "split_part({text}, '{}', {})",
                self.random.pick(&["a", " ", "é"]),
                count + 1
            ),
            21 => format!("rtrim({text}, 'é bz')"),
            22 => format!("btrim({text}, 'aŁ')"),
            23 if !self.few => format!("{}::text", self.column(Kind::Wide)),
            0 => format!("({text} || {})", self.value(Kind::Text, depth)),
            1 => format!("substr({text}, {start}, {count})"),
            2 => format!("substr({text}, {start})"),
            3 => format!("left({text}, {start})"),
            4 => format!("right({text}, {start})"),
            5 => format!("replace({text}, 'a', '-é')"),
            6 => format!("trim({text})"),
            7 => format!("ltrim({text}, ' a')"),
            8 => format!("lower({text})"),
            9 => format!("upper({text})"),
            10 => format!("concat({text}, {})", self.literal(Kind::Text)),
            11 => format!("{}::text", self.value(Kind::Int, depth)),
            12 => format!("{}::text", self.value(Kind::Day, depth)),
            _ => format!("{}::text", self.value(Kind::Money, depth)),
        }
    }

    /// A condition that cannot fail.
    pub(crate) fn condition(&mut self, depth: usize) -> String {
        if depth > 0 && self.random.chance(45) {
            let one = self.condition(depth - 1);
            return match self.random.below(5) {
                0 | 1 => format!("({one} AND {})", self.condition(depth - 1)),
                2 | 3 => format!("({one} OR {})", self.condition(depth - 1)),
                _ => format!("(NOT {one})"),
            };
        }
        let kind = self.kind();
        let below = depth.saturating_sub(1);
        let value = self.value(kind, below);
        let not = self.random.pick(&["", "NOT "]);
        match self.random.below(11) {
            0 => format!("({value} IS {not}NULL)"),
            1 => {
                let list = [self.literal(kind), self.literal(kind), self.literal(kind)].join(", ");
                format!("({value} {not}IN ({list}))")
            }
            2 => format!(
                "({value} {not}BETWEEN {} AND {})",
                self.literal(kind),
                self.literal(kind)
            ),
            3 => format!("({value} IS {not}DISTINCT FROM {})", self.other(&value, kind, below)),
            4 => {
                let pattern = self
                    .random
                    .pick(&["'a%'", "'%b'", "'_'", "'%\\%%'", "'%''%'", "'%é%'", "''", "'%'", "'__'"]);
                format!("({} {not}LIKE {pattern})", self.value(Kind::Text, below))
            }
            5 => format!("({} IS {not}TRUE)", self.column(Kind::Boolean)),
            6 => {
                let pattern = self.random.pick(&[
                    "'^[a-z]'",
                    "'b|ß'",
                    "'[^a-z ]'",
                    "'a[a-z_]*c?'",
                    "'^ *a'",
                    "'^t[a]b?|e'",
                    "'[A-Z0-9]+'",
                ]);
                let not = self.random.pick(&["~", "!~"]);
                format!("({} {not} {pattern})", self.value(Kind::Text, below))
            }
            _ => {
                let operator = self.random.pick(&["=", "<>", "<", "<=", ">", ">="]);
                format!("({value} {operator} {})", self.other(&value, kind, below))
            }
        }
    }

    /// An expression that fails for some values, perhaps. It stands where each row is looked at, on every route.
    pub(crate) fn daring(&mut self) -> String {
        const NUMBERS: [Kind; 7] = [
            Kind::Small,
            Kind::Int,
            Kind::Long,
            Kind::Real,
            Kind::Double,
            Kind::Money,
            Kind::Wide,
        ];
        let kind = self.random.pick(&NUMBERS);
        let other = if self.random.chance(60) {
            kind
        } else {
            self.random.pick(&NUMBERS)
        };
        let (one, another) = (self.column(kind), self.value(other, 1));
        match self.random.below(10) {
            9 => {
                let (kind, places) = (self.random.pick(&[Kind::Money, Kind::Wide]), self.random.below(4));
                format!("round({}, {places})", self.value(kind, 1))
            }
            0 => format!("-{one}"),
            1 => format!("abs({one})"),
            2 => format!(
                "{one}::{}",
                self.random
                    .pick(&["smallint", "int", "bigint", "float8", "numeric(12,3)", "text"])
            ),
            3 => format!("{}::int", self.column(Kind::Text)),
            4 => format!("{} + {}", self.column(Kind::Day), self.value(Kind::Int, 0)),
            5 => format!("round({one})"),
            _ => {
                let operator = self.random.pick(&["+", "-", "*", "/", "%"]);
                format!("{one} {operator} {another}")
            }
        }
    }
}
