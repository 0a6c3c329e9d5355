//! Members that do ICE: a full agent of another hand against the lite one of the mixer.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use is::stun::{StunMessage, StunPacket};
use is::{
    Candidate, CandidateKind, IceAgent, IceAgentEvent, IceConnectionState, IceCreds, Protocol,
};
use media_codec::AudioCodec::Opus;
use media_mixer::{Addresses, Datagram, Family, NewLeg, PortNeed, Settings};
use sdp::SessionDescription;
use sdp::negotiate::{Capabilities, LocalTransport, RemoteIce, accept, answer};

use crate::phone::{Phone, TILE};
use crate::world::{World, settings};

/// A phone with ICE on its last line.
struct Ice {
    agent: IceAgent,
    /// What the phone believes to be its address.
    host: SocketAddr,
    /// What others see: behind a NAT another one.
    seen: SocketAddr,
    mixer: u16,
    nominated: Option<SocketAddr>,
    /// Of a hundred datagrams so many are lost, each way.
    loss: u32,
    chance: u32,
}

impl Ice {
    fn new(phone: &Phone, ufrag: &str) -> Self {
        let host = phone.line_address(phone.video.len());
        let pass = format!("{ufrag}-secret-of-22-characters").replace('-', "x");
        let mut agent = IceAgent::new(IceCreds { ufrag: ufrag.to_owned(), pass });
        agent.set_controlling(true);
        agent.add_local_candidate(Candidate::host(host, "udp").unwrap());
        Self { agent, host, seen: host, mixer: 0, nominated: None, loss: 0, chance: 1 }
    }

    fn lines(&self) -> String {
        let creds = self.agent.local_credentials();
        format!(
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=candidate:1 1 UDP 2130706431 {} {} typ host\r\n",
            creds.ufrag,
            creds.pass,
            self.host.ip(),
            self.host.port()
        )
    }

    fn take(&mut self, remote: &RemoteIce) {
        assert!(remote.lite);
        let pass = remote.pwd.clone();
        self.agent.set_remote_credentials(IceCreds { ufrag: remote.ufrag.clone(), pass });
        for candidate in remote.candidates.iter().filter(|candidate| candidate.component == 1) {
            let at = candidate.socket_addr().unwrap();
            self.mixer = at.port();
            self.agent.add_remote_candidate(Candidate::from_parts(
                candidate.foundation.clone(),
                1,
                Protocol::Udp,
                candidate.priority,
                at,
                CandidateKind::Host,
                None,
                None,
                None,
            ));
        }
    }

    fn lost(&mut self) -> bool {
        self.chance = self.chance.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (self.chance >> 16) % 100 < self.loss
    }

    /// Lets the agent do what is due, and carries its messages.
    fn step(&mut self, world: &mut World, name: &str) {
        self.agent.handle_timeout(world.now);
        while let Some(transmit) = self.agent.poll_transmit() {
            if !self.lost() {
                let bytes = Bytes::copy_from_slice(&transmit.contents);
                world.send(transmit.destination.port(), self.seen, &bytes);
            }
        }
        let mut came = std::mem::take(&mut world.phone(name).stun);
        let seen = self.seen;
        world.astray.retain(|(to, datagram)| match datagram {
            Datagram::Stun(bytes) if *to == seen => {
                came.push((self.mixer, *to, bytes.clone()));
                false
            }
            _ => true,
        });
        for (from, _, bytes) in came {
            if self.lost() {
                continue;
            }
            let source = SocketAddr::new("192.0.2.1".parse().unwrap(), from);
            let message = StunMessage::parse(&bytes).unwrap();
            let destination = self.host;
            let packet = StunPacket { proto: Protocol::Udp, source, destination, message };
            self.agent.handle_packet(world.now, packet);
        }
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend { destination, .. } = event {
                self.nominated = Some(destination);
            }
        }
    }

    fn run(&mut self, world: &mut World, name: &str, time: Duration) {
        for _ in 0..time.as_millis() / 20 {
            self.step(world, name);
            world.tick();
        }
    }
}

/// The mixer's side of ICE on the last line of its answer to this offer.
fn remote_ice(offer: &str, answer: &str) -> Option<RemoteIce> {
    let parse = |text: &str| SessionDescription::parse(text).unwrap();
    accept(&parse(offer), &parse(answer)).unwrap().pop().unwrap().media.unwrap().ice
}

