//! By what others know a member's streams, and how a line asks for just one of them.
//!
//! Every stream that a member may send has a label (RFC 4574), which stays for as long as the line is there: `a` or `v`,
//! the number of the leg, `-`, the index of the m-line. The focus learns it by [`Event::Sources`] and shows it in the
//! roster; a member who only receives on a line with such a label is shown just that stream.

use mixer_control::{LineDirection, SourceLine};
use rtp_session::Ssrc;
use sdp::Direction;
use sdp::negotiate::{Answer, NegotiatedMedia};

use super::Conference;
use crate::leg::{Leg, LegId, Medium};
use crate::output::Event;
use crate::video::LineId;

/// Our label of the mixed sound and of the first picture that is switched: what a roster calls available media
/// (RFC 4575 §5.3.4).
const MAIN_LABELS: [&str; 2] = ["1", "2"];

/// The label of what is sent on a line of an answer or offer of ours, whose offer names none. `earlier`: lines of this
/// kind before it.
pub(crate) fn label_of_ours(video: bool, index: usize, earlier: usize) -> String {
    match earlier {
        0 => MAIN_LABELS[usize::from(video)].to_owned(),
        _ => format!("{}{index}", if video { "tile" } else { "sound" }),
    }
}

/// Whether a label is one that [`label_of_ours`] gives. Who answers an offer of ours may repeat it in offers of its own,
/// and asks for nobody by that.
fn is_of_ours(label: &str) -> bool {
    let number = ["tile", "sound"].iter().find_map(|word| label.strip_prefix(word));
    MAIN_LABELS.contains(&label) || number.is_some_and(|number| number.parse::<u16>().is_ok())
}

/// The label of what a member sends on a line.
fn label(line: LineId, medium: &Medium) -> String {
    let letter = match medium {
        Medium::Audio(_) => 'a',
        Medium::Video(_) => 'v',
    };
    format!("{letter}{}-{}", line.leg.0, line.line)
}

/// The line of a label of a picture.
fn picture_of(label: &str) -> Option<LineId> {
    let (leg, line) = label.strip_prefix('v')?.split_once('-')?;
    let line = LineId { leg: LegId(leg.parse().ok()?), line: line.parse().ok()? };
    // One name for one thing: no plus sign, no leading zeros.
    (format!("v{}-{}", line.leg.0, line.line) == label).then_some(line)
}

/// Whose picture a line asks for by its label: only a line on which we send only can.
pub(crate) fn wished(media: &NegotiatedMedia) -> Option<LineId> {
    let label = media.label.as_deref().filter(|_| media.direction == Direction::SendOnly)?;
    picture_of(label)
}

impl Conference {
    /// Refuses the lines of an answer that ask by their label for a picture that the leg cannot be shown. Returns
    /// whether that leaves nothing of what was accepted.
    pub(super) fn refuse_unknown_labels(&self, asking: Option<LegId>, answer: &mut Answer) -> bool {
        let unknown: Vec<usize> = answer
            .accepted()
            .filter(|(line, media)| {
                line.kind == sdp::MediaKind::Video
                    && media.direction == Direction::SendOnly
                    && media.label.as_deref().is_some_and(|label| !is_of_ours(label))
                    && !wished(media).is_some_and(|line| self.has_picture(asking, line))
            })
            .map(|(line, _)| line.index)
            .collect();
        for index in &unknown {
            answer.refuse(*index);
        }
        !unknown.is_empty() && answer.accepted().next().is_none()
    }

    fn has_picture(&self, asking: Option<LegId>, line: LineId) -> bool {
        let lobby = asking.and_then(|leg| self.legs.get(&leg)).is_some_and(|leg| leg.lobby);
        let shown = self.legs.get(&line.leg).filter(|leg| !leg.lobby && !lobby);
        asking != Some(line.leg)
            && shown
                .and_then(|leg| leg.line(line.line))
                .is_some_and(|line| matches!(line.medium, Medium::Video(_)))
    }

    /// Tells the sources of all legs once more: the focus has missed some of what it was told.
    pub fn tell_sources_again(&mut self) {
        for leg in self.legs.values_mut() {
            leg.sources = Sources { told: None, changed: true };
        }
    }

    /// Tells the focus about legs whose streams are known by something else than it was told.
    pub(super) fn tell_sources(&mut self) {
        for (&id, leg) in self.legs.iter_mut().filter(|(_, leg)| leg.sources.changed) {
            leg.sources.changed = false;
            let lines: Vec<SourceLine> = source_lines(id, leg).collect();
            if leg.sources.told.as_ref() != Some(&lines) {
                self.out.event(Event::Sources { leg: leg.name.clone(), lines: lines.clone() });
                leg.sources.told = Some(lines);
            }
        }
    }
}

fn source_lines(id: LegId, leg: &Leg) -> impl Iterator<Item = SourceLine> {
    leg.live().map(move |(index, line)| {
        let public = match &line.medium {
            Medium::Audio(audio) => audio.public,
            Medium::Video(video) => video.source.public(),
        };
        // What we receive the member sends.
        let direction = line.transport.direction();
        SourceLine {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            medium: line.medium.name().to_owned(),
            ssrc: (public != Ssrc(0)).then_some(public.0),
            direction: LineDirection::of(direction.receives(), direction.sends()),
            label: label(LineId { leg: id, line: index }, &line.medium),
        }
    })
}

/// What the focus was told about a leg's streams.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) told: Option<Vec<SourceLine>>,
    /// Something may be different now.
    pub(crate) changed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_one_picture_and_anything_else_none() {
        let line = LineId { leg: LegId(12), line: 3 };
        assert_eq!(picture_of("v12-3"), Some(line));
        for other in ["", "v", "v12", "v-3", "v12-", "v+12-3", "v012-3", "v12-03", "a12-3", "2"] {
            assert_eq!(picture_of(other), None, "{other}");
        }
        assert_eq!(picture_of("v99999999999-1"), None);
    }

    #[test]
    fn labels_of_ours_are_no_members_and_differ() {
        let labels: Vec<String> =
            (0..4).map(|n| label_of_ours(n > 0, n, n.saturating_sub(1))).collect();
        assert_eq!(labels, ["1", "2", "tile2", "tile3"]);
        assert!(labels.iter().all(|label| picture_of(label).is_none() && is_of_ours(label)));
        assert!(["", "3", "tile", "tilex", "v1-1"].iter().all(|label| !is_of_ours(label)));
    }
}
