use sip_stack::flow::{Hop, Target, Transport};

use super::*;

const CALL: &str = "call-1";

fn flow(port: u16) -> Flow {
    Flow {
        transport: Transport::Udp,
        local: "127.0.0.1:5060".parse().unwrap(),
        remote: ([127, 0, 0, 1], port).into(),
        connection: None,
    }
}

fn at<'a>(call_id: &'a str, cseq: u32, flow: &'a Flow) -> Registration<'a> {
    Registration { call_id, cseq, path: &[], flow }
}

fn contact(text: &str, seconds: u64) -> ContactUpdate {
    let contact = NameAddr::parse(text).unwrap();
    let outbound = OutboundId::of(&contact);
    ContactUpdate { contact, expires: Duration::from_secs(seconds), outbound }
}

fn contacts(location: &Location, now: Instant) -> Vec<String> {
    location.bindings(now, "alice").map(|b| b.contact.to_string()).collect()
}

#[test]
fn bindings_are_added_refreshed_removed_and_end() {
    let mut location = Location::new(10, 100);
    let now = Instant::now();
    let both = [contact("<sip:a@h1>;q=0.5", 60), contact("<sip:a@h2>", 120)];
    location.update(now, "alice", &both, at(CALL, 1, &flow(1))).unwrap();
    assert_eq!(contacts(&location, now), ["<sip:a@h1>;q=0.5", "<sip:a@h2>"]);
    assert_eq!(location.poll_timeout(), Some(now + Duration::from_secs(60)));

    let later = now + Duration::from_secs(59);
    assert_eq!(location.bindings(later, "alice").next().unwrap().expires_in(later), 1);
    let again = [contact("<sip:a@h1>", 60)];
    location.update(later, "alice", &again, at(CALL, 2, &flow(1))).unwrap();
    assert_eq!(location.len(), 2);

    let end = now + Duration::from_secs(119);
    assert_eq!(contacts(&location, end), ["<sip:a@h2>"]);
    location.handle_timeout(end);
    assert_eq!(location.len(), 1);
    location.update(end, "alice", &[contact("<sip:a@h2>", 0)], at(CALL, 3, &flow(1))).unwrap();
    assert!(location.is_empty() && location.poll_timeout().is_none());
}

#[test]
fn an_old_request_changes_nothing() {
    let mut location = Location::new(10, 100);
    let now = Instant::now();
    let one = [contact("<sip:a@h1>", 60)];
    location.update(now, "alice", &one, at(CALL, 5, &flow(1))).unwrap();
    let older = [contact("<sip:a@h2>", 60), contact("<sip:a@h1>", 0)];
    for cseq in [4, 5] {
        let done = location.update(now, "alice", &older, at(CALL, cseq, &flow(1)));
        assert_eq!(done, Err(UpdateError::OutOfOrder));
        assert_eq!(
            location.clear(now, "alice", at(CALL, cseq, &flow(1))),
            Err(UpdateError::OutOfOrder)
        );
    }
    assert_eq!(contacts(&location, now), ["<sip:a@h1>"]);
    // A phone that has restarted begins a new Call-ID and counts from the beginning.
    location.update(now, "alice", &older, at("call-2", 1, &flow(1))).unwrap();
    assert_eq!(contacts(&location, now), ["<sip:a@h2>"]);
    location.clear(now, "alice", at("call-3", 1, &flow(1))).unwrap();
    assert!(location.is_empty());
}

#[test]
fn bounds_hold_and_refreshing_needs_no_room() {
    let mut location = Location::new(2, 3);
    let now = Instant::now();
    let two = [contact("<sip:a@h1>", 60), contact("<sip:a@h2>", 60)];
    location.update(now, "alice", &two, at(CALL, 1, &flow(1))).unwrap();
    let third = [contact("<sip:a@h3>", 60)];
    let done = location.update(now, "alice", &third, at(CALL, 2, &flow(1)));
    assert_eq!(done, Err(UpdateError::TooManyContacts));
    location.update(now, "alice", &two, at(CALL, 3, &flow(1))).unwrap();
    let done = location.update(now, "bob", &two, at(CALL, 1, &flow(1)));
    assert_eq!(done, Err(UpdateError::Full));
    let swap = [contact("<sip:a@h1>", 0), contact("<sip:a@h3>", 60)];
    location.update(now, "alice", &swap, at(CALL, 4, &flow(1))).unwrap();
    assert_eq!(contacts(&location, now), ["<sip:a@h2>", "<sip:a@h3>"]);
    let twice = [contact("<sip:b@h1>", 60), contact("<sip:b@h1>", 60)];
    location.update(now, "bob", &twice, at(CALL, 1, &flow(1))).unwrap();
    assert_eq!(location.len(), 3);
    // Removed, taken back and one more: that is two.
    let more = [contact("<sip:b@h1>", 0), contact("<sip:b@h1>", 60), contact("<sip:b@h2>", 60)];
    let done = location.update(now, "bob", &more, at(CALL, 2, &flow(1)));
    assert_eq!(done, Err(UpdateError::Full));
    assert_eq!(location.len(), 3);
}

