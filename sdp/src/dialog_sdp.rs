//! The description side of one dialog: what must stay the same from offer to offer (RFC 3264 §8).

use std::net::IpAddr;

use crate::media::{MediaDescription, MediaKind};
use crate::session::{Origin, SessionDescription, Time};

/// Keeps the `o=` line, its version, and the m-line layout of one dialog, and fits descriptions of
/// elsewhere (the mixer's, the other party's) into it.
///
/// - The version rises by one exactly when the body changes, and stays when it does not.
/// - Our offers never have fewer lines than the dialog has, nor another order; our answers have
///   exactly the lines of the peer's offer.
/// - `s=` and `t=` are the dialog's; groups of the foreign description are dropped, because their
///   members may be elsewhere here.
#[derive(Clone, Debug)]
pub struct DialogSdp {
    origin: Origin,
    times: Vec<Time>,
    /// For each m-line, what a disabled line in its place looks like.
    layout: Vec<MediaDescription>,
    /// What was sent last.
    last: Option<SessionDescription>,
}

/// Which line of a dialog a line of the foreign description went to; made by
/// [`DialogSdp::fit_mapped`] for an offer, used by [`DialogSdp::answer_mapped`] in the dialog the
/// offer came from to bring the answer back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineMap(Vec<Option<usize>>);

impl LineMap {
    /// Where the foreign line went; `None` when it was left out.
    pub fn get(&self, foreign: usize) -> Option<usize> {
        self.0.get(foreign).copied().flatten()
    }
}

impl DialogSdp {
    /// The side of a new dialog. `username` (`-` for none), `session_id` (below 2^63, unique for the
    /// user and the address) and `address` stay for the life of the dialog; versions begin with 1.
    pub fn new(username: &str, session_id: u64, address: IpAddr) -> Self {
        Self {
            origin: Origin::new(username, session_id, 1, address),
            times: vec![Time::UNBOUNDED],
            layout: Vec::new(),
            last: None,
        }
    }

    /// What was sent last, for instance to be repeated in a session refresh.
    pub fn last(&self) -> Option<&SessionDescription> {
        self.last.as_ref()
    }

    /// How many m-lines the dialog has.
    pub fn line_count(&self) -> usize {
        self.layout.len()
    }

    /// Our next offer in this dialog, made of a foreign description. See [`Self::fit_mapped`].
    pub fn fit(&mut self, foreign: &SessionDescription) -> SessionDescription {
        self.fit_mapped(foreign).0
    }

    /// Our next offer in this dialog, made of a foreign description, and where its lines went.
    ///
    /// A foreign line goes to its own index if the kind there is the same, else to the first free
    /// line of its kind, else, if it is live, behind all lines. Lines that get nothing have port 0.
    pub fn fit_mapped(&mut self, foreign: &SessionDescription) -> (SessionDescription, LineMap) {
        let mut map = self.match_lines(foreign);
        let mut count = self.layout.len();
        for (media, place) in foreign.media.iter().zip(&mut map) {
            if place.is_none() && media.is_live() {
                *place = Some(count);
                count += 1;
            }
        }
        let fitted = self.compose(foreign, &map, count);
        (fitted, LineMap(map))
    }

    /// Our answer to the peer's offer in this dialog, made of a foreign answer to the same lines,
    /// such as the mixer's. It has exactly the lines of the offer.
    pub fn answer(
        &mut self,
        peer_offer: &SessionDescription,
        foreign: &SessionDescription,
    ) -> SessionDescription {
        self.take_layout(peer_offer);
        let map = self.match_lines(foreign);
        self.compose(foreign, &map, self.layout.len())
    }

