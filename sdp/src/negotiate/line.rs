//! What an exchange of offer and answer means for one m= line, the same for both sides.

use thiserror::Error;

use super::extension::Extension;
use super::ice::{RemoteIce, Stated, stated};
use super::transport::{RemoteTransport, remote_of};
use crate::attribute::Attributes;
use crate::attribute::content::Content;
use crate::attribute::direction::Direction;
use crate::attribute::label::Label;
use crate::attribute::mid::Mid;
use crate::attribute::ptime::{MaxPtime, Ptime};
use crate::attribute::rtcp_fb::Feedback;
use crate::attribute::ssrc::SsrcAttribute;
use crate::attribute::ssrc_group::SsrcGroup;
use crate::codec::{Codec, CodecSet};
use crate::media::{MediaDescription, MediaKind, Protocol};
use crate::session::{Bandwidth, SessionDescription};

/// One m= line after offer and answer, from our side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedLine {
    /// Its place in the description, from 0; never changes in a dialog (RFC 3264 §8).
    pub index: usize,
    /// What it carries.
    pub kind: MediaKind,
    /// What was agreed, or why nothing was.
    pub media: Result<NegotiatedMedia, Refusal>,
}

impl NegotiatedLine {
    /// What was agreed.
    pub fn accepted(&self) -> Option<&NegotiatedMedia> {
        self.media.as_ref().ok()
    }
}

/// What was agreed on one m= line. "Peer" is the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedMedia {
    /// The profile in use; the offered one in our answers.
    pub profile: Protocol,
    /// What we may do: [`Direction::RecvOnly`] = the peer has put us on hold.
    pub direction: Direction,
    /// What to send: the payload type the peer knows it by and the parameters the peer wishes.
    pub codec: Codec,
    /// What may arrive, by the payload types it arrives with, best first, DTMF included. Parameters
    /// are ours.
    pub receive: CodecSet,
    /// The format to send DTMF in, its clock rate that of `codec` if the peer has such a one.
    pub telephone_event: Option<Codec>,
    /// How packets of `codec` are repeated in a stream of their own; `None` = they are not.
    pub rtx: Option<Rtx>,
    /// All the peer listed. A later offer may give none of these numbers another meaning (RFC 3264
    /// §8.3.2).
    pub peer_codecs: CodecSet,
    /// Where to send to.
    pub remote: RemoteTransport,
    /// The peer's side of ICE, when it does ICE on this line and its addresses came unchanged. In what an answerer
    /// sends back there is ICE only then.
    pub ice: Option<RemoteIce>,
    /// There was ICE, but not to be used: an address was changed on the way (RFC 8839 §4.2.2).
    pub ice_mismatch: bool,
    /// Whether RTP and RTCP share a port, on both sides.
    pub rtcp_mux: bool,
    /// Feedback both sides understand. May be there with RTP/AVP too: Linphone and baresip list it.
    pub feedback: Vec<Feedback>,
    /// How long a packet the peer likes, milliseconds.
    pub ptime: Option<u32>,
    /// The longest packet the peer takes, milliseconds.
    pub maxptime: Option<u32>,
    /// The most bits per second the peer likes on this line, headers included: `b=TIAS` (RFC 3890),
    /// else `b=AS` (RFC 8866 §5.8).
    pub bandwidth: Option<u64>,
    /// Header extensions both sides know.
    pub extensions: Vec<Extension>,
    /// Whether both sides take one-byte and two-byte header extensions in one stream.
    pub extmap_allow_mixed: bool,
    /// The peer's sources, when it names them.
    pub sources: Vec<Source>,
    /// `a=label` of the offer or, for the offerer, of the answer.
    pub label: Option<String>,
    /// `a=content`, likewise.
    pub content: Option<String>,
    /// `a=mid`, likewise.
    pub mid: Option<String>,
}

/// The part of [`NegotiatedMedia`] that is the same thought for neither side: each works it out.
pub(super) struct Agreed {
    pub direction: Direction,
    pub codec: Codec,
    pub receive: CodecSet,
    pub telephone_event: Option<Codec>,
    pub rtx: Option<Rtx>,
    pub peer_codecs: CodecSet,
    pub rtcp_mux: bool,
    pub feedback: Vec<Feedback>,
    pub extensions: Vec<Extension>,
    pub extmap_allow_mixed: bool,
}

