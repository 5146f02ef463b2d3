//! Numbers that come again with their seed.

/// How much of something a variable of the environment asks for.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): small, and the same on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Some bytes, fewer than `end`.
    pub(crate) fn bytes(&mut self, end: usize) -> Vec<u8> {
        let length = self.below(end);
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// A text of letters from everywhere: controls, quotes, other planes, marks that combine.
    pub(crate) fn text(&mut self, end: usize) -> String {
        let length = self.below(end);
        (0..length).map(|_| self.letter()).collect()
    }

    fn letter(&mut self) -> char {
        const AWKWARD: [char; 18] = [
            '\'',
            '"',
            '`',
            '\\',
            '$',
            '{',
            '}',
            ':',
            '?',
            '-',
            '/',
            '*',
            ';',
            '\n',
            '\r',
            '\u{301}',
            '\u{1f600}',
            '%',
        ];
        match self.below(4) {
            0 => self.pick(&AWKWARD),
            1 => char::from(self.below(127) as u8 + 1),
            2 => char::from_u32(self.below(0xd7ff) as u32 + 1).unwrap_or('x'),
            _ => char::from_u32(self.below(0x10_ffff) as u32 + 1).unwrap_or('y'),
        }
    }
}
