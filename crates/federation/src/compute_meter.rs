use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a statement is taken to need before its first row where none was run yet. A warehouse or cluster that is up
/// answers within this.
const START_DEFAULT: Duration = Duration::from_millis(700);
/// How much a new measurement counts: one in so many.
const WEIGHT: u64 = 4;

/// How long a system takes to begin an answer, as seen lately. Measured by every statement, asked while planning.
#[derive(Debug, Default)]
pub struct ComputeMeter {
    /// Zero until something was measured.
    start_us: AtomicU64,
}

impl ComputeMeter {
    /// From sending a statement to its first rows, smoothed over the last few.
    pub fn start(&self) -> Duration {
        match self.start_us.load(Ordering::Relaxed) {
            0 => START_DEFAULT,
            start => Duration::from_micros(start),
        }
    }

    /// Adds a measurement.
    pub fn began_after(&self, time: Duration) {
        let new = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        // Two at once lose one of them, which an average does not mind.
        let old = self.start_us.load(Ordering::Relaxed);
        let next = match old {
            0 => new,
            old => old - old / WEIGHT + new / WEIGHT,
        };
        self.start_us.store(next.max(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_measurements_count_most() {
        let meter = ComputeMeter::default();
        assert_eq!(meter.start(), START_DEFAULT);
        meter.began_after(Duration::from_secs(8));
        assert_eq!(meter.start(), Duration::from_secs(8));
        for _ in 0..30 {
            meter.began_after(Duration::from_millis(100));
        }
        assert!(meter.start() < Duration::from_millis(120), "{:?}", meter.start());
    }
}
