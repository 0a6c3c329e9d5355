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
    let (wanted, factory) = whom(args)?;
    let creation = creation(args, &wanted)?;
    let way = Way::find(&factory, &args.who)?;
    let session_id = rand::random::<u64>() >> 1;
    let mut made = None;
    let by_transport = wanted.params.has("transport");
    let task = move |address| Task::Create {
        uri: factory,
        creation: Box::new(creation),
        session_id,
        address,
    };
    let outcome = errand::run(
        &way,
        &wanted,
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
    let Some(mut created) = made else { return Ok(ended(&outcome)) };
    // a long request has to go by TCP, and is answered so; that is no property of the conference
    if !by_transport {
        created.uri.params.remove("transport");
    }
    tell(args, &created);
    if args.join {
        let who = super::cli::Who { user: Some(way.user), ..args.who.clone() };
        return Ok(join(&Join::new(created.uri.to_string(), who)));
    }
    Ok(ExitCode::SUCCESS)
}

/// The conference that is wanted if it has a name, and its server's factory.
fn whom(args: &Create) -> Result<(Uri, Uri), Failure> {
    let wanted = match &args.meeting {
        Some(uri) if uri.contains(':') => sip_uri(uri)?,
        Some(name) => at(name, &sip_uri(&args.server)?),
        None => sip_uri(&args.server)?,
    };
    let factory = at(&args.factory, &wanted);
    Ok((wanted, factory))
}

fn at(user: &str, server: &Uri) -> Uri {
    let uri = Uri::sip(Some(user), server.host.clone(), server.port);
    Uri { params: server.params.clone(), ..uri }
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
        name: args.meeting.as_ref().and_then(|_| uri.user_text()),
        subject: args.subject.clone(),
        pin: args.pin.clone(),
        visibility: args.visibility.map(Into::into),
        media_path: args.media_path.map(Into::into),
        max_members: args.max,
        waiting_room: args.waiting_room,
        start,
        end,
        invite: args.invite.iter().map(address).collect::<Result<_, _>>()?,
    })
}

fn tell(args: &Create, created: &Created) {
    let uri = &created.uri;
    say(&format!("created {uri}"));
    let pin = args.pin.as_ref().map(|_| " --pin PIN").unwrap_or_default();
    say(&format!("  join it:      softphone join '{uri}'{pin}"));
    say(&format!("  call people:  softphone invite '{uri}' USER"));
    say(&format!("  end it:       softphone cancel '{uri}'"));
    let (Some(secret), Some(secrets)) = (&created.secret, Secrets::of_user()) else { return };
    match secrets.keep(uri, secret, args.who.name.as_deref()) {
        Ok(()) => {
            say(&format!("  you are its organizer by the secret in {}", secrets.path().display()));
        }
        Err(error) => complain(&format!(
            "{}: {error}; nobody can cancel the conference later",
            secrets.path().display()
        )),
    }
}
