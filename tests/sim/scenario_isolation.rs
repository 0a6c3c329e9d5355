//! Many conferences at once: people come, go, talk and write at random, and strangers try the doors. A model of who is where
//! says who may hear and read whom; nobody ever gets more, and on a good network nobody less.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::{Chance, millis, secs};
use crate::link::Quality;
use crate::world::World;

const PEOPLE: [&str; 9] = ["alice", "bob", "carol", "ann", "ben", "cleo", "dan", "eve", "fay"];

/// Those without an account: only they can write without a call.
const GUESTS: [&str; 6] = ["ann", "ben", "cleo", "dan", "eve", "fay"];

const ROOMS: [&str; 4] = ["red", "green", "blue", "grey"];

/// The one of them that is in no list.
const HIDDEN: &str = "grey";

/// Who looks at the list all the time.
const LOOKER: &str = "fay";

/// Who is in which conference, as it should be.
#[derive(Debug, Default)]
struct Model {
    rooms: BTreeMap<&'static str, &'static str>,
    /// What was said, by whom and where; the text is used once.
    said: BTreeMap<String, (&'static str, &'static str)>,
    /// Conferences in which somebody was for a while.
    held: BTreeSet<&'static str>,
}

impl Model {
    /// A text that was never said before.
    fn text(&mut self, who: &'static str, room: &'static str) -> String {
        let text = format!("{room} {who} {}", self.said.len());
        self.said.insert(text.clone(), (who, room));
        text
    }

    fn together(&self, one: &str, other: &str) -> bool {
        one != other && self.rooms.contains_key(one) && self.rooms.get(one) == self.rooms.get(other)
    }
}

/// Something somebody does.
fn step(world: &mut World, chance: &mut Chance, model: &mut Model) {
    let name = chance.pick(&PEOPLE);
    match (model.rooms.get(name).copied(), chance.below(6)) {
        (None, 0) if GUESTS.contains(&name) => {
            let room = chance.pick(&ROOMS);
            let text = model.text(name, room);
            world.act(name, |phone, now| phone.say_outside(now, room, &text));
        }
        // The last call may not be over for the phone yet.
        (None, _) if world.phone(name).call.is_none() => {
            let room = chance.pick(&ROOMS);
            world.dial(name, room);
            model.rooms.insert(name, room);
        }
        (None, _) => {}
        (Some(_), 0 | 1) => {
            world.hang_up(name);
            model.rooms.remove(name);
        }
        (Some(room), 2) if GUESTS.contains(&name) => {
            let text = model.text(name, room);
            world.act(name, |phone, now| phone.say_outside(now, room, &text));
        }
        (Some(room), _) => {
            let text = model.text(name, room);
            world.act(name, |phone, now| phone.say(now, &text));
        }
    }
}

/// What nobody may ever get: a line of a conference that one is not in, or in another's name.
fn assert_no_line_leaked(world: &World, model: &Model) {
    for name in PEOPLE {
        for line in &world.phone(name).read {
            // The conference tells a writer whom it did not reach, and repeats what was written.
            let own = line.text.split_once(": ").filter(|_| line.from == line.at);
            if let Some((_, text)) = own.filter(|(told, _)| told.starts_with("did not reach")) {
                assert_eq!(model.said.get(text), Some(&(name, line.at.as_str())), "{line:?}");
                continue;
            }
            let Some((writer, room)) = model.said.get(&line.text) else {
                panic!("{name} reads what nobody wrote: {line:?}\n{}", world.ladder);
            };
            assert_eq!(&line.at, room, "{name} reads {line:?}\n{}", world.ladder);
            assert_eq!(&line.from, writer, "{name} reads {line:?}\n{}", world.ladder);
        }
    }
}

/// Who is in no conference, or in another one, is refused; and nobody reads it.
fn strangers_are_refused(world: &mut World, chance: &mut Chance, model: &Model) {
    let (name, room) = (chance.pick(&GUESTS), chance.pick(&ROOMS));
    if model.rooms.get(name) == Some(&room) {
        return;
    }
    let open = model.rooms.values().any(|other| *other == room);
    let text = format!("{name} should not be heard in {room} {}", chance.next());
    world.act(name, |phone, now| phone.say_outside(now, room, &text));
    world.run(secs(2));
    let told = world.phone(name).told.iter().find(|(said, _)| *said == text);
    let status = told.map(|(_, status)| *status);
    assert!(status == Some(403) || (!open && status == Some(404)), "{status:?}\n{}", world.ladder);
    for reader in PEOPLE {
        assert!(world.phone(reader).read.iter().all(|line| line.text != text), "{reader}");
    }
}