#[test]
fn a_device_is_reached_where_it_registered_from() {
    let mut location = Location::new(10, 100);
    let now = Instant::now();
    let mut target = |text: &str, flow: &Flow, cseq| {
        let update = [contact(text, 60)];
        location.clear(now, "alice", at(CALL, cseq, flow)).unwrap();
        location.update(now, "alice", &update, at(CALL, cseq, flow)).unwrap();
        location.bindings(now, "alice").next().unwrap().target()
    };
    // Behind a NAT: the contact says nothing to us.
    assert_eq!(target("<sip:a@10.0.0.1:5070>", &flow(7), 1), Target::Flow(flow(7)));
    // No NAT: the contact may name another port.
    let hop = |text| Target::Hop(Hop::from_uri(&NameAddr::parse(text).unwrap().uri));
    let here = "<sip:a@127.0.0.1:5070>";
    assert_eq!(target(here, &flow(7), 2), hop(here));
    // A connection: as long as it is there, its remote port listens to nobody else.
    let connection = ConnectionId(1);
    let tcp = Flow { transport: Transport::Tcp, connection: Some(connection), ..flow(40_000) };
    let here = "<sip:a@127.0.0.1:5070;transport=tcp>";
    assert_eq!(target(here, &tcp, 3), Target::Flow(tcp));
    location.handle_flow_closed(ConnectionId(2));
    location.handle_flow_closed(connection);
    assert_eq!(location.bindings(now, "alice").next().unwrap().target(), hop(here));
}

fn clock(now: Instant) -> WallClock {
    WallClock::new(now, Duration::from_secs(1_800_000_000))
}

fn tcp(id: u64) -> Flow {
    Flow { transport: Transport::Tcp, connection: Some(ConnectionId(id)), ..flow(4000) }
}

const FIRST: &str = "<sip:a@h1>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
const SECOND: &str = "<sip:a@h1>;+sip.instance=\"<urn:uuid:1>\";reg-id=2";
const OTHER: &str = "<sip:a@h2>;+sip.instance=\"<urn:uuid:2>\";reg-id=1";

#[test]
fn a_flow_of_a_device_is_one_binding_whatever_its_contact() {
    let mut location = Location::new(10, 100);
    let now = Instant::now();
    let both = [contact(FIRST, 60), contact(OTHER, 60)];
    location.update(now, "alice", &both, at(CALL, 1, &flow(1))).unwrap();
    location.update(now, "alice", &[contact(SECOND, 60)], at(CALL, 2, &flow(2))).unwrap();
    assert_eq!(location.len(), 3);
    let moved = FIRST.replace("h1", "h9");
    location.update(now, "alice", &[contact(&moved, 60)], at("call-2", 1, &flow(3))).unwrap();
    assert_eq!(contacts(&location, now), [OTHER, SECOND, &moved]);
    assert!(location.is_known(flow(3).remote) && location.is_known(flow(1).remote));
    location.update(now, "alice", &[contact(OTHER, 0)], at("call-3", 1, &flow(3))).unwrap();
    assert!(!location.is_known(flow(1).remote));
    let all = SocketAddr::from(([127, 0, 0, 1], 0))..=SocketAddr::from(([127, 0, 0, 1], 65_535));
    assert_eq!(location.registered_from(all), 2);
}

