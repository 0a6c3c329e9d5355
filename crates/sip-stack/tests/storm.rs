//! Two endpoints whose owners do everything at the wrong moment, over a bad network. Whatever
//! happens, every call has exactly one last event, and nothing stays alive.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests are test code too")]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sip_stack::endpoint::{Body, CallId, Event, SessionTimerConfig};
use sip_stack::message::Method;
use world::{A, B, World, answer, body};

/// What an owner knows of its calls: whether the last event has come.
type Calls = BTreeMap<CallId, bool>;

fn last_of(event: &Event) -> Option<CallId> {
    match event {
        Event::Rejected { call, .. }
        | Event::Cancelled { call, .. }
        | Event::Ended { call, .. } => Some(*call),
        _ => None,
    }
}

fn call_of(event: &Event) -> Option<CallId> {
    match event {
        Event::Request { .. } | Event::Response { .. } | Event::RequestFailed { .. } => None,
        Event::IncomingCall { call, .. }
        | Event::Cancelled { call, .. }
        | Event::Progress { call, .. }
        | Event::Pracked { call, .. }
        | Event::Answered { call, .. }
        | Event::Rejected { call, .. }
        | Event::Ack { call, .. }
        | Event::Reinvite { call, .. }
        | Event::ReinviteCancelled { call }
        | Event::ReinviteAnswered { call, .. }
        | Event::ReinviteFailed { call, .. }
        | Event::Refreshed { call, .. }
        | Event::InDialog { call, .. }
        | Event::Ended { call, .. } => Some(*call),
    }
}

fn note(world: &mut World, end: usize, calls: &mut Calls, seen: &mut BTreeSet<String>) {
    for event in world.take(end) {
        let name = format!("{event:?}");
        seen.insert(name.split([' ', '{']).next().unwrap_or_default().to_owned());
        if let Event::IncomingCall { call, .. } = &event {
            calls.insert(*call, false);
        }
        let Some(call) = call_of(&event) else { continue };
        let over = calls.get_mut(&call).expect("a call that was begun");
        assert!(!*over, "an event after the last one: {event:?}");
        *over = last_of(&event).is_some();
        if let Event::InDialog { transaction, .. } = event {
            let now = world.now;
            let _ = world.endpoint(end).respond_status(now, transaction, 200, "");
        }
    }
}

fn maybe(rng: &mut StdRng) -> Option<Body> {
    rng.next_u32().is_multiple_of(3).then(|| body("v=0"))
}

#[test]
fn owners_that_do_everything_at_the_wrong_moment() {
    let mut seen = BTreeSet::new();
    for seed in 0..60u8 {
        let mut world = World::with(2, |_, config| {
            config.session_timer = Some(SessionTimerConfig { expires: 90, min_se: 90 });
            config.ring_timeout = Duration::from_secs(40);
        });
        world.lose_percent(u32::from(seed % 4) * 12, seed);
        let mut rng = StdRng::from_seed([seed; 32]);
        let mut calls = [Calls::new(), Calls::new()];
        for _ in 0..400 {
            let end = rng.next_u32() as usize % 2;
            let known: Vec<CallId> = calls[end].keys().copied().collect();
            let now = world.now;
            let pick = rng.next_u32() as usize;
            let act = rng.next_u32() % 16;
            let Some(&call) = known.get(pick % known.len().max(1)).filter(|_| act > 0) else {
                if known.len() < 12 {
                    let mut invite = world.invitation(end, 1 - end, maybe(&mut rng));
                    invite.ring_timeout = Some(Duration::from_secs(u64::from(pick as u32 % 50)));
                    if let Ok(call) = world.endpoint(end).invite(now, invite) {
                        calls[end].insert(call, false);
                    }
                }
                continue;
            };
            let over = calls[end][&call];
            let endpoint = world.endpoint(end);
            // errors are part of the game; after the last event there is nothing but errors
            let done = match act {
                1 => endpoint.ring(now, call, 180, Default::default()),
                2 | 3 => endpoint.accept(now, call, answer("v=0")),
                4 if pick.is_multiple_of(4) => endpoint.reject(now, call, 486, "", &[]),
                5 | 6 => endpoint.reinvite(now, call, maybe(&mut rng)),
                7 => endpoint.update(now, call, maybe(&mut rng)),
                8 | 9 => endpoint.answer_reinvite(now, call, answer("v=0")),
                10 => endpoint.reject_reinvite(now, call, [488, 491, 500][pick % 3], "", &[]),
                11 | 12 => endpoint.acknowledge(now, call, maybe(&mut rng)),
                13 => endpoint.request(now, call, Method::Info, &[], None).map(drop),
                14 if pick.is_multiple_of(5) => endpoint.bye(now, call, None),
                _ => {
                    world.run(Duration::from_millis(u64::from(pick as u32 % 3000)));
                    Ok(())
                }
            };
            let waited = !(1..=14).contains(&act) || act == 4 || act == 14;
            assert!(!over || waited || done.is_err(), "a verb worked on a call that is over");
            if act == 4 && pick.is_multiple_of(4) && done.is_ok() {
                calls[end].insert(call, true); // no event comes for what we refused
            }
            for end in [A, B] {
                note(&mut world, end, &mut calls[end], &mut seen);
            }
        }
        for end in [A, B] {
            let open: Vec<CallId> =
                calls[end].iter().filter(|(_, over)| !**over).map(|(call, _)| *call).collect();
            for call in open {
                let now = world.now;
                let _ = world.endpoint(end).bye(now, call, None);
            }
        }
        world.assert_no_leaks();
        for end in [A, B] {
            note(&mut world, end, &mut calls[end], &mut seen);
            assert!(calls[end].values().all(|over| *over), "seed {seed}: {:?}", calls[end]);
        }
    }
    // the storm blew everywhere: all kinds of news but the rarest, which have tests of their own
    assert!(seen.len() >= 12, "{seen:?}");
}
