use std::net::IpAddr;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn remote(text: &str, port: u16) -> SocketAddr {
    SocketAddr::new(text.parse::<IpAddr>().unwrap(), port)
}

fn guard(change: impl FnOnce(&mut Protection)) -> (Guard, Instant) {
    let mut rules = Protection {
        rate: 10,
        burst: 20,
        max_failures: 3,
        failure_window: 60 * SECOND,
        ban: 100 * SECOND,
        max_sources: 4,
        ..Protection::default()
    };
    change(&mut rules);
    (Guard::new(rules), Instant::now())
}

/// How many of `count` messages at once are read.
fn admitted(guard: &mut Guard, now: Instant, from: SocketAddr, count: usize) -> usize {
    (0..count).filter(|_| guard.admit(now, from, || false) == Admission::Read).count()
}

fn fail(guard: &mut Guard, now: Instant, from: SocketAddr, times: usize) {
    (0..times).for_each(|_| guard.login_failed(now, from, |_| 0));
}

#[test]
fn a_source_gets_its_burst_and_then_its_rate() {
    let (mut guard, now) = guard(|_| {});
    let here = remote("192.0.2.1", 5060);
    assert_eq!(admitted(&mut guard, now, here, 50), 20);
    // The same host by other ports.
    assert_eq!(admitted(&mut guard, now, remote("192.0.2.1", 9), 50), 0);
    assert_eq!(admitted(&mut guard, now, remote("192.0.2.2", 9), 50), 20);
    assert_eq!(admitted(&mut guard, now + SECOND, here, 50), 10);
    assert_eq!(admitted(&mut guard, now + 100 * SECOND, here, 50), 20);
    assert_eq!(guard.numbers().dropped_by_rate, 30 + 50 + 30 + 40 + 30);
}

#[test]
fn an_ipv6_host_cannot_multiply_itself() {
    let (mut guard, now) = guard(|_| {});
    let read: usize = (0..100)
        .map(|n| admitted(&mut guard, now, remote(&format!("2001:db8::{n:x}"), 5060), 1))
        .sum();
    assert_eq!(read, 20);
}

#[test]
fn the_trusted_and_the_unlimited_are_never_limited() {
    let (mut guard, now) = guard(|_| {});
    assert_eq!(admitted(&mut guard, now, remote("127.0.0.1", 1), 1000), 1000);
    assert_eq!(admitted(&mut guard, now, remote("::1", 1), 1000), 1000);
    fail(&mut guard, now, remote("127.0.0.1", 1), 1000);
    assert_eq!((guard.numbers().bans, guard.numbers().failed_logins), (0, 1000));

    let (mut guard, now) = self::guard(|rules| {
        rules.rate = 0;
        rules.max_failures = 0;
    });
    let here = remote("192.0.2.1", 1);
    fail(&mut guard, now, here, 1000);
    assert_eq!(admitted(&mut guard, now, here, 1000), 1000);
}

#[test]
fn who_guesses_is_banned_for_a_time() {
    let (mut guard, now) = guard(|_| {});
    let here = remote("192.0.2.1", 5060);
    fail(&mut guard, now, here, 2);
    assert_eq!(guard.admit(now, here, || false), Admission::Read);
    fail(&mut guard, now + SECOND, here, 1);
    assert_eq!(guard.admit(now + SECOND, here, || false), Admission::Banned);
    assert_eq!(guard.admit(now, remote("192.0.2.2", 5060), || false), Admission::Read);
    let end = now + 101 * SECOND;
    assert_eq!(guard.poll_timeout(), Some(end));
    guard.handle_timeout(end - SECOND);
    assert_eq!(guard.numbers().banned, 1);
    guard.handle_timeout(end);
    assert_eq!((guard.numbers().banned, guard.poll_timeout()), (0, None));
    assert_eq!(guard.admit(end, here, || false), Admission::Read);
    assert_eq!(guard.numbers().bans, 1);
    // It begins anew, not one short of the next ban.
    fail(&mut guard, end, here, 2);
    assert_eq!(guard.admit(end, here, || false), Admission::Read);
}

#[test]
fn now_and_then_a_typing_error_is_no_attack() {
    let (mut guard, now) = guard(|_| {});
    for minute in 0..100 {
        let here = remote("192.0.2.1", 5060);
        fail(&mut guard, now + minute * 61 * SECOND, here, 2);
    }
    assert_eq!(guard.numbers().bans, 0);
}

#[test]
fn an_office_is_not_cut_off_by_one_phone_of_it() {
    let (mut guard, now) = guard(|_| {});
    let wrong = remote("192.0.2.1", 1);
    // Twenty phones of this office are registered.
    for _ in 0..42 {
        guard.login_failed(now, wrong, |_| 20);
    }
    assert_eq!(guard.admit(now, wrong, || false), Admission::Read);
    guard.login_failed(now, wrong, |_| 20);
    assert_eq!(guard.admit(now, wrong, || false), Admission::Banned);
    // Those who are registered stay in touch, unless they guess as well.
    let registered = remote("192.0.2.1", 2);
    assert_eq!(guard.admit(now, registered, || true), Admission::Read);
    guard.login_failed(now, registered, |_| 20);
    assert_eq!(guard.admit(now, registered, || true), Admission::Banned);
}

#[test]
fn the_tables_are_bounded() {
    let (mut guard, now) = guard(|_| {});
    let nth = |n: usize| remote(&format!("198.51.100.{n}"), 1);
    for n in 0..100 {
        admitted(&mut guard, now, nth(n), 1);
        fail(&mut guard, now + Duration::from_secs(n as u64), nth(n), 3);
    }
    assert_eq!((guard.numbers().sources, guard.numbers().banned), (4, 4));
    // The bans that last longest are those kept.
    assert_eq!(guard.admit(now, nth(99), || false), Admission::Banned);
    assert_eq!(guard.admit(now, nth(0), || false), Admission::Read);
}

#[test]
fn the_least_recently_heard_of_is_forgotten_first() {
    let (mut guard, now) = guard(|_| {});
    let nth = |n: usize| remote(&format!("198.51.100.{n}"), 1);
    assert_eq!(admitted(&mut guard, now, nth(0), 50), 20);
    for n in 1..4 {
        admitted(&mut guard, now, nth(n), 1);
    }
    assert_eq!(admitted(&mut guard, now, nth(0), 1), 0);
    admitted(&mut guard, now, nth(4), 1);
    assert_eq!(admitted(&mut guard, now, nth(0), 1), 0, "it was heard of lately");
}
