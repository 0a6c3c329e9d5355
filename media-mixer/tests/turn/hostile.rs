//! What strangers, and clients that go too far, do not get.

use proptest::prelude::*;

use crate::client::*;

#[test]
fn without_right_credentials_there_is_a_challenge_and_nothing_else() {
    let mut world = World::new(settings());
    let answer = world.request_once(ALLOCATE, &[UDP]);
    assert_eq!((answer.error(), answer.get(0x0014)), (401, Some(REALM.as_bytes())));
    world.nonce = answer.get(0x0015).unwrap().to_vec();
    let right = world.user.clone();

    world.user.1.push('x');
    assert_eq!(world.request_once(ALLOCATE, &[UDP]).error(), 401, "a wrong password");
    world.user = (format!("{}:alice", WALL + 999_999), right.1.clone());
    assert_eq!(world.request_once(ALLOCATE, &[UDP]).error(), 401, "a longer time, not signed");
    let ended = media_mixer::turn::credentials(SECRET, "alice", WALL);
    world.user = (ended.username, ended.password);
    assert_eq!(world.request_once(ALLOCATE, &[UDP]).error(), 401, "ended");
    world.user = right;

    let mut changed = world.signed(ALLOCATE, &[UDP]);
    changed[8] ^= 1;
    assert_eq!(parse(&world.send(&changed)[0]).error(), 401, "changed on the way");
    let mut short = write(ALLOCATE, 5, &[UDP]);
    sign(&mut short, &world.key());
    assert_eq!(parse(&world.send(&short)[0]).error(), 400, "no name");
    assert!(world.relays.is_empty());

    let nonce = world.nonce.clone();
    world.client = client("198.51.100.3:4000");
    assert_eq!(world.request_once(ALLOCATE, &[UDP]).error(), 438, "another client's nonce");
    for bad in [&b"x"[..], b"-", b"ffffffff-00", b"fffffffffffffffff-aa", &[0xff, 0xfe]] {
        world.nonce = bad.to_vec();
        let error = world.request_once(ALLOCATE, &[UDP]).error();
        assert!(matches!(error, 400 | 438), "{bad:?}: {error}");
    }
    world.client = client("198.51.100.2:4000");
    world.nonce = nonce;
    assert_eq!(world.request_once(ALLOCATE, &[UDP]).error(), 0);
}

#[test]
fn what_stands_behind_the_signature_does_not_count() {
    let mut world = World::new(settings());
    world.allocate();
    let mut bytes = world.signed(REFRESH, &[]);
    // LIFETIME 0, by somebody on the way
    add(&mut bytes, 0x000d, &[0; 4]);
    let answer = parse(&world.send(&bytes)[0]);
    assert_eq!((answer.error(), answer.lifetime()), (0, 600));
    assert!(world.closed.is_empty());
}

#[test]
fn credentials_that_have_ended_refresh_nothing() {
    let mut world = World::new(settings());
    let made = media_mixer::turn::credentials(SECRET, "alice", WALL + 100);
    world.user = (made.username, made.password);
    assert_eq!(world.allocate().error(), 0);
    world.pass(101);
    assert_eq!(world.request_once(REFRESH, &[]).error(), 401);
    world.be("mallory", "198.51.100.2:4000");
    assert_eq!(world.request(REFRESH, &[(0x000d, &[0; 4])]).error(), 441, "another user's");
}

#[test]
fn peers_that_are_not_public_are_refused_both_ways() {
    let mut world = World::new(settings());
    world.allocate();
    for peer in ["10.0.0.1:9", "127.0.0.1:7050", "192.168.1.1:0", "203.0.113.1:5060", "224.0.0.1:1"]
    {
        assert_eq!(world.permit(peer), 403, "{peer}");
        assert_eq!(world.bind(0x4000, peer), 403, "{peer}");
        world.indicate(peer, b"hello?");
        assert!(world.arrive(0, peer, b"hello!").is_empty());
    }
    let both = [xor("203.0.113.9:1"), xor("10.0.0.1:1")];
    let answer = world.request(CREATE_PERMISSION, &[(0x0012, &both[0]), (0x0012, &both[1])]);
    assert_eq!(answer.error(), 403, "all or none");
    world.indicate("203.0.113.9:1", b"x");
    assert!(world.relayed.is_empty());
    // The permission is for an address (RFC 8656 §9.2): each datagram's port is looked at as well.
    assert_eq!(world.permit("203.0.113.1:50001"), 0);
    world.indicate("203.0.113.1:5060", b"x");
    assert!(world.relayed.is_empty());
    assert!(world.arrive(0, "203.0.113.1:5060", b"x").is_empty());
    world.indicate("203.0.113.1:50001", b"x");
    assert_eq!(world.relayed.len(), 1);
    assert!(world.server.stats().refused_peers > 20);
}