/// Who asks who is in its conference is told of these and of nobody else, also when somebody leaves.
fn rosters_tell_who_is_there(world: &mut World, model: &Model) {
    let members: Vec<_> = model.rooms.keys().copied().collect();
    for name in &members {
        world.act(name, |phone, now| phone.watch(now));
    }
    // Four notifications go at once, then one in five seconds.
    world.run(secs(30));
    for (name, room) in &model.rooms {
        let roster = &world.phone(name).roster;
        let user = |uri: &str| uri.trim_start_matches("sip:").split('@').next().map(str::to_owned);
        let told: BTreeSet<String> = roster.users().filter_map(|u| user(&u.entity)).collect();
        let there = model.rooms.iter().filter(|(_, other)| *other == room);
        let there: BTreeSet<String> = there.map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(told, there, "{name} in {room}\n{}", world.ladder);
        assert_eq!(user(&roster.entity).as_deref(), Some(*room), "{name}");
    }
}

/// Who looks at the list finds what is open, and never what is hidden.
fn lists_hide_what_is_hidden(world: &World, model: &Model) {
    let lists = &world.phone(LOOKER).lists;
    assert!(!lists.is_empty(), "{}", world.ladder);
    assert!(lists.iter().all(|list| !list.contains(HIDDEN)), "{lists:#?}");
    for room in model.held.iter().filter(|room| **room != HIDDEN) {
        let told = lists.iter().any(|list| list.contains(room));
        assert!(told, "{room} is not told of in {} lists\n{}", lists.len(), world.ladder);
    }
}

/// The network is good and nothing is under way: all is exactly as in the model.
fn assert_all_is_as_it_should_be(world: &mut World, model: &mut Model) {
    for (name, room) in &model.rooms {
        assert!(world.talks(name), "{name} is not in {room}\n{}", world.ladder);
    }
    model.held.extend(model.rooms.values());
    let counters = world.counters();
    let rooms: BTreeSet<_> = model.rooms.values().collect();
    assert_eq!(counters.members, model.rooms.len(), "{}", world.ladder);
    assert!(counters.conferences >= rooms.len(), "{}", world.ladder);
    world.listen(secs(1));
    for ear in PEOPLE {
        for voice in PEOPLE {
            let hears = world.hears(ear, voice);
            assert_eq!(hears, model.together(ear, voice), "{ear}, {voice}\n{}", world.ladder);
        }
    }
    let members: Vec<_> = model.rooms.iter().map(|(name, room)| (*name, *room)).collect();
    for (name, room) in members {
        let text = model.text(name, room);
        world.act(name, |phone, now| phone.say(now, &text));
        world.run(secs(2));
        for reader in PEOPLE {
            let came = world.phone(reader).read.iter().filter(|line| line.text == text).count();
            let expected = usize::from(model.together(name, reader));
            assert_eq!(came, expected, "{reader} reads {text}\n{}", world.ladder);
        }
    }
}

fn walk(seed: u64, rough: Quality) {
    let mut world = World::with(seed, Quality::GOOD, &PEOPLE);
    let (mut chance, mut model) = (Chance::new(!seed), Model::default());
    world.open_hidden(HIDDEN);
    world.act(LOOKER, |phone, now| phone.watch_list(now));
    for _ in 0..4 {
        world.set_quality(rough);
        for _ in 0..25 {
            step(&mut world, &mut chance, &mut model);
            world.run(millis(chance.pick(&[0, 10, 40, 200, 700])));
            // A call that failed on the way is no membership.
            model.rooms.retain(|name, _| world.phone(name).call.is_some());
            assert_no_line_leaked(&world, &model);
        }
        world.set_quality(Quality::GOOD);
        // Whatever was lost was sent again by now, or given up.
        world.run(secs(40));
        model.rooms.retain(|name, _| world.phone(name).call.is_some());
        assert_no_line_leaked(&world, &model);
        rosters_tell_who_is_there(&mut world, &model);
        assert_all_is_as_it_should_be(&mut world, &mut model);
        strangers_are_refused(&mut world, &mut chance, &model);
    }
    lists_hide_what_is_hidden(&world, &model);
    world.close(HIDDEN);
    world.assert_nothing_is_left();
}

#[test]
fn conferences_are_islands() {
    for seed in 0..4 {
        walk(seed, Quality::GOOD);
    }
}

#[test]
fn conferences_are_islands_over_a_bad_network() {
    for seed in 100..108 {
        walk(seed, Quality::BAD);
    }
}