fn join(world: &mut World, mut phone: Phone, ice: &mut Ice) -> String {
    let offer = phone.offer() + &ice.lines();
    let ip = Some(phone.address.ip());
    let plan = world.conference.plan_join(&phone.name, Some(&offer), ip).unwrap();
    let granted = world.grant(&plan);
    let new = NewLeg { display_name: phone.name.clone(), signalled_from: ip, ..NewLeg::default() };
    let answer = world.conference.join(world.now, new, plan, &granted).unwrap();
    ice.take(&remote_ice(&offer, &answer).unwrap());
    phone.take_answer(&answer);
    world.phones.insert(phone.name.clone(), phone);
    world.deliver();
    answer
}

fn meeting() -> (World, Ice) {
    let mut world = World::new();
    world.join(Phone::new("bob", 2, Opus, 610.0)).unwrap();
    let ann = Phone::new("ann", 1, Opus, 400.0);
    let mut ice = Ice::new(&ann, "annX");
    join(&mut world, ann, &mut ice);
    (world, ice)
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_full_agent_reaches_the_mixer_and_media_flows_both_ways() {
    let (mut world, mut ice) = meeting();
    let answer = world.phone("ann").answer.clone();
    assert!(answer.contains("a=ice-lite\r\n") && answer.contains("a=end-of-candidates\r\n"));
    ice.run(&mut world, "ann", SECOND);
    assert_eq!(ice.nominated.map(|to| to.port()), Some(ice.mixer));
    assert_eq!(ice.agent.state(), IceConnectionState::Completed);
    world.phone("ann").listen_anew();
    world.phone("bob").listen_anew();
    ice.run(&mut world, "ann", SECOND);
    assert!(world.phone("ann").hears(610.0) > 700.0);
    assert!(world.phone("bob").hears(400.0) > 700.0);
}

#[test]
fn behind_a_nat_media_goes_where_the_checks_come_from() {
    let (mut world, mut ice) = meeting();
    ice.seen = "198.51.100.9:61000".parse().unwrap();
    world.phone("ann").mute = true;
    ice.run(&mut world, "ann", SECOND);
    assert!(ice.nominated.is_some());
    world.astray.clear();
    world.phone("ann").listen_anew();
    world.run(SECOND);
    let rtp = |(to, datagram): &&(SocketAddr, Datagram)| {
        *to == ice.seen && matches!(datagram, Datagram::Rtp(_))
    };
    assert!(world.astray.iter().filter(rtp).count() >= 49);
    assert!(world.phone("ann").got.is_empty(), "nothing goes to the address behind the NAT");
}

#[test]
fn four_of_ten_datagrams_lost_do_not_keep_it_from_connecting() {
    let (mut world, mut ice) = meeting();
    ice.loss = 40;
    ice.run(&mut world, "ann", 5 * SECOND);
    assert!(ice.nominated.is_some());
}

#[test]
fn nobody_gets_in_without_a_check_whoever_the_signalling_names() {
    let (mut world, mut ice) = meeting();
    world.run(SECOND);
    assert!(world.phone("bob").hears(400.0) < 50.0, "its own address has not been checked yet");
    assert!(world.phone("ann").got.is_empty(), "and nothing is sent where nobody may be");
    // A check of somebody who does not know the password.
    let wrong = IceCreds { ufrag: "annX".to_owned(), pass: "x".repeat(22) };
    let mut stranger = Ice::new(&Phone::new("ann", 1, Opus, 400.0), "annX");
    stranger.agent.set_local_credentials(wrong);
    let ufrag = ice.agent.remote_credentials().unwrap().ufrag.clone();
    stranger.agent.set_remote_credentials(IceCreds { ufrag, pass: "y".repeat(22) });
    for candidate in ice.agent.remote_candidates() {
        stranger.agent.add_remote_candidate(candidate);
    }
    stranger.seen = "203.0.113.66:6666".parse().unwrap();
    stranger.mixer = ice.mixer;
    stranger.run(&mut world, "ann", SECOND);
    assert!(stranger.nominated.is_none());
    assert!(world.astray.is_empty(), "it gets no answer: {:?}", world.astray);
    // The member itself is not hindered by that.
    ice.run(&mut world, "ann", SECOND);
    world.phone("bob").listen_anew();
    ice.run(&mut world, "ann", SECOND);
    assert!(world.phone("bob").hears(400.0) > 700.0);
}

#[test]
fn a_session_refresh_changes_nothing_and_a_restart_interrupts_nothing() {
    let (mut world, mut ice) = meeting();
    ice.run(&mut world, "ann", SECOND);
    let first = ice.agent.remote_credentials().unwrap().clone();
    let again = world.phone("ann").offer() + &ice.lines();
    let answer = world.reoffer_text("ann", &again).unwrap();
    assert_eq!(remote_ice(&again, &answer).unwrap().ufrag, first.ufrag);

    let mut restarted = Ice::new(&world.phones["ann"], "annY");
    let offer = world.phone("ann").offer() + &restarted.lines();
    let answer = world.reoffer_text("ann", &offer).unwrap();
    let remote = remote_ice(&offer, &answer).unwrap();
    assert!(remote.ufrag != first.ufrag && remote.pwd != first.pass, "RFC 8445 section 9");
    world.phone("ann").listen_anew();
    world.phone("bob").listen_anew();
    world.run(SECOND);
    assert!(world.phone("ann").hears(610.0) > 700.0, "on the old way until there is a new one");
    assert!(world.phone("bob").hears(400.0) > 700.0);
    restarted.take(&remote);
    restarted.seen = "198.51.100.9:61000".parse().unwrap();
    restarted.run(&mut world, "ann", SECOND);
    assert!(restarted.nominated.is_some());
    world.astray.clear();
    world.run(SECOND);
    assert!(world.astray.iter().any(|(to, _)| *to == restarted.seen), "now on the new one");
}

#[test]
fn an_offer_without_ice_ends_it_and_the_line_is_as_any() {
    let (mut world, mut ice) = meeting();
    ice.run(&mut world, "ann", SECOND);
    let answer = world.reoffer("ann").unwrap();
    assert!(!answer.contains("ice-"), "{answer}");
    world.phone("bob").listen_anew();
    world.run(SECOND);
    assert!(world.phone("bob").hears(400.0) > 700.0);
}

#[test]
fn without_multiplexing_rtcp_is_checked_on_its_own_port() {
    let mut world = World::new();
    let mut ann = Phone::new("ann", 1, Opus, 400.0);
    ann.mux = false;
    let mut ice = Ice::new(&ann, "annX");
    let rtcp = SocketAddr::new(ice.host.ip(), ice.host.port() + 1);
    let second =
        format!("a=candidate:1 2 UDP 2130706430 {} {} typ host\r\n", rtcp.ip(), rtcp.port());
    let offer = ann.offer() + &ice.lines() + &second;
    let ip = Some(ann.address.ip());
    let plan = world.conference.plan_join("ann", Some(&offer), ip).unwrap();
    let granted = world.grant(&plan);
    let new = NewLeg { signalled_from: ip, ..NewLeg::default() };
    let answer = world.conference.join(world.now, new, plan, &granted).unwrap();
    let remote = remote_ice(&offer, &answer).unwrap();
    let at = |component| {
        let of = remote.candidates.iter().find(|candidate| candidate.component == component);
        of.unwrap().socket_addr().unwrap()
    };
    assert_eq!(at(2).port(), at(1).port() + 1);
    ann.take_answer(&answer);
    world.phones.insert("ann".to_owned(), ann);
    // An agent for the second component, made to look like one for a first.
    ice.host = rtcp;
    ice.seen = rtcp;
    ice.agent = IceAgent::new(ice.agent.local_credentials().clone());
    ice.agent.set_controlling(true);
    ice.agent.add_local_candidate(Candidate::host(rtcp, "udp").unwrap());
    let mut only = remote.clone();
    only.candidates.retain(|candidate| candidate.component == 2);
    only.candidates.iter_mut().for_each(|candidate| candidate.component = 1);
    ice.take(&only);
    ice.run(&mut world, "ann", 10 * SECOND);
    assert_eq!(ice.nominated, Some(at(2)));
    let reports = &world.phone("ann").reports;
    assert!(reports.iter().any(|(from, _)| *from == at(2).port()), "RTCP goes there");
    assert!(world.phone("ann").got.is_empty(), "RTP has not been checked");
}

#[test]
fn our_offer_has_ice_and_the_answer_decides() {
    for with_ice in [true, false] {
        let mut world = World::new();
        let ann = Phone::new("ann", 1, Opus, 400.0);
        let mut ice = Ice::new(&ann, "annX");
        let ip = Some(ann.address.ip());
        let plan = world.conference.plan_join("ann", None, ip).unwrap();
        let granted = world.grant(&plan);
        let new = NewLeg { signalled_from: ip, ..NewLeg::default() };
        let offer = world.conference.join(world.now, new, plan, &granted).unwrap();
        assert!(offer.contains("a=ice-lite\r\n"), "{offer}");
        let parsed = SessionDescription::parse(&offer).unwrap();
        let plan = answer(&parsed, &Capabilities::standard(0)).unwrap();
        let remote = plan.lines()[0].accepted().unwrap().ice.clone().unwrap();
        let mut text = plan.describe(|_| LocalTransport::single(ann.line_address(0))).to_string();
        if with_ice {
            let (audio, rest) = text.split_once("m=video").unwrap();
            text = format!("{audio}{}m=video{rest}", ice.lines());
        }
        world.conference.accept(world.now, "ann", &text).unwrap();
        let mut ann = ann;
        ann.take_answer(&offer);
        world.phones.insert("ann".to_owned(), ann);
        world.join(Phone::new("bob", 2, Opus, 610.0)).unwrap();
        ice.take(&remote);
        if with_ice {
            ice.run(&mut world, "ann", SECOND);
            assert!(ice.nominated.is_some());
        } else {
            world.run(SECOND);
        }
        world.run(SECOND);
        assert!(world.phone("ann").hears(610.0) > 700.0, "with ICE: {with_ice}");
        let again = world.conference.plan_offer("ann").unwrap();
        let granted = world.grant(&again);
        let again = world.conference.renegotiate(world.now, again, &granted).unwrap();
        assert_eq!(again.contains(&remote.ufrag), with_ice, "who has ICE keeps the credentials");
    }
}

#[test]
fn switched_off_there_is_none() {
    let mut world = World::with(Settings { ice: None, ..settings() });
    let ann = Phone::new("ann", 1, Opus, 400.0);
    let ice = Ice::new(&ann, "annX");
    let offer = ann.offer() + &ice.lines();
    let plan = world.conference.plan_join("ann", Some(&offer), Some(ann.address.ip())).unwrap();
    let granted = world.grant(&plan);
    let answer = world.conference.join(world.now, NewLeg::default(), plan, &granted).unwrap();
    assert!(!answer.contains("ice"), "{answer}");
}

/// Linphone names an IPv6 default, and cannot always be reached there.
#[test]
fn the_family_is_the_first_of_ours_that_the_member_has_a_candidate_of() {
    let list = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let addresses = Addresses::new(&list).unwrap();
    let world = World::with(Settings { addresses, ..settings() });
    let mut ann = Phone::new("ann", 1, Opus, 400.0);
    ann.address = "[2001:db8::9]:4000".parse().unwrap();
    let ice = Ice::new(&ann, "annX");
    let both = "a=candidate:2 1 UDP 2130706303 10.0.0.9 4000 typ host\r\n";
    let family = |offer: &str| {
        let plan = world.conference.plan_join("ann", Some(offer), None).unwrap();
        let need = plan.needs().next();
        match need {
            Some(PortNeed::Pair { family, .. }) => family,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(family(&(ann.offer() + &ice.lines())), Family::V6);
    assert_eq!(family(&(ann.offer() + &ice.lines() + both)), Family::V4);
    assert_eq!(family(&(ann.offer() + both)), Family::V6, "no ICE without credentials");
}

/// Where its pictures may be sent to is known with its first check only, and nothing else happens then.
#[test]
fn who_has_no_camera_sees_the_others_once_its_check_has_come() {
    let mut world = World::new();
    world.join(Phone::new("bob", 2, Opus, 610.0).with_video(0)).unwrap();
    let mut ann = Phone::new("ann", 1, Opus, 400.0);
    ann.video = vec![TILE];
    let mut ice = Ice::new(&ann, "annX");
    join(&mut world, ann, &mut ice);
    world.run(Duration::from_millis(500));
    ice.run(&mut world, "ann", Duration::from_secs(2));
    assert!(!world.phone("ann").pictures(1).is_empty());
}