#[test]
fn a_broken_flow_takes_its_binding_along_if_the_client_keeps_flows() {
    let mut location = Location::new(10, 100);
    let now = Instant::now();
    let plain = contact("<sip:a@127.0.0.1:5070;transport=tcp>", 60);
    location.update(now, "alice", &[contact(FIRST, 60), plain], at(CALL, 1, &tcp(1))).unwrap();
    location.update(now, "alice", &[contact(SECOND, 60)], at(CALL, 2, &tcp(2))).unwrap();
    location.handle_flow_closed(ConnectionId(1));
    assert_eq!(contacts(&location, now), ["<sip:a@127.0.0.1:5070;transport=tcp>", SECOND]);
    let failed = location.bindings(now, "alice").last().unwrap().clone();
    location.handle_flow_failed("alice", &failed);
    assert_eq!(location.len(), 1);
}

#[test]
fn devices_are_called_by_preference_and_each_by_its_newest_flow() {
    let mut location = Location::new(10, 100);
    let now = Instant::now();
    let first = [contact(FIRST, 60), contact("<sip:a@h3>;q=0.5", 60)];
    location.update(now, "alice", &first, at(CALL, 1, &flow(1))).unwrap();
    let rest = [contact("<sip:a@h4>;q=0.5", 60), contact("<sip:a@h5>;q=0.05", 60)];
    location.update(now, "alice", &rest, at(CALL, 2, &flow(1))).unwrap();
    location.update(now, "alice", &[contact(SECOND, 60)], at(CALL, 3, &flow(2))).unwrap();
    let groups = by_preference(location.bindings(now, "alice"));
    let names: Vec<Vec<Vec<String>>> = groups
        .iter()
        .map(|group| {
            let device = |d: &Device| d.iter().map(|b| b.contact.to_string()).collect();
            group.iter().map(device).collect()
        })
        .collect();
    assert_eq!(
        names,
        [
            vec![vec![SECOND, FIRST]],
            vec![vec!["<sip:a@h4>;q=0.5"], vec!["<sip:a@h3>;q=0.5"]],
            vec![vec!["<sip:a@h5>;q=0.05"]]
        ]
    );
}

#[test]
fn what_was_kept_comes_back_until_it_ends() {
    let mut location = Location::new(10, 100);
    let now = Instant::now();
    let proxy = [NameAddr::parse("<sip:edge.example;lr;ob>").unwrap()];
    let by_proxy = Registration { path: &proxy, call_id: "call-2", cseq: 4, flow: &flow(2) };
    let far = contact("<sip:a@10.0.0.9>;q=0.4", 600);
    location.update(now, "alice", &[far], by_proxy).unwrap();
    let soon = [contact("<sip:a@10.0.0.1>", 60), contact(FIRST, 600)];
    location.update(now, "alice", &soon, at(CALL, 1, &flow(1))).unwrap();
    location.update(now, "bob", &[contact(OTHER, 600)], at(CALL, 1, &tcp(1))).unwrap();
    let kept: Vec<_> = std::iter::from_fn(|| location.poll_changed(&clock(now))).collect();
    assert_eq!(kept.len(), 2);

    // Two minutes later, in another process.
    let later = now + Duration::from_secs(120);
    let mut location = Location::new(10, 100);
    for command in &kept {
        let StoreCommand::Bindings { user, bindings } = command else { panic!("{command:?}") };
        for binding in bindings {
            location.restore(later, &clock(now), user, binding, |local| local == flow(1).local);
        }
    }
    assert_eq!(contacts(&location, later), ["<sip:a@10.0.0.9>;q=0.4", FIRST]);
    let held: Vec<_> = location.bindings(later, "alice").cloned().collect();
    assert_eq!(held[0].expires_in(later), 480);
    assert_eq!((held[0].call_id.as_str(), held[0].cseq), ("call-2", 4));
    assert_eq!(held[0].target(), Target::Hop(Hop::from_uri(&proxy[0].uri)));
    assert_eq!(held[1].target(), Target::Flow(flow(1)));
    // The one that has ended, and the one whose connection is gone, are to be forgotten.
    let told: Vec<_> = std::iter::from_fn(|| location.poll_changed(&clock(now))).collect();
    assert_eq!(told.len(), 2);
    let StoreCommand::Bindings { user, bindings } = &told[1] else { panic!("{told:?}") };
    assert!(user == "bob" && bindings.is_empty());
}
