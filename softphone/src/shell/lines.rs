//! What is typed at the terminal, line by line.

use std::io::{self, BufRead};

use tokio::sync::mpsc;

/// Lines that wait.
const QUEUE: usize = 64;
/// The longest line taken, in bytes; nobody types more.
const LONGEST: usize = 16 * 1024;

/// Starts to read standard input. The channel ends with the input. The thread cannot be stopped while it
/// waits; it ends with the process.
pub fn read() -> io::Result<mpsc::Receiver<String>> {
    let (lines, inbox) = mpsc::channel(QUEUE);
    std::thread::Builder::new().name("terminal".to_owned()).spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(mut line) = line else { return };
            let end = (0..=LONGEST.min(line.len())).rev().find(|at| line.is_char_boundary(*at));
            line.truncate(end.unwrap_or(0));
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(inbox)
}
