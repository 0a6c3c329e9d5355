//! What is typed at the terminal, line by line.

use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The longest line taken, in bytes; what is longer is cut.
const LONGEST: u64 = 32 * 1024;

/// Who gets what is typed. The thread that reads cannot be stopped while it waits, so there is one for the
/// whole process, and a command that follows another takes its place.
static TAKER: Mutex<Option<Taker>> = Mutex::new(None);

/// Gets every line, at the end `None`, and says whether it wants more.
type Taker = Box<dyn FnMut(Option<String>) -> bool + Send>;

/// Hands what is typed to `take` from now on.
///
/// # Errors
/// There is no thread to be had.
pub fn read(take: impl FnMut(Option<String>) -> bool + Send + 'static) -> io::Result<()> {
    *taker() = Some(Box::new(take));
    if OVER.load(Relaxed) {
        hand_over(None);
    }
    if STARTED.swap(true, Relaxed) {
        return Ok(());
    }
    std::thread::Builder::new().name("terminal".to_owned()).spawn(|| {
        while let Ok(Some(line)) = next(&mut io::stdin().lock()) {
            hand_over(Some(line));
        }
        OVER.store(true, Relaxed);
        hand_over(None);
    })?;
    Ok(())
}

static STARTED: AtomicBool = AtomicBool::new(false);
/// Nothing more will be typed.
static OVER: AtomicBool = AtomicBool::new(false);

fn taker() -> MutexGuard<'static, Option<Taker>> {
    TAKER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hand_over(line: Option<String>) {
    let mut taker = taker();
    if taker.as_mut().is_some_and(|take| !take(line)) {
        *taker = None;
    }
}

/// The next line without its end; what is no UTF-8 in it is replaced.
fn next(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if input.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        input.skip_until(b'\n')?;
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_whole_or_cut() {
        let text = format!("grüß euch\r\n\n{}\nlast", "x".repeat(40_000));
        let mut input = text.as_bytes();
        let mut lines = Vec::new();
        while let Some(line) = next(&mut input).unwrap() {
            lines.push(line);
        }
        let lengths: Vec<usize> = lines.iter().map(String::len).collect();
        assert_eq!(lengths, ["grüß euch".len(), 0, LONGEST as usize, 4]);
    }
}