    /// Our answer to the peer's offer in this dialog, when that offer has been fitted into another
    /// dialog by [`Self::fit_mapped`], which gave `map`, and was answered there by `foreign`.
    pub fn answer_mapped(
        &mut self,
        peer_offer: &SessionDescription,
        foreign: &SessionDescription,
        map: &LineMap,
    ) -> SessionDescription {
        self.take_layout(peer_offer);
        let mut back = vec![None; foreign.media.len()];
        for ours in 0..self.layout.len() {
            if let Some(place) = map.get(ours).and_then(|theirs| back.get_mut(theirs)) {
                *place = Some(ours);
            }
        }
        self.compose(foreign, &back, self.layout.len())
    }

    /// The peer's offer decides about lines (it may have added some) and times (RFC 3264 §6).
    fn take_layout(&mut self, peer_offer: &SessionDescription) {
        self.layout = peer_offer.media.iter().map(MediaDescription::refused).collect();
        self.times.clone_from(&peer_offer.times);
    }

    /// For each foreign line, which of the lines there are it goes to. Live lines choose first.
    fn match_lines(&self, foreign: &SessionDescription) -> Vec<Option<usize>> {
        let mut map = vec![None; foreign.media.len()];
        let mut free: Vec<Option<&MediaKind>> =
            self.layout.iter().map(|line| Some(&line.kind)).collect();
        let lines = || foreign.media.iter().enumerate();
        for wants_live in [true, false] {
            for (index, media) in lines().filter(|(_, media)| media.is_live() == wants_live) {
                if free.get(index) == Some(&Some(&media.kind)) {
                    place(&mut map, index, &mut free, index);
                }
            }
            for (index, media) in lines().filter(|(_, media)| media.is_live() && wants_live) {
                let unplaced = map.get(index) == Some(&None);
                let first_free = free.iter().position(|kind| *kind == Some(&media.kind));
                if let (true, Some(slot)) = (unplaced, first_free) {
                    place(&mut map, index, &mut free, slot);
                }
            }
        }
        map
    }

    /// Puts foreign lines where `map` says and disabled ones elsewhere, and gives it our identity.
    fn compose(
        &mut self,
        foreign: &SessionDescription,
        map: &[Option<usize>],
        count: usize,
    ) -> SessionDescription {
        let mut media: Vec<Option<MediaDescription>> = vec![None; count];
        for (line, place) in foreign.media.iter().zip(map) {
            let slot = place.and_then(|place| media.get_mut(place));
            let kind = place.and_then(|place| self.layout.get(place)).map(|line| &line.kind);
            if let (Some(slot), true) = (slot, kind.is_none_or(|kind| *kind == line.kind)) {
                *slot = Some(line.clone());
            }
        }
        let padded = media.into_iter().enumerate().filter_map(|(index, line)| {
            line.or_else(|| self.layout.get(index).map(MediaDescription::refused))
        });
        let mut fitted = foreign.clone();
        fitted.media = padded.collect();
        fitted.session_name = "-".to_owned();
        fitted.times.clone_from(&self.times);
        fitted.time_zones = None;
        fitted.attributes.remove("group");
        if fitted.media.iter().any(|line| line.connections.is_empty()) {
            // RFC 8866 §5.7: every medium has a c=, also one that carries nothing.
            fitted.connection.get_or_insert_with(|| self.origin.address.clone());
        }
        self.layout = fitted.media.iter().map(MediaDescription::refused).collect();
        self.publish(fitted)
    }

    /// Sets `o=`: the version rises exactly when something else changes.
    fn publish(&mut self, mut body: SessionDescription) -> SessionDescription {
        if let Some(last) = &self.last {
            body.origin.clone_from(&last.origin);
            if body != *last {
                self.origin.session_version = self.origin.session_version.saturating_add(1);
            }
        }
        body.origin.clone_from(&self.origin);
        self.last = Some(body.clone());
        body
    }
}

fn place(map: &mut [Option<usize>], foreign: usize, free: &mut [Option<&MediaKind>], slot: usize) {
    if let (Some(place), Some(kind)) = (map.get_mut(foreign), free.get_mut(slot)) {
        *place = Some(slot);
        *kind = None;
    }
}
