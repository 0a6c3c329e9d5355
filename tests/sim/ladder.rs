//! What was said, in order: the ladder diagram of a scenario.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use sip_stack::message::{Message, parse};

/// One arrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// When it was sent.
    pub at: Duration,
    /// Who sent it.
    pub from: &'static str,
    /// Whom to.
    pub to: &'static str,
    /// `INVITE`, `200 INVITE`, `JOIN` …
    pub what: String,
    /// Whether the network lost it.
    pub lost: bool,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if self.lost { "--x " } else { "--> " };
        let Rung { at, from, to, what, .. } = self;
        write!(f, "{:>10.3}  {from:>9} {arrow}{to:<9}  {what}", at.as_secs_f64())
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ladder {
    rungs: Vec<Rung>,
    /// Where [`Ladder::since_mark`] begins.
    mark: usize,
}

impl Ladder {
    pub fn push(&mut self, rung: Rung) {
        self.rungs.push(rung);
    }

    /// From here on a new act begins: [`of`](Self::of) and [`count`](Self::count) look no further
    /// back.
    pub fn mark(&mut self) {
        self.mark = self.rungs.len();
    }

    fn since_mark(&self) -> &[Rung] {
        &self.rungs[self.mark..]
    }

    /// What `who` and its counterparts said to each other: `> INVITE` is sent by `who`, `< 100 INVITE`
    /// sent to it, with an `x` in front when it was lost on the way.
    pub fn of(&self, who: &str) -> Vec<String> {
        let rungs = self.since_mark().iter().filter(|rung| rung.from == who || rung.to == who);
        rungs
            .map(|Rung { from, what, lost, .. }| {
                let lost = if *lost { "x" } else { "" };
                let arrow = if *from == who { ">" } else { "<" };
                format!("{lost}{arrow} {what}")
            })
            .collect()
    }

    /// How often `from` said this to `to`, losses included.
    pub fn count(&self, from: &str, to: &str, what: &str) -> usize {
        self.times(from, to, what).len()
    }

    /// When `from` said this to `to`, losses included.
    pub fn times(&self, from: &str, to: &str, what: &str) -> Vec<Duration> {
        let same = |rung: &&Rung| rung.from == from && rung.to == to && rung.what == what;
        self.since_mark().iter().filter(same).map(|rung| rung.at).collect()
    }

    /// Every message of any two that `what` holds for.
    pub fn any(&self, what: impl Fn(&Rung) -> bool) -> Vec<&Rung> {
        self.since_mark().iter().filter(|rung| what(rung)).collect()
    }
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rungs.iter().try_for_each(|rung| writeln!(f, "{rung}"))
    }
}

/// A SIP message in a few letters: `INVITE`, or `200 INVITE` for a response.
pub fn summary(bytes: &Bytes) -> String {
    match parse::message(bytes) {
        Ok(Message::Request(request)) => request.method.to_string(),
        Ok(Message::Response(response)) => {
            let method = response.headers.cseq().map(|cseq| cseq.method.to_string());
            format!("{} {}", response.status, method.unwrap_or_default())
        }
        Err(error) => format!("unreadable: {error}"),
    }
}
