//! Who sees whom.

use crate::clock::secs;
use crate::world::World;

impl World {
    /// These have cameras and screens from their next call on.
    pub fn let_see(&mut self, people: &[&str]) {
        for name in people {
            self.act(name, |phone, _| phone.camera = true);
        }
    }

    /// Whose pictures this one could decode within the last two seconds.
    pub fn sees(&self, eye: &str) -> Vec<&str> {
        let picture = self.phone(eye).call.as_ref().and_then(|call| call.picture.as_ref());
        let now = self.now();
        let seen = picture.into_iter().flat_map(|picture| picture.seen());
        let fresh = seen.filter(|(_, sight)| now <= sight.last + secs(2));
        fresh.map(|(name, _)| name.as_str()).collect()
    }

    /// Each of these sees another of these, if there is one, and never itself.
    pub fn assert_all_see_somebody(&self, people: &[&str]) {
        for eye in people {
            let sees = self.sees(eye);
            let call = self.phone(eye).call.as_ref();
            let picture = call.and_then(|call| call.picture.as_ref()).expect("a screen");
            let somebody = people.iter().any(|name| name != eye && sees.contains(name));
            assert!(
                somebody == (people.len() > 1) && !picture.seen().contains_key(*eye),
                "{eye} of {people:?} sees {sees:?}, at {:?}: {}\n{}",
                self.elapsed(),
                picture.told(),
                self.ladder
            );
            assert_eq!(
                picture.smeared(),
                0,
                "{eye} sees rubbish: {}\n{}",
                picture.told(),
                self.ladder
            );
        }
    }
}
