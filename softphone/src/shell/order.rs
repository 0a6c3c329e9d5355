//! `softphone cancel`, `lock`, `mute` and the like: one REFER to a conference, one line about it.

use std::process::ExitCode;

use sip_stack::message::Uri;
use softphone::core::errand::{Event, Task};
use softphone::core::order::{Order, address_of};

use super::cli::{AtMeeting, AtPerson, Mute, Who};
use super::errand::{self, Next};
use super::failure::{Failure, ended};
use super::say::say;
use super::way::{Way, sip_uri};

/// Tells the conference as such something.
pub fn meeting(args: &AtMeeting, order: Order) -> ExitCode {
    let done = sip_uri(&args.uri).and_then(|conference| carry_out(conference, order, &args.who));
    done.unwrap_or_else(|failure| failure.complain())
}

/// Tells the conference something about somebody in it.
pub fn person(args: &AtPerson, order: impl FnOnce(Uri) -> Order) -> ExitCode {
    let done = sip_uri(&args.uri).and_then(|conference| {
        let whom = address_of(&args.whom, &conference);
        let whom = whom.ok_or_else(|| Failure::Usage(format!("\"{}\" is nobody", args.whom)))?;
        carry_out(conference, order(whom), &args.who)
    });
    done.unwrap_or_else(|failure| failure.complain())
}

/// Mutes somebody or all, or lets them talk again.
pub fn mute(args: Mute, on: bool) -> ExitCode {
    let Mute { uri, whom, who } = args;
    match whom {
        Some(whom) => person(&AtPerson { uri, whom, who }, |whom| Order::Mute(whom, on)),
        None => meeting(&AtMeeting { uri, who }, Order::MuteAll(on)),
    }
}

fn carry_out(conference: Uri, order: Order, who: &Who) -> Result<ExitCode, Failure> {
    let way = Way::find(&conference, who)?;
    let task = {
        let conference = conference.clone();
        move |_| Task::Order { conference, order }
    };
    let on_event = |event| {
        if let Event::Progress(words) = event {
            say(&words);
        }
        Next::Go
    };
    let outcome = errand::run(&way, &conference, task, None, on_event, |_| Next::Go)?;
    Ok(ended(&outcome))
}
