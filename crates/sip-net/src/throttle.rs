//! A log line that a stranger can cause is written now and then only.

use std::time::Duration;

use tokio::time::Instant;

/// How often one kind of line is written at most.
const EVERY: Duration = Duration::from_secs(60);

/// Counts what is not worth a line of its own.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    last: Option<Instant>,
    silent: u64,
}

impl Throttle {
    /// Notes that something has happened. Returns how often it has happened since the last line,
    /// this time included, when it is time for another one.
    pub fn note(&mut self) -> Option<u64> {
        self.silent += 1;
        let now = Instant::now();
        if self.last.is_some_and(|last| now.duration_since(last) < EVERY) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_a_minute_tells_of_all() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.note(), Some(1));
        assert_eq!((throttle.note(), throttle.note()), (None, None));
        tokio::time::advance(EVERY).await;
        assert_eq!(throttle.note(), Some(3));
        assert_eq!(throttle.note(), None);
    }
}
