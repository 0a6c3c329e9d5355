//! Which temporal layers of VP8 are forwarded (RFC 7741 §4.2, T and Y).

use crate::RtpTime;
use crate::vp8::Descriptor;

/// Pictures whose fate is remembered: all packets of one share it, also late ones.
const REMEMBERED: usize = 8;
/// TID has two bits.
pub(super) const ALL: u8 = 3;

/// Drops whole pictures above a layer.
#[derive(Clone, Debug)]
pub(super) struct LayerFilter {
    /// Wanted.
    target: u8,
    /// Forwarded now.
    current: u8,
    /// (timestamp, forwarded) of the latest pictures; a ring.
    decided: [Option<(RtpTime, bool)>; REMEMBERED],
    next: usize,
}

impl Default for LayerFilter {
    fn default() -> Self {
        Self { target: ALL, current: ALL, decided: [None; REMEMBERED], next: 0 }
    }
}

impl LayerFilter {
    pub(super) fn set_target(&mut self, layer: u8) {
        self.target = layer.min(ALL);
    }

    /// A source begins with a key frame, which everything above it may follow.
    pub(super) fn join(&mut self) {
        self.current = self.target;
        self.decided = [None; REMEMBERED];
    }

    /// Whether this packet's picture is forwarded. Layers go down at once, with the next picture; up only at a picture
    /// that needs nothing but the base layer (Y), as those between are missing.
    pub(super) fn keeps(&mut self, descriptor: &Descriptor, timestamp: RtpTime) -> bool {
        let Some((layer, sync)) = descriptor.temporal else { return true };
        if let Some((_, kept)) =
            self.decided.iter().flatten().find(|(known, _)| *known == timestamp)
        {
            return *kept;
        }
        self.current = self.current.min(self.target);
        if layer > self.current && layer <= self.target && sync {
            self.current = layer;
        }
        let kept = layer <= self.current;
        if let Some(slot) = self.decided.get_mut(self.next) {
            *slot = Some((timestamp, kept));
        }
        self.next = (self.next + 1) % REMEMBERED;
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(filter: &mut LayerFilter, timestamp: u32, layer: u8, sync: bool) -> bool {
        let descriptor = Descriptor { temporal: Some((layer, sync)), ..Descriptor::default() };
        filter.keeps(&descriptor, RtpTime(timestamp))
    }

    #[test]
    fn layers_go_down_at_a_picture_and_up_at_a_sync() {
        let mut filter = LayerFilter::default();
        filter.join();
        assert!(keeps(&mut filter, 0, 0, false));
        assert!(keeps(&mut filter, 1, 2, false));
        filter.set_target(0);
        assert!(keeps(&mut filter, 1, 2, false), "not in the middle of a picture");
        assert!(!keeps(&mut filter, 2, 1, true));
        assert!(!keeps(&mut filter, 3, 2, false));
        assert!(keeps(&mut filter, 4, 0, false));
        filter.set_target(2);
        assert!(!keeps(&mut filter, 5, 1, false), "it may need what was dropped");
        assert!(keeps(&mut filter, 6, 1, true));
        assert!(!keeps(&mut filter, 7, 2, false), "each layer needs its own sync");
        assert!(!keeps(&mut filter, 5, 1, false), "a late packet of a dropped picture");
        assert!(keeps(&mut filter, 8, 2, true));
        assert!(keeps(&mut filter, 9, 1, false));
    }

    #[test]
    fn a_stream_without_layers_passes() {
        let mut filter = LayerFilter::default();
        filter.set_target(0);
        assert!(filter.keeps(&Descriptor::default(), RtpTime(0)));
    }

    #[test]
    fn a_key_frame_starts_all_layers() {
        let mut filter = LayerFilter::default();
        filter.set_target(0);
        assert!(!keeps(&mut filter, 0, 1, false));
        filter.set_target(1);
        filter.join();
        assert!(keeps(&mut filter, 1, 1, false));
    }
}
