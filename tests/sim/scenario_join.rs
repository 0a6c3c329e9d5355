//! Conferences: joining, hearing each other, leaving (RFC 4579).

use sdp::Direction;
use sip_stack::endpoint::EndReason;

use crate::call::Way;
use crate::clock::{millis, secs};
use crate::link::Quality;
use crate::phone::Outcome;
use crate::world::{GRACE, PATIENCE, World};

const THREE: [&str; 3] = ["ann", "ben", "cleo"];

#[test]
fn a_guest_joins_and_leaves() {
    let mut world = World::with(1, Quality::GOOD, &["ann"]);
    world.ladder.mark();
    world.dial("ann", "weekly");
    world.run(secs(1));
    let counters = world.counters();
    assert_eq!((counters.conferences, counters.members, counters.joins), (1, 1, 1));
    assert_eq!(world.mixer.legs(), 1);
    world.hang_up("ann");
    world.run(secs(1));
    assert_eq!(
        world.ladder.of("registrar"),
        [
            "< INVITE",
            "> JOIN",
            "> 100 INVITE",
            "< ok JOIN",
            "> 200 INVITE",
            "< ACK",
            "< BYE",
            "> 200 BYE",
            "> LEAVE",
            "< ok LEAVE"
        ]
    );
    world.run(GRACE);
    assert_eq!(world.counters().conferences, 0, "the last one has left");
    world.assert_nothing_is_left();
}

#[test]
fn everybody_hears_the_others_and_not_themselves() {
    let mut world = World::with(2, Quality::GOOD, &THREE);
    world.gather(&THREE, "weekly");
    world.assert_all_hear_each_other(&THREE);
    world.assert_nothing_is_left();
}

#[test]
fn everybody_hears_the_others_over_a_bad_network() {
    for seed in 0..3 {
        let mut world = World::with(seed, Quality::BAD, &THREE);
        world.gather(&THREE, "weekly");
        world.run(secs(2));
        world.assert_all_hear_each_other(&THREE);
        world.assert_nothing_is_left();
    }
}

#[test]
fn an_account_joins_by_its_password() {
    let mut world = World::with(3, Quality::GOOD, &["alice", "ben"]);
    world.ladder.mark();
    world.gather(&["alice", "ben"], "weekly");
    world.assert_all_hear_each_other(&["alice", "ben"]);
    assert_eq!(world.ladder.count("registrar", "alice", "401 INVITE"), 1);
    assert_eq!(world.ladder.count("registrar", "ben", "401 INVITE"), 0);
    assert_eq!(world.ladder.count("registrar", "mixer", "JOIN"), 2, "none before the password");
    world.assert_nothing_is_left();
}

#[test]
fn two_conferences_do_not_hear_each_other() {
    let people = ["ann", "ben", "cleo", "dan"];
    let mut world = World::with(4, Quality::GOOD, &people);
    world.gather(&["ann", "ben"], "weekly");
    world.gather(&["cleo", "dan"], "daily");
    assert_eq!((world.counters().conferences, world.mixer.rooms()), (2, 2));
    world.listen(secs(1));
    for ear in people {
        for voice in people {
            let together = [["ann", "ben"], ["cleo", "dan"]]
                .iter()
                .any(|pair| ear != voice && pair.contains(&ear) && pair.contains(&voice));
            assert_eq!(world.hears(ear, voice), together, "{ear} and {voice}");
        }
    }
    world.assert_nothing_is_left();
}

#[test]
fn coming_and_going_disturbs_nobody() {
    let mut world = World::with(5, Quality::GOOD, &["ann", "ben", "cleo", "dan"]);
    world.gather(&THREE, "weekly");
    world.listen(millis(100));
    let before = world.received("ann");
    world.dial("dan", "weekly");
    world.run(secs(1));
    world.hang_up("cleo");
    world.run(secs(1));
    world.hang_up("dan");
    world.run(secs(1));
    // 150 packets in 3 s, each 20 ms: the stream to ann had no gap and no packet too much.
    assert!((149..=151).contains(&(world.received("ann") - before)));
    assert!(world.steadily_hears("ann", "ben"), "a gap in what ann hears of ben");
    world.assert_all_hear_each_other(&["ann", "ben"]);
    assert_eq!(world.level("ann", "cleo").max(-40.0), -40.0);
    assert_eq!(world.outcome("cleo"), Some(&Outcome::Ended(EndReason::Local)));
    assert_eq!(world.ladder.any(|rung| rung.to == "ann" && rung.what == "BYE"), Vec::<&_>::new());
    world.assert_nothing_is_left();
}

