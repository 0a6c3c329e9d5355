//! Members of IPv4 and of IPv6 in one conference.

use std::net::IpAddr;
use std::time::Duration;

use media_codec::AudioCodec::Pcmu;
use media_mixer::{Addresses, NewLeg, Settings};
use mixer_control::MixerError;

use crate::phone::Phone;
use crate::world::{World, settings};

const SECOND: Duration = Duration::from_secs(1);
const V4: &str = "c=IN IP4 192.0.2.1\r\n";
const V6: &str = "c=IN IP6 2001:db8::1\r\n";

fn both() -> World {
    let list: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    World::with(Settings { addresses: Addresses::new(&list).unwrap(), ..settings() })
}

fn at(name: &str, number: u8, tone: f64, address: &str) -> Phone {
    let mut phone = Phone::new(name, number, Pcmu, tone);
    phone.address = address.parse().unwrap();
    phone
}

fn assert_they_hear_each_other(world: &mut World) {
    world.run(SECOND);
    world.phones.values_mut().for_each(Phone::listen_anew);
    world.run(SECOND);
    assert!(world.phone("four").hears(610.0) > 750.0);
    assert!(world.phone("six").hears(400.0) > 750.0);
}

fn met() -> World {
    let mut world = both();
    world.join(at("four", 1, 400.0, "10.0.0.1:4000")).unwrap();
    world.join(at("six", 2, 610.0, "[2001:db8::6]:4000")).unwrap();
    world
}

#[test]
fn members_of_both_families_hear_each_other() {
    let mut world = met();
    assert!(world.phone("four").answer.contains(V4));
    assert!(world.phone("six").answer.contains(V6));
    assert_they_hear_each_other(&mut world);
}

#[test]
fn a_member_may_move_to_the_other_family() {
    let mut world = met();
    let before = world.phone("four").lines[0];
    world.phone("four").address = "[2001:db8::4]:4000".parse().unwrap();
    let answer = world.reoffer("four").unwrap();
    assert!(answer.contains(V6), "{answer}");
    assert_ne!(world.phone("four").lines[0], before, "another socket");
    assert_eq!(world.open.len(), 2, "the old one is closed: {:?}", world.open);
    // Who is on hold by the unspecified address of IPv4 stays where it is.
    let hold = answer_of_hold(&mut world);
    assert!(hold.contains(V6), "{hold}");
    world.reoffer("four").unwrap();
    assert_they_hear_each_other(&mut world);
}

/// Even while an offer of ours is open, no port is closed twice.
#[test]
fn moving_while_an_offer_of_ours_is_open() {
    let mut world = met();
    let plan = world.conference.plan_offer("four").unwrap();
    let granted = world.grant(&plan);
    let ours = world.conference.renegotiate(world.now, plan, &granted).unwrap();
    assert!(ours.contains(V4), "{ours}");
    world.phone("four").address = "[2001:db8::4]:4000".parse().unwrap();
    world.reoffer("four").unwrap();
    assert_eq!(world.open.len(), 2, "{:?}", world.open);
    assert_they_hear_each_other(&mut world);
}

fn answer_of_hold(world: &mut World) -> String {
    let offer = world.phones["four"].offer();
    let hold = offer.replace("c=IN IP6 2001:db8::4", "c=IN IP4 0.0.0.0");
    world.reoffer_text("four", &hold).unwrap()
}

#[test]
fn without_an_offer_the_family_is_that_of_the_sip_request() {
    for (from, connection) in [
        (None, V4),
        (Some("10.0.0.1"), V4),
        (Some("2001:db8::6"), V6),
        (Some("::ffff:10.0.0.1"), V4),
    ] {
        let mut world = both();
        let signalled_from = from.map(|ip| ip.parse().unwrap());
        let plan = world.conference.plan_join("a", None, signalled_from).unwrap();
        let granted = world.grant(&plan);
        let new = NewLeg { signalled_from, ..NewLeg::default() };
        let offer = world.conference.join(world.now, new, plan, &granted).unwrap();
        assert!(offer.contains(connection), "{from:?}: {offer}");
    }
}

#[test]
fn a_family_that_is_not_served_is_refused_with_warning_301() {
    let mut world = World::new();
    let refused = world.join(at("six", 2, 610.0, "[2001:db8::6]:4000"));
    assert!(
        matches!(&refused, Err(MixerError::NoCommonMedia(why)) if why.starts_with("301 ")),
        "{refused:?}"
    );
    assert!(world.open.is_empty());
}

/// RFC 8866 §5.7: each medium may have its own address.
#[test]
fn each_line_has_the_family_of_its_own_address() {
    let mut world = both();
    let offer = Phone::new("a", 1, Pcmu, 400.0).with_video(0).offer();
    let offer = offer.replace("a=rtpmap:96", "c=IN IP6 2001:db8::a\r\na=rtpmap:96");
    let plan = world.conference.plan_join("a", Some(&offer), None).unwrap();
    let granted = world.grant(&plan);
    let answer = world.conference.join(world.now, NewLeg::default(), plan, &granted).unwrap();
    let (session, video) = answer.split_once("m=video").unwrap();
    assert!(session.contains(V4) && video.contains(V6), "{answer}");
}

/// A registrar that listens on both families with one socket tells IPv4 addresses in the clothes of IPv6.
#[test]
fn a_mapped_address_is_the_address() {
    let mut world = both();
    let phone = at("four", 1, 400.0, "10.0.0.1:4000");
    let offer = phone.offer().replace("10.0.0.1", "192.168.7.7");
    let mapped = Some("::ffff:10.0.0.1".parse().unwrap());
    let plan = world.conference.plan_join("four", Some(&offer), mapped).unwrap();
    let granted = world.grant(&plan);
    let new = NewLeg { signalled_from: mapped, ..NewLeg::default() };
    let answer = world.conference.join(world.now, new, plan, &granted).unwrap();
    let mut phone = phone;
    phone.take_answer(&answer);
    world.phones.insert("four".to_owned(), phone);
    world.join(at("six", 2, 610.0, "[2001:db8::6]:4000")).unwrap();
    assert_they_hear_each_other(&mut world);
}
