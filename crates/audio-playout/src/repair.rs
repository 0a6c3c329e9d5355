//! Whether it pays to wait for the packet after a lost one, because it holds a copy.

use crate::timeline::Ticks;

/// Share of what was that stays with each packet: about two seconds of memory at 20 ms.
const MEMORY: f32 = 0.99;
/// Share of lost packets from which waiting pays, and below which it does not any more.
const WORTH: f32 = 0.01;
const NOT_WORTH: f32 = 0.003;
/// Share of packets that must hold a copy.
const MOSTLY: f32 = 0.3;

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct Repair {
    lost: f32,
    redundant: f32,
    waiting: bool,
}

impl Repair {
    /// A packet came, with a copy of the one before or without.
    pub(crate) fn saw(&mut self, redundant: bool) {
        self.redundant = self.redundant * MEMORY + if redundant { 1.0 - MEMORY } else { 0.0 };
        self.decide();
    }

    /// A packet is played, after a loss or not.
    pub(crate) fn played(&mut self, after_loss: bool) {
        self.lost = self.lost * MEMORY + if after_loss { 1.0 - MEMORY } else { 0.0 };
        self.decide();
    }

    fn decide(&mut self) {
        if self.redundant < MOSTLY || self.lost < NOT_WORTH {
            self.waiting = false;
        } else if self.lost > WORTH {
            self.waiting = true;
        }
    }

    /// What is to be added to the delay: the length of a packet, or nothing.
    pub(crate) fn margin(&self, packet: Ticks) -> Ticks {
        if self.waiting { packet } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_pays_with_losses_and_copies_only() {
        for (loss, copies, expected) in
            [(false, false, 0), (true, false, 0), (false, true, 0), (true, true, 960)]
        {
            let mut repair = Repair::default();
            for n in 0..200 {
                repair.saw(copies);
                repair.played(loss && n % 20 == 0);
            }
            assert_eq!(repair.margin(960), expected, "{loss} {copies}");
        }
    }

    #[test]
    fn the_delay_is_given_back_when_losses_end() {
        let mut repair = Repair::default();
        for n in 0..200 {
            repair.saw(true);
            repair.played(n % 20 == 0);
        }
        for _ in 0..400 {
            repair.saw(true);
            repair.played(false);
        }
        assert_eq!(repair.margin(960), 0);
    }
}