#[test]
fn the_factory_makes_a_conference_of_its_own_for_each() {
    let mut world = World::with(6, Quality::GOOD, &["ann", "ben"]);
    world.gather(&["ann", "ben"], "conference");
    assert_eq!((world.counters().conferences, world.mixer.rooms()), (2, 2));
    world.listen(secs(1));
    assert!(!world.hears("ann", "ben") && !world.hears("ben", "ann"));
    world.assert_nothing_is_left();
}

#[test]
fn the_focus_makes_the_offer_when_it_is_asked_to() {
    let mut world = World::with(7, Quality::GOOD, &["ann", "ben"]);
    world.gather(&["ann"], "weekly");
    world.ladder.mark();
    world.act("ben", |phone, now| phone.dial_without_offer(now, "weekly"));
    world.run(secs(1));
    assert_eq!(world.ladder.of("mixer"), ["< JOIN", "> ok JOIN", "< ACCEPT", "> ok ACCEPT"]);
    world.assert_all_hear_each_other(&["ann", "ben"]);
    world.assert_nothing_is_left();
}

#[test]
fn hold_and_resume() {
    let mut world = World::with(8, Quality::GOOD, &THREE);
    world.gather(&THREE, "weekly");
    world.ladder.mark();
    world.act("ann", |phone, now| phone.change(now, Direction::SendOnly));
    world.run(secs(1));
    assert_eq!(world.ladder.of("ann"), ["> INVITE", "< 100 INVITE", "< 200 INVITE", "> ACK"]);
    assert_eq!(world.direction("ann"), Some(Direction::SendOnly));
    world.listen(secs(1));
    assert!(!world.hears("ann", "ben") && world.hears("ben", "ann") && world.hears("ben", "cleo"));

    world.act("ann", |phone, now| phone.change(now, Direction::Inactive));
    world.run(secs(1));
    world.listen(secs(1));
    assert!(!world.hears("ann", "ben") && !world.hears("ben", "ann") && world.hears("ben", "cleo"));
    // A member on hold is not dead, however long it takes: its RTCP goes on.
    world.run(secs(100));
    assert_eq!(world.counters().members, 3);

    world.act("ann", |phone, now| phone.change(now, Direction::SendRecv));
    world.run(secs(1));
    world.assert_all_hear_each_other(&THREE);
    world.assert_nothing_is_left();
}

