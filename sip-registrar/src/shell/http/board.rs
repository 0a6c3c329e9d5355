//! The door to the loop, which owns the core: HTTP asks, the loop answers between two messages.

use std::fmt;
use std::time::{Duration, Instant};

use sip_registrar::{Counters, Registrar};
use tokio::sync::{mpsc, oneshot};

use crate::shell::store::KeeperNumbers;

/// How long the loop may take to answer before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is done with the core.
type Ask = Box<dyn FnOnce(Instant, &mut Registrar) + Send>;

/// Something the loop is asked.
pub(crate) enum Question {
    /// Its numbers.
    Numbers(oneshot::Sender<Numbers>),
    /// To do this with the core; what the core puts out follows.
    Core(Ask),
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Question::Numbers(_) => "Numbers",
            Question::Core(_) => "Core",
        })
    }
}

/// The numbers of this moment.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// The core's.
    pub(crate) core: Counters,
    /// The store's.
    pub(crate) store: KeeperNumbers,
}

/// The loop does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stuck;

/// The door to the loop.
#[derive(Debug, Clone)]
pub(crate) struct Board(pub(crate) mpsc::Sender<Question>);

impl Board {
    /// The numbers of this moment.
    pub(super) async fn numbers(&self) -> Result<Numbers, Stuck> {
        let (sender, answer) = oneshot::channel();
        self.ask(Question::Numbers(sender), answer).await
    }

    /// Does something with the core and returns what comes of it.
    pub(crate) async fn core<T: Send + 'static>(
        &self,
        question: impl FnOnce(Instant, &mut Registrar) -> T + Send + 'static,
    ) -> Result<T, Stuck> {
        let (sender, answer) = oneshot::channel();
        let question = move |now: Instant, registrar: &mut Registrar| {
            // Who asked may have gone: that is no failure.
            let _ = sender.send(question(now, registrar));
        };
        self.ask(Question::Core(Box::new(question)), answer).await
    }

    async fn ask<T>(&self, question: Question, answer: oneshot::Receiver<T>) -> Result<T, Stuck> {
        let asked = async {
            self.0.send(question).await.map_err(|_| Stuck)?;
            answer.await.map_err(|_| Stuck)
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Err(Stuck))
    }
}
