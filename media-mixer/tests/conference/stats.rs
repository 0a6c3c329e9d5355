//! How loud, how well and how much.

use std::time::Duration;

use media_codec::AudioCodec::{Opus, Pcmu};
use media_mixer::TICK;

use crate::phone::Phone;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn numbers_are_those_of_the_last_seconds() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 410.0).with_video(0)).unwrap();
    world.join(Phone::new("b", 2, Opus, 0.0)).unwrap();
    world.join_at(Phone::new("c", 3, Pcmu, 830.0), true).unwrap();
    world.run(SECOND * 4);
    let stats = world.conference.leg_stats();
    let [a, b, c] = &stats[..] else { panic!("{stats:?}") };
    assert_eq!([&a.leg, &b.leg, &c.leg], ["a", "b", "c"]);
    assert_eq!([&a.display_name, &b.display_name], ["A", "B"]);
    // A sine of amplitude 4000 is 21 dB below overload.
    assert!((-23..=-19).contains(&a.level_dbov) && a.speaking, "{a:?}");
    assert!(b.level_dbov < -80 && !b.speaking, "{b:?}");
    assert!(c.lobby && !c.speaking && c.level_dbov == -127, "the lobby is private: {c:?}");
    let media: Vec<_> =
        a.lines.iter().map(|l| (l.index, l.medium.as_str(), l.codec.as_str())).collect();
    assert_eq!(media, [(0, "audio", "PCMU"), (1, "video", "VP8")]);
    assert_eq!(b.lines[0].codec, "opus");
    // G.711: 50 packets of 160 octets and a header of 12 (and the CSRCs, from us) a second.
    assert!((68.0..70.0).contains(&a.lines[0].kbit_in), "{a:?}");
    assert!((68.0..72.0).contains(&a.lines[0].kbit_out), "{a:?}");
    assert!(a.lines[1].kbit_in > 100.0 && a.lines[1].kbit_out == 0.0, "{a:?}");
    assert!(a.lines.iter().all(|line| line.loss_percent == 0.0), "{a:?}");
    let now = world.now;
    world.conference.control(now, "a", true, false).unwrap();
    world.run(SECOND);
    let a = &world.conference.leg_stats()[0];
    assert!(a.muted && !a.speaking && a.level_dbov == -127, "{a:?}");
}

#[test]
fn losses_are_told_in_percent() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 410.0)).unwrap();
    for tick in 0..400 {
        // Every fifth packet gets lost.
        let now = world.now;
        for (to, from, bytes) in world.phone("a").speak(now) {
            if tick % 5 != 0 {
                world.send(to, from, &bytes);
            }
        }
        world.now += TICK;
        let now = world.now;
        world.conference.handle_timeout(now);
        world.deliver();
    }
    let line = &world.conference.leg_stats()[0].lines[0];
    assert!((18.0..22.0).contains(&line.loss_percent), "{line:?}");
}