#[test]
fn hold_and_resume_by_update_and_by_the_offer_of_the_focus() {
    for way in [Way::Update, Way::ReinviteWithoutOffer] {
        let mut world = World::with(12, Quality::GOOD, &["ann", "ben"]);
        world.gather(&["ann", "ben"], "weekly");
        world.ladder.mark();
        world.act("ann", |phone, now| phone.change_by(now, Direction::SendOnly, way));
        world.run(secs(1));
        let ladder = match way {
            Way::Update => vec!["> UPDATE", "< 200 UPDATE"],
            _ => vec!["> INVITE", "< 100 INVITE", "< 200 INVITE", "> ACK"],
        };
        assert_eq!(world.ladder.of("ann"), ladder);
        world.listen(secs(1));
        assert!(!world.hears("ann", "ben") && world.hears("ben", "ann"), "{way:?}");
        world.act("ann", |phone, now| phone.change_by(now, Direction::SendRecv, way));
        world.run(secs(1));
        world.assert_all_hear_each_other(&["ann", "ben"]);
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_long_meeting_is_refreshed_and_goes_on() {
    let mut world = World::with(13, Quality::BAD, &["ann", "ben"]);
    world.gather(&["ann", "ben"], "weekly");
    world.ladder.mark();
    // Both listen to nobody, which is quicker to simulate.
    for name in ["ann", "ben"] {
        world.act(name, |phone, now| phone.change(now, Direction::Inactive));
    }
    world.run(secs(2 * 3600));
    assert_eq!(world.counters().members, 2, "{}", world.ladder);
    for name in ["ann", "ben"] {
        world.act(name, |phone, now| phone.change(now, Direction::SendRecv));
        // RFC 4028 §10: half of the 1800 s at the latest.
        let refreshes = world.ladder.any(|rung| rung.from == name && rung.what == "UPDATE");
        let other = world.ladder.any(|rung| rung.to == name && rung.what == "UPDATE");
        assert!(refreshes.len() + other.len() >= 7, "{name}\n{}", world.ladder);
    }
    world.run(secs(5));
    world.assert_all_hear_each_other(&["ann", "ben"]);
    world.assert_nothing_is_left();
}

#[test]
fn one_who_vanishes_is_noticed_and_removed() {
    let mut world = World::with(9, Quality::GOOD, &["ann", "ben"]);
    world.gather(&["ann", "ben"], "weekly");
    world.vanish("ben");
    world.run(secs(59));
    assert_eq!(world.ladder.count("registrar", "ben", "OPTIONS"), 0);
    // A minute of silence, then 64·T1 without an answer (RFC 3261 §12.2.1.2, §17.1.2.2).
    world.run(PATIENCE);
    assert_eq!(world.counters().members, 2);
    world.run(secs(2));
    assert_eq!((world.counters().members, world.mixer.legs()), (1, 1), "{}", world.ladder);
    assert!(world.ladder.count("registrar", "ben", "BYE") > 0);
    world.assert_nothing_is_left();
}

#[test]
fn one_who_is_muted_and_sends_nothing_at_all_stays() {
    let mut world = World::with(15, Quality::GOOD, &["ann", "ben"]);
    world.gather(&["ann", "ben"], "weekly");
    let mute = |world: &mut World, mute: bool| {
        world.act("ben", |phone, _| phone.call.as_mut().expect("a call").media.mute = mute);
    };
    mute(&mut world, true);
    world.ladder.mark();
    world.run(secs(601));
    // Asked once a minute.
    let asked = world.ladder.count("registrar", "ben", "OPTIONS");
    assert!((9..=10).contains(&asked), "{asked}\n{}", world.ladder);
    assert_eq!(world.ladder.count("ben", "registrar", "200 OPTIONS"), asked);
    assert_eq!(world.ladder.count("registrar", "ann", "OPTIONS"), 0);
    assert_eq!((world.counters().members, world.mixer.legs()), (2, 2));
    world.listen(secs(1));
    assert!(world.hears("ben", "ann") && !world.hears("ann", "ben"));
    mute(&mut world, false);
    world.run(secs(1));
    world.assert_all_hear_each_other(&["ann", "ben"]);
    world.assert_nothing_is_left();
}

#[test]
fn an_outage_of_the_network_ends_nothing_but_what_is_said_in_it() {
    let mut world = World::with(11, Quality::GOOD, &["ann", "ben", "cleo", "dan"]);
    world.gather(&THREE, "weekly");
    world.set_quality(Quality::BROKEN);
    // Who leaves and who comes must wait.
    world.hang_up("cleo");
    world.dial("dan", "weekly");
    world.run(secs(20));
    assert_eq!(world.counters().members, 3);
    world.set_quality(Quality::GOOD);
    world.run(secs(12));
    assert_eq!(world.mixer.legs(), 3, "{}", world.ladder);
    world.assert_all_hear_each_other(&["ann", "ben", "dan"]);
    world.assert_nothing_is_left();
}

#[test]
fn an_outage_of_minutes_ends_the_meeting_on_both_sides() {
    let mut world = World::with(14, Quality::GOOD, &THREE);
    world.gather(&THREE, "weekly");
    world.set_quality(Quality::BROKEN);
    // Silence, OPTIONS and BYE have taken their time: the dialogs are forgotten.
    world.run(secs(62) + PATIENCE * 2);
    assert_eq!((world.counters().members, world.mixer.legs()), (0, 0));
    world.set_quality(Quality::GOOD);
    world.ladder.mark();
    world.hang_up("ann");
    world.run(secs(1));
    assert_eq!(world.ladder.of("ann"), ["> BYE", "< 481 BYE"]);
    world.assert_nothing_is_left();
}

#[test]
fn the_server_ends_all_calls_when_it_is_stopped() {
    let mut world = World::with(10, Quality::BAD, &["ann", "ben", "cleo", "dan"]);
    world.gather(&["ann", "ben", "cleo"], "weekly");
    world.stop();
    world.dial("dan", "weekly");
    world.run(secs(10));
    for name in THREE {
        let Some(Outcome::Ended(EndReason::Remote(Some(reason)))) = world.outcome(name) else {
            panic!("{name}: {:?}", world.outcome(name));
        };
        assert_eq!(reason.cause, Some(503));
    }
    assert_eq!(world.outcome("dan"), Some(&Outcome::Rejected(503)));
    world.assert_nothing_is_left();
}
