//! Making an offer (RFC 3264 §5, §8).

use super::capabilities::Capabilities;
use super::extension::{self, Extension};
use super::line::NegotiatedLine;
use super::transport::{LocalTransport, place};
use crate::attribute::direction::Direction;
use crate::attribute::flag::RTCP_MUX;
use crate::attribute::ptime::Ptime;
use crate::attribute::rtcp_fb::RtcpFb;
use crate::codec::{Codec, CodecSet};
use crate::media::{MediaDescription, MediaKind, Protocol};
use crate::session::SessionDescription;

/// One line to offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferLine {
    /// What it carries.
    pub kind: MediaKind,
    /// RTP/AVPF for new lines.
    pub profile: Protocol,
    /// What we would do.
    pub direction: Direction,
    /// Where we receive; `None` = port 0, the line is there only to keep the layout.
    pub local: Option<LocalTransport>,
    /// `a=label`
    pub label: Option<String>,
    /// `a=content`
    pub content: Option<String>,
    /// `a=mid`
    pub mid: Option<String>,
    /// The codec in use, to be offered first.
    current: Option<Codec>,
    /// Payload types that have a meaning on this line already.
    known: CodecSet,
    /// Header extensions that have an id on this line already.
    extensions: Vec<Extension>,
}

impl OfferLine {
    /// A new line.
    pub fn new(kind: MediaKind, direction: Direction, local: LocalTransport) -> Self {
        Self {
            kind,
            profile: Protocol::RtpAvpf,
            direction,
            local: Some(local),
            label: None,
            content: None,
            mid: None,
            current: None,
            known: CodecSet::default(),
            extensions: Vec::new(),
        }
    }

    /// A line of an earlier exchange again: profile, names, payload types and extension ids stay
    /// (RFC 3264 §8.3.2), the codec in use comes first. The direction starts as sendrecv.
    /// `local` `None` = port 0; a refused line can so keep its place, or be tried again.
    pub fn again(line: &NegotiatedLine, local: Option<LocalTransport>) -> Self {
        let mut again = Self {
            kind: line.kind.clone(),
            profile: Protocol::RtpAvpf,
            direction: Direction::SendRecv,
            local,
            label: None,
            content: None,
            mid: None,
            current: None,
            known: CodecSet::default(),
            extensions: Vec::new(),
        };
        if let Some(media) = line.accepted() {
            again.profile = media.profile.clone();
            again.label.clone_from(&media.label);
            again.content.clone_from(&media.content);
            again.mid.clone_from(&media.mid);
            again.current = Some(media.codec.clone());
            // Ours first: they are what has been arriving under these numbers.
            again.known = media.receive.iter().chain(media.peer_codecs.iter()).cloned().collect();
            again.extensions.clone_from(&media.extensions);
        }
        again
    }

    /// The same with another direction.
    #[must_use]
    pub fn with_direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }
}

/// Writes an offer with these lines, in this order; its `o=` line is a placeholder.
///
/// Offered are all codecs of the capabilities, DTMF, feedback, header extensions, and rtcp-mux.
/// Lines of kinds other than audio and video come out with port 0.
pub fn offer(lines: &[OfferLine], capabilities: &Capabilities) -> SessionDescription {
    let media = lines.iter().map(|line| describe(line, capabilities)).collect();
    place(media, lines.iter().filter_map(|line| line.local.as_ref()))
}

fn describe(line: &OfferLine, capabilities: &Capabilities) -> MediaDescription {
    let codecs = codecs(line, capabilities);
    let formats = match codecs.is_empty() {
        true => vec!["0".to_owned()],
        false => codecs.iter().map(|codec| codec.payload_type.to_string()).collect(),
    };
    let mut media = MediaDescription::new(line.kind.clone(), 0, line.profile.clone(), formats);
    let names = [("mid", &line.mid), ("label", &line.label), ("content", &line.content)];
    let local = line.local.as_ref().filter(|_| !codecs.is_empty());
    let Some(local) = local else {
        if let Some(mid) = &line.mid {
            media.attributes.push_value("mid", mid);
        }
        return media;
    };
    let attributes = &mut media.attributes;
    codecs.iter().for_each(|codec| codec.write(&line.kind, attributes));
    for codec in codecs.iter().filter(|codec| !codec.is_auxiliary()) {
        for feedback in capabilities.feedback(&line.kind) {
            let payload_type = Some(codec.payload_type);
            attributes.push_typed(&RtcpFb { payload_type, feedback: feedback.clone() });
        }
    }
    if let (MediaKind::Audio, Some(ptime)) = (&line.kind, capabilities.ptime) {
        attributes.push_typed(&Ptime(ptime));
    }
    for (name, value) in names {
        if let Some(value) = value {
            attributes.push_value(name, value);
        }
    }
    let known = &line.extensions;
    extension::offer(&line.kind, line.direction, known, &capabilities.extensions)
        .iter()
        .for_each(|map| attributes.push_typed(map));
    if capabilities.rtcp_mux {
        attributes.push_flag(RTCP_MUX);
    }
    attributes.push_flag(line.direction.as_str());
    local.write(&mut media, false);
    media
}

/// Our codecs under the numbers the line knows them by, new ones under numbers still free.
fn codecs(line: &OfferLine, capabilities: &Capabilities) -> CodecSet {
    let mut supported = capabilities.codecs(&line.kind).to_vec();
    supported.sort_by_key(|ours| {
        let in_use = line.current.as_ref().is_some_and(|current| current.matches(&ours.codec));
        (!in_use, ours.rank)
    });
    let events = match line.kind {
        MediaKind::Audio => capabilities.telephone_events.iter().cloned().collect(),
        _ => Vec::new(),
    };
    let mut offered = CodecSet::default();
    for codec in supported.into_iter().map(|ours| ours.codec).chain(events) {
        if let Some(payload_type) = payload_type(&codec, line, &offered) {
            offered.push(Codec { payload_type, ..codec });
        }
    }
    if let (MediaKind::Video, Some(time)) = (&line.kind, capabilities.rtx_time) {
        let primary: Vec<Codec> = offered.iter().cloned().collect();
        for codec in primary {
            let of = codec.payload_type;
            let rtx = Codec::rtx(of.saturating_add(1), codec.clock_rate, of, Some(time));
            if let Some(payload_type) = payload_type(&rtx, line, &offered) {
                offered.push(Codec { payload_type, ..rtx });
            }
        }
    }
    offered
}

/// `None` when all dynamic numbers are taken.
fn payload_type(codec: &Codec, line: &OfferLine, offered: &CodecSet) -> Option<u8> {
    if let Some(known) = line.known.matching(codec) {
        return Some(known.payload_type);
    }
    let is_free = |number: &u8| {
        line.known.by_payload_type(*number).is_none() && offered.by_payload_type(*number).is_none()
    };
    std::iter::once(codec.payload_type).chain(96..=127).find(is_free)
}
