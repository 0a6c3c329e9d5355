//! What clients are promised.

use crate::client::*;

#[test]
fn binding_requests_are_answered_without_credentials() {
    let mut world = World::new(settings());
    let answers = world.send(&write(0x0001, 9, &[]));
    let answer = parse(&answers[0]);
    assert_eq!(answer.kind, 0x0101);
    assert_eq!(answer.get(0x0020), Some(&xor("198.51.100.2:4000")[..]));
    assert_eq!(answers[0][8..20], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    // RFC 8489 §6.3.1
    let answer = parse(&world.send(&write(0x0001, 9, &[(0x7777, &[1])]))[0]);
    assert_eq!((answer.error(), answer.get(0x000a)), (420, Some(&[0x77, 0x77][..])));
}

#[test]
fn data_goes_both_ways_as_indications_and_in_a_channel() {
    let mut world = World::new(settings());
    let answer = world.allocate();
    assert_eq!(answer.kind, 0x0103);
    assert_eq!(answer.get(0x0016), Some(&xor("203.0.113.1:50000")[..]));
    assert_eq!(answer.get(0x0020), Some(&xor("198.51.100.2:4000")[..]));
    assert_eq!(answer.lifetime(), 600);

    assert_eq!(world.permit("203.0.113.9:1000"), 0);
    world.indicate("203.0.113.9:1000", b"there");
    assert_eq!(world.relayed.last().unwrap().1, "203.0.113.9:1000".parse().unwrap());
    assert_eq!(world.relayed.last().unwrap().2, b"there");
    let told = parse(&world.arrive(0, "203.0.113.9:2000", b"and back")[0]);
    assert_eq!((told.kind, told.get(0x0013)), (DATA, Some(&b"and back"[..])));
    // From any port of the peer; the address is masked with the transaction id only if it is IPv6.
    assert_eq!(told.get(0x0012), Some(&xor("203.0.113.9:2000")[..]));

    assert_eq!(world.bind(0x4001, "203.0.113.9:1000"), 0);
    world.send(&[0x40, 0x01, 0, 5, b'v', b'o', b'i', b'c', b'e', 0, 0, 0]);
    assert_eq!(world.relayed.last().unwrap().2, b"voice");
    assert_eq!(world.arrive(0, "203.0.113.9:1000", b"yes")[0], [0x40, 1, 0, 3, b'y', b'e', b's']);
    let stats = world.server.stats();
    assert_eq!((stats.relayed_packets, stats.relayed_octets), (4, 5 + 8 + 5 + 3));
}

#[test]
fn an_answer_that_was_lost_comes_again_and_another_allocation_is_a_mismatch() {
    let mut world = World::new(settings());
    world.allocate();
    let again = world.signed(ALLOCATE, &[UDP]);
    assert_eq!(parse(&world.send(&again)[0]).get(0x0016), Some(&xor("203.0.113.1:50000")[..]));
    assert_eq!(world.relays.len(), 1);
    assert_eq!(world.request(ALLOCATE, &[UDP]).error(), 437);
}

#[test]
fn what_is_not_relayed_is_refused_by_name() {
    let mut world = World::new(settings());
    for (attributes, error) in [
        (&[][..], 400),
        (&[(0x0019, &[6, 0, 0, 0][..])], 442),
        (&[UDP, (0x0017, &[2, 0, 0, 0])], 440),
        (&[UDP, (0x0017, &[9, 0, 0, 0])], 440),
        (&[UDP, (0x0018, &[0x80])], 508),
        // DONT-FRAGMENT and RESERVATION-TOKEN
        (&[UDP, (0x001a, &[])], 420),
        (&[UDP, (0x0022, &[0; 8])], 420),
    ] {
        assert_eq!(world.request(ALLOCATE, attributes).error(), error, "{attributes:?}");
    }
    assert_eq!(world.permit("203.0.113.9:1"), 437, "without an allocation");
    assert_eq!(world.request(REFRESH, &[]).error(), 437);
    world.allocate();
    assert_eq!(world.request(CREATE_PERMISSION, &[]).error(), 400);
    assert_eq!(world.request(CREATE_PERMISSION, &[(0x0012, &[0, 1, 2])]).error(), 400);
    let v6 = [&[0, 2, 0, 1][..], &[0; 16]].concat();
    assert_eq!(world.request(CREATE_PERMISSION, &[(0x0012, &v6)]).error(), 443);
    assert_eq!(world.bind(0x3fff, "203.0.113.9:1"), 400);
    assert_eq!(world.bind(0x5000, "203.0.113.9:1"), 400);
    assert_eq!(world.bind(0x4000, "203.0.113.9:1"), 0);
    assert_eq!(world.bind(0x4000, "203.0.113.9:2"), 400, "another peer's channel");
    assert_eq!(world.bind(0x4001, "203.0.113.9:1"), 400, "another channel of the peer");
    assert_eq!(world.bind(0x4000, "203.0.113.9:1"), 0, "a refresh");
    assert_eq!(world.request(0x00a, &[]).error(), 400, "Connect, of RFC 6062");
}

#[test]
fn allocations_permissions_and_channels_end() {
    let mut world = World::new(settings());
    world.allocate();
    assert_eq!(world.request(REFRESH, &[(0x000d, &[0, 0, 0xff, 0xff])]).lifetime(), 3600);
    assert_eq!(world.bind(0x4000, "203.0.113.9:1000"), 0);
    world.pass(299);
    assert_eq!(world.arrive(0, "203.0.113.9:1000", b"x").len(), 1);
    world.pass(2);
    assert!(world.arrive(0, "203.0.113.9:1000", b"x").is_empty(), "no permission any more");
    assert_eq!(world.permit("203.0.113.9:1000"), 0);
    assert_eq!(world.arrive(0, "203.0.113.9:1000", b"x")[0][0], 0x40, "the channel still is");
    world.pass(290);
    assert_eq!(world.permit("203.0.113.9:1000"), 0);
    world.pass(20);
    assert_eq!(parse(&world.arrive(0, "203.0.113.9:1000", b"x")[0]).kind, DATA, "no channel");
    assert_eq!(world.request(REFRESH, &[]).lifetime(), 600);
    world.pass(601);
    assert_eq!(world.closed, [world.relays[0].0]);
    assert_eq!(world.server.stats().allocations, 0);
    assert_eq!(world.server.poll_timeout(), None, "nothing to wait for");
    world.allocate();
    assert_eq!(world.request(REFRESH, &[(0x000d, &[0; 4])]).lifetime(), 0);
    assert_eq!(world.closed.len(), 2);
}

#[test]
fn a_nonce_ends_after_an_hour_and_the_next_one_works() {
    let mut world = World::new(settings());
    world.allocate();
    assert_eq!(world.request(REFRESH, &[(0x000d, &[0, 0, 0xff, 0xff])]).lifetime(), 3600);
    world.pass(3599);
    assert_eq!(world.request_once(REFRESH, &[(0x000d, &[0, 0, 0xff, 0xff])]).error(), 0);
    world.pass(1);
    assert_eq!(world.request_once(REFRESH, &[]).error(), 438);
    assert_eq!(world.request(REFRESH, &[]).error(), 0);
}