impl NegotiatedMedia {
    /// `media` is the line at `index` of what the peer wrote.
    pub(super) fn new(
        peer: &SessionDescription,
        index: usize,
        media: &MediaDescription,
        agreed: Agreed,
    ) -> Self {
        let attributes = &media.attributes;
        let Stated { ice, mismatch } = stated(peer, index);
        Self {
            profile: media.protocol.clone(),
            direction: agreed.direction,
            codec: agreed.codec,
            receive: agreed.receive,
            telephone_event: agreed.telephone_event,
            rtx: agreed.rtx,
            peer_codecs: agreed.peer_codecs,
            remote: remote_of(peer, index, agreed.rtcp_mux),
            ice,
            ice_mismatch: mismatch,
            rtcp_mux: agreed.rtcp_mux,
            feedback: agreed.feedback,
            ptime: attributes.typed::<Ptime>().map(|ptime| ptime.0),
            maxptime: attributes.typed::<MaxPtime>().map(|maxptime| maxptime.0),
            bandwidth: bandwidth(&media.bandwidths),
            extensions: agreed.extensions,
            extmap_allow_mixed: agreed.extmap_allow_mixed,
            sources: sources(attributes),
            label: attributes.typed::<Label>().map(|label| label.0),
            content: attributes.typed::<Content>().map(|content| content.to_string()),
            mid: attributes.typed::<Mid>().map(|mid| mid.0),
        }
    }

    /// The names of the line, as attributes.
    pub(super) fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("mid", &self.mid), ("label", &self.label), ("content", &self.content)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// Whether both sides understand this feedback.
    pub fn supports(&self, feedback: &Feedback) -> bool {
        self.feedback.contains(feedback)
    }

    /// The id to write this header extension under, if we send it.
    pub fn sends_extension(&self, uri: &str) -> Option<u8> {
        self.extension(uri).filter(|map| map.direction.sends()).map(|map| map.id)
    }

    /// The id this header extension comes under, if the peer sends it.
    pub fn receives_extension(&self, uri: &str) -> Option<u8> {
        self.extension(uri).filter(|map| map.direction.receives()).map(|map| map.id)
    }

    fn extension(&self, uri: &str) -> Option<&Extension> {
        self.extensions.iter().find(|map| map.uri == uri)
    }
}

/// TIAS says the same as AS without a guess at headers, so it goes first.
fn bandwidth(lines: &[Bandwidth]) -> Option<u64> {
    let named = |kind: &str| lines.iter().find(|line| line.kind.eq_ignore_ascii_case(kind));
    let bits = named("TIAS").map(|line| line.value);
    bits.or_else(|| named("AS").map(|line| line.value.saturating_mul(1000)))
}

/// How video packets are repeated in a stream of their own (RFC 4588 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtx {
    /// The payload type we send repeated packets with.
    pub send: u8,
    /// The payload type the peer sends them with; the same, but for peers that renumber.
    pub receive: u8,
    /// For how long the peer can repeat a packet, milliseconds; `None` = it does not say.
    pub peer_time: Option<u32>,
}

/// A source named by `a=ssrc` (RFC 5576).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// SSRC
    pub ssrc: u32,
    /// CNAME, when given.
    pub cname: Option<String>,
    /// The source that repeats its packets (`a=ssrc-group:FID`, RFC 4588 §8.8), when given.
    pub rtx: Option<u32>,
}

/// The sources an m= line names, each once; those that only repeat another's packets as part of it.
pub(super) fn sources(attributes: &Attributes) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for line in attributes.all::<SsrcAttribute>() {
        let cname = (line.attribute == "cname").then_some(line.value).flatten();
        if let Some(source) = sources.iter_mut().find(|source| source.ssrc == line.ssrc) {
            source.cname = source.cname.take().or(cname);
        } else if sources.len() < MAX_SOURCES {
            sources.push(Source { ssrc: line.ssrc, cname, rtx: None });
        }
    }
    let groups = attributes.all::<SsrcGroup>().filter_map(|group| group.as_retransmission());
    for (ssrc, rtx) in groups.filter(|(ssrc, rtx)| ssrc != rtx).take(MAX_SOURCES) {
        if let Some(source) = sources.iter_mut().find(|source| source.ssrc == ssrc) {
            source.rtx = Some(rtx);
            sources.retain(|source| source.ssrc != rtx);
        }
    }
    sources
}

/// More sources than any client names on one line; the rest is not looked at.
const MAX_SOURCES: usize = 32;

/// Why an m= line carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The peer gave it port 0.
    #[error("disabled by the peer")]
    Disabled,
    /// We do not do this kind of media.
    #[error("media type not available")]
    MediaType,
    /// We do not speak this profile.
    #[error("profile not supported")]
    Profile,
    /// The peer's address is of a family that we have no address of.
    #[error("network address format not available")]
    AddressFamily,
    /// No codec in common.
    #[error("no codec in common")]
    Codec,
    /// More lines of this kind than we take.
    #[error("more lines of this kind than supported")]
    TooMany,
    /// Taken back by [`super::Answer::refuse`], for instance for want of ports.
    #[error("refused by the application")]
    Application,
}
