//! The description side of one dialog: what must stay the same from offer to offer (RFC 3264 §8).

use std::net::IpAddr;

use crate::media::{MediaDescription, MediaKind};
use crate::parse::MAX_MEDIA;
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
    /// The n-th foreign line of a kind goes to the n-th line of that kind, or behind all lines if
    /// there is none (up to [`MAX_MEDIA`]). Lines that get nothing have port 0.
    pub fn fit_mapped(&mut self, foreign: &SessionDescription) -> (SessionDescription, LineMap) {
        let mut map = self.match_lines(foreign);
        let mut count = self.layout.len();
        for place in map.iter_mut().filter(|place| place.is_none()) {
            if count < MAX_MEDIA {
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

    /// For each foreign line, where it goes: the n-th line of a kind to the n-th line of that kind.
    /// That keeps order and is the same each time, so no stream changes its line between two offers.
    fn match_lines(&self, foreign: &SessionDescription) -> Vec<Option<usize>> {
        let mut seen: Vec<&MediaKind> = Vec::new();
        let mut map = Vec::new();
        for media in &foreign.media {
            let before = seen.iter().filter(|kind| **kind == &media.kind).count();
            seen.push(&media.kind);
            let of_kind =
                self.layout.iter().enumerate().filter(|(_, line)| line.kind == media.kind);
            map.push(of_kind.map(|(index, _)| index).nth(before));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(media: &str) -> SessionDescription {
        let text =
            format!("v=0\no=x 9 9 IN IP4 192.0.2.7\ns=call\nt=5 6\na=group:BUNDLE 0 1\n{media}");
        SessionDescription::parse(&text).unwrap()
    }

    fn dialog() -> DialogSdp {
        DialogSdp::new("focus", 42, "192.0.2.1".parse().unwrap())
    }

    fn lines(description: &SessionDescription) -> Vec<(String, u16)> {
        description.media.iter().map(|media| (media.kind.to_string(), media.port)).collect()
    }

    fn expected(lines: &[(&str, u16)]) -> Vec<(String, u16)> {
        lines.iter().map(|(kind, port)| ((*kind).to_owned(), *port)).collect()
    }

    #[test]
    fn the_foreign_identity_does_not_leak() {
        let fitted = dialog().fit(&foreign("m=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.7\n"));
        assert_eq!(
            fitted.to_string().replace("\r\n", "\n"),
            "v=0\no=focus 42 1 IN IP4 192.0.2.1\ns=-\nt=0 0\n\
             m=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.7\n"
        );
    }

    #[test]
    fn the_version_counts_changes() {
        let mut dialog = dialog();
        let one = foreign("m=audio 4000 RTP/AVP 0\n");
        let other = foreign("m=audio 4002 RTP/AVP 0\n");
        let versions: Vec<u64> = [&one, &one, &other, &one]
            .map(|foreign| dialog.fit(foreign).origin.session_version)
            .to_vec();
        assert_eq!(versions, [1, 1, 2, 3]);
        assert_eq!(dialog.last().unwrap().origin.session_version, 3);
    }

    #[test]
    fn missing_lines_are_padded_and_surplus_ones_appended() {
        let mut dialog = dialog();
        dialog.fit(&foreign("m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 96\na=mid:v\n"));
        let fitted = dialog.fit(&foreign("m=audio 5000 RTP/AVP 8\n"));
        assert_eq!(lines(&fitted), expected(&[("audio", 5000), ("video", 0)]));
        assert_eq!(fitted.media[1].attributes.get("mid"), Some("v"));
        assert_eq!(fitted.connection.unwrap().to_string(), "IN IP4 192.0.2.1");
        let fitted = dialog.fit(&foreign(
            "m=video 6002 RTP/AVP 97\nm=audio 6000 RTP/AVP 8\nm=video 6004 RTP/AVP 97\n",
        ));
        assert_eq!(lines(&fitted), expected(&[("audio", 6000), ("video", 6002), ("video", 6004)]));
    }

    #[test]
    fn an_answer_takes_lines_and_times_of_the_offer() {
        let mut dialog = dialog();
        // Our own offer with two more lines was turned down: the peer still has one.
        dialog.fit(&foreign(
            "m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 96\nm=video 4004 RTP/AVP 96\n",
        ));
        let offer = foreign("m=audio 7000 RTP/AVP 0\n");
        let answer = foreign("m=audio 5000 RTP/AVP 0\nm=video 5002 RTP/AVP 96\n");
        let answered = dialog.answer(&offer, &answer);
        assert_eq!(lines(&answered), expected(&[("audio", 5000)]));
        assert_eq!(answered.times, offer.times);
    }

    /// Third-party call control (RFC 3725 §7): A has audio and one picture, B has two pictures left
    /// from its time with the mixer.
    #[test]
    fn an_offer_is_carried_over_and_its_answer_back() {
        let (mut a, mut b) = (dialog(), DialogSdp::new("-", 7, "192.0.2.1".parse().unwrap()));
        b.fit(&foreign(
            "m=video 4000 RTP/AVP 96\nm=audio 4002 RTP/AVP 0\nm=video 4004 RTP/AVP 96\n",
        ));
        let offer_of_a = foreign("m=audio 7000 RTP/AVP 0\nm=video 7002 RTP/AVP 96\n");
        let (to_b, map) = b.fit_mapped(&offer_of_a);
        assert_eq!(lines(&to_b), expected(&[("video", 7002), ("audio", 7000), ("video", 0)]));
        let answer_of_b =
            foreign("m=video 8000 RTP/AVP 96\nm=audio 8002 RTP/AVP 0\nm=video 0 RTP/AVP 96\n");
        let to_a = a.answer_mapped(&offer_of_a, &answer_of_b, &map);
        assert_eq!(lines(&to_a), expected(&[("audio", 8002), ("video", 8000)]));
    }

    #[test]
    fn lines_do_not_grow_without_bound() {
        let mut dialog = dialog();
        dialog.fit(&foreign(&"m=audio 4000 RTP/AVP 0\n".repeat(MAX_MEDIA)));
        let (fitted, map) = dialog.fit_mapped(&foreign("m=video 4000 RTP/AVP 96\n"));
        assert_eq!(fitted.media.len(), MAX_MEDIA);
        assert_eq!(map.get(0), None);
    }
}