#[test]
fn what_a_laboratory_allows_is_relayed() {
    let mut settings = settings();
    settings.peers.allow = vec!["10.0.0.0/8".parse().unwrap()];
    let mut world = World::new(settings);
    world.allocate();
    assert_eq!(world.permit("10.0.0.1:9"), 0);
    world.indicate("10.0.0.1:9", b"x");
    assert_eq!(world.relayed.len(), 1);
    assert_eq!(world.permit("192.168.0.1:9"), 403);
}

#[test]
fn quotas_are_of_the_user_and_of_the_server() {
    let mut world = World::new(settings());
    for port in 1..=3 {
        world.be("alice", &format!("198.51.100.2:{port}"));
        assert_eq!(world.allocate().error(), 0);
    }
    world.be("alice", "198.51.100.2:4");
    assert_eq!(world.allocate().error(), 486);
    let newer = media_mixer::turn::credentials(SECRET, "alice", WALL + 5);
    world.user = (newer.username, newer.password);
    assert_eq!(world.allocate().error(), 486, "new credentials of the same name");
    for n in 0..17 {
        world.be(&format!("user{n}"), &format!("198.51.100.3:{}", 1000 + n));
        assert_eq!(world.allocate().error(), 0);
    }
    world.be("late", "198.51.100.4:1");
    assert_eq!(world.allocate().error(), 508);
    assert_eq!(world.server.stats().allocations, 20);
    assert_eq!(world.server.stats().refused_quota, 3);
}

#[test]
fn permissions_and_channels_of_one_allocation_are_bounded() {
    let mut world = World::new(settings());
    world.allocate();
    for n in 1..=4 {
        assert_eq!(world.bind(0x4000 + n, &format!("203.0.113.20:{n}")), 0);
    }
    assert_eq!(world.bind(0x4009, "203.0.113.20:9"), 508, "channels");
    for n in 21..=23 {
        assert_eq!(world.permit(&format!("203.0.113.{n}:1")), 0);
    }
    assert_eq!(world.permit("203.0.113.99:1"), 508);
    assert_eq!(world.permit("203.0.113.21:1"), 0, "one that is there may be refreshed");
}

#[test]
fn no_port_means_508_and_leaves_nothing() {
    let mut world = World::new(settings());
    world.ports = false;
    assert_eq!(world.allocate().error(), 508);
    world.ports = true;
    assert_eq!(world.allocate().error(), 0);
}

#[test]
fn an_allocation_relays_no_more_than_its_bandwidth() {
    let mut settings = settings();
    settings.bandwidth = 1000;
    let mut world = World::new(settings);
    world.allocate();
    world.permit("203.0.113.9:1");
    for _ in 0..20 {
        world.indicate("203.0.113.9:1", &[0; 100]);
    }
    assert_eq!(world.relayed.len(), 10);
    assert!(world.arrive(0, "203.0.113.9:1", b"x").is_empty());
    world.pass(1);
    assert_eq!(world.arrive(0, "203.0.113.9:1", b"x").len(), 1);
}

#[test]
fn a_source_that_asks_too_often_is_not_answered() {
    let mut settings = settings();
    settings.rate = 10;
    let mut world = World::new(settings);
    let request = write(0x0001, 9, &[]);
    let answered = (0..1000).filter(|_| !world.send(&request).is_empty()).count();
    assert_eq!(answered, 40);
    world.client = client("198.51.100.77:1");
    assert_eq!(world.send(&request).len(), 1);
    assert_eq!(world.server.stats().dropped_rate, 960);
}

#[test]
fn an_answer_to_a_stranger_is_hardly_longer_than_its_question() {
    let mut world = World::new(settings());
    assert!(world.send(&write(0x0001, 9, &[]))[0].len() <= 32);
    let question = write(ALLOCATE, 9, &[UDP]);
    assert!(world.send(&question)[0].len() <= question.len() * 6);
}

proptest! {
    #[test]
    fn garbage_changes_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut world = World::new(settings());
        world.send(&bytes);
        prop_assert_eq!(world.server.stats().allocations, 0);
    }

    #[test]
    fn mutated_requests_never_panic_and_allocate_nothing(
        changes in proptest::collection::vec((0usize..120, any::<u8>()), 1..6),
        cut in 0usize..140,
    ) {
        let mut world = World::new(settings());
        world.nonce = world.request_once(ALLOCATE, &[UDP]).get(0x0015).unwrap().to_vec();
        let original = world.signed(ALLOCATE, &[UDP, (0x0012, &xor("203.0.113.9:1"))]);
        let mut bytes = original.clone();
        for (at, value) in changes {
            bytes[at] = value;
        }
        bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(70)));
        world.send(&bytes);
        prop_assert!(bytes == original || world.server.stats().allocations == 0);
    }

    #[test]
    fn bytes_from_peers_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        let mut world = World::new(settings());
        world.allocate();
        world.permit("203.0.113.9:1");
        let told = world.arrive(0, "203.0.113.9:1", &bytes);
        let told = parse(&told[0]);
        prop_assert_eq!(told.get(0x0013), Some(&bytes[..]));
        let mut channel = vec![0x40, 0];
        channel.extend(bytes);
        world.send(&channel);
        prop_assert!(world.relayed.is_empty());
    }
}
