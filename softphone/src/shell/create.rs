//! `softphone create`: makes a conference and tells how to come in.

use std::process::ExitCode;
use std::time::SystemTime;

use sip_stack::message::Uri;
use softphone::core::errand::{Created, Creation, Event, Task};
use softphone::core::order::address_of;

use super::cli::{Create, Join};
use super::errand::{self, Next};
use super::failure::{Failure, ended};
use super::join::join;
use super::say::{complain, say};
use super::secrets::Secrets;
use super::way::{Way, sip_uri};

/// Runs the command.
pub fn create(args: &Create) -> ExitCode {
    match make(args) {
        Ok(code) => code,
        Err(failure) => failure.complain(),
    }
}

fn make(args: &Create) -> Result<ExitCode, Failure> {
    let uri = whom(args)?;
    let creation = creation(args, &uri)?;
    let way = Way::find(&uri, &args.who)?;
    let session_id = rand::random::<u64>() >> 1;
    let mut made = None;
    let asked = uri.clone();
    let task = move |address| Task::Create {
        uri: asked,
        creation: Box::new(creation),
        session_id,
        address,
    };
    let outcome = errand::run(
        &way,
        &uri,
        task,
        None,
        |event| {
            if let Event::Created(created) = event {
                made = Some(created);
            }
            Next::Go
        },
        |_| Next::Go,
    )?;
    let Some(created) = made else { return Ok(ended(&outcome)) };
    tell(args, &way, &created);
    if args.join {
        let who = super::cli::Who { user: Some(way.user), ..args.who.clone() };
        return Ok(join(&Join::new(created.uri.to_string(), who)));
    }
    Ok(ExitCode::SUCCESS)
}

/// The factory, or the conference by its name.
fn whom(args: &Create) -> Result<Uri, Failure> {
    let server = sip_uri(&args.server)?;
    let named = match &args.meeting {
        None => Uri { user: None, ..server },
        Some(name) if name.contains(':') => return sip_uri(name),
        Some(_) => server,
    };
    let user = args.meeting.as_deref().unwrap_or(&args.factory);
    let uri = Uri::sip(Some(user), named.host, named.port);
    Ok(Uri { params: named.params, ..uri })
}

fn creation(args: &Create, uri: &Uri) -> Result<Creation, Failure> {
    let address = |text: &String| {
        address_of(text, uri).ok_or_else(|| Failure::Usage(format!("--invite {text}: nobody")))
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let start = args.start.map_or(now, |time| time.counted_from(now));
    let end = args.end.map(|time| time.counted_from(start));
    if end.is_some_and(|end| end <= start) {
        return Err(Failure::Usage("--end is not after the start".to_owned()));
    }
    Ok(Creation {
        subject: args.subject.clone(),
        pin: args.pin.clone(),
        visibility: args.visibility.map(Into::into),
        max_members: args.max,
        waiting_room: args.waiting_room,
        start,
        end,
        invite: args.invite.iter().map(address).collect::<Result<_, _>>()?,
    })
}

fn tell(args: &Create, way: &Way, created: &Created) {
    let uri = &created.uri;
    say(&format!("created {uri}"));
    let pin = args.pin.as_ref().map(|_| " --pin PIN").unwrap_or_default();
    say(&format!("  join it:      softphone join '{uri}'{pin}"));
    say(&format!("  call people:  softphone invite '{uri}' USER"));
    say(&format!("  end it:       softphone cancel '{uri}'"));
    let Some(secret) = &created.secret else {
        if way.password.is_none() {
            say("  it was there before: you are not its organizer");
        }
        return;
    };
    let kept = Secrets::of_user().map(|secrets| (secrets.keep(uri, secret), secrets));
    match kept {
        Some((Ok(()), secrets)) => {
            say(&format!("  you are its organizer by the secret in {}", secrets.path().display()));
        }
        Some((Err(error), secrets)) => complain(&format!(
            "{}: {error}; nobody can cancel the conference later",
            secrets.path().display()
        )),
        None => complain("no home directory; nobody can cancel the conference later"),
    }
}
