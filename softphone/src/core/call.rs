//! The description side of a call: what we offer, what we answer, what is in force.

pub mod direct;
pub mod ice;

use std::net::IpAddr;

use rtp_session::LevelIds;
use sdp::negotiate::{
    Capabilities, LocalTransport, NegotiatedLine, OfferLine, Reject, accept, answer, offer,
};
use sdp::{DialogSdp, Direction, MediaKind, Protocol, SessionDescription};
use thiserror::Error;

use self::direct::Direct;
use self::ice::{IceConfig, IceTerms, Sides};

/// For how long a packet of our picture can be sent again, in milliseconds: as long as it is kept.
const RTX_TIME: u32 = 1000;

/// Our ports: one line each, in the order of the offer.
#[derive(Debug, Clone)]
pub struct LocalPorts {
    /// The audio line.
    pub audio: LocalTransport,
    /// The video lines; the first also carries our own picture.
    pub video: Vec<LocalTransport>,
}

/// Why a description of the peer leads to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DescriptionError {
    /// It is no session description.
    #[error("the description cannot be read: {0}")]
    Malformed(String),
    /// It leaves no line in common.
    #[error("{0}")]
    Rejected(Reject),
    /// It answers an offer we did not make.
    #[error("an answer without an offer")]
    Unexpected,
}

/// One dialog's descriptions (RFC 3264).
#[derive(Debug)]
pub struct Call {
    sdp: DialogSdp,
    capabilities: Capabilities,
    ports: LocalPorts,
    camera: bool,
    /// Our offer that waits for its answer.
    pending: Option<SessionDescription>,
    lines: Vec<NegotiatedLine>,
    ice: Option<Sides>,
    direct: Option<Direct>,
}

impl Call {
    /// A call that has not been offered yet. `session_id` is random, below 2^63.
    #[must_use]
    pub fn new(session_id: u64, address: IpAddr, ports: LocalPorts, camera: bool) -> Self {
        let slots = ports.video.len();
        Self {
            sdp: DialogSdp::new("-", session_id, address),
            capabilities: capabilities(slots),
            ports,
            camera,
            pending: None,
            lines: Vec::new(),
            ice: None,
            direct: None,
        }
    }

    /// The same with ICE on every line that has candidates.
    #[must_use]
    pub fn with_ice(mut self, config: IceConfig) -> Self {
        self.ice = Some(Sides::new(config));
        self
    }

    /// Our offer, the first one or one that changes the running call.
    pub fn offer(&mut self) -> String {
        self.offer_with(false)
    }

    /// Our offer in answer to a re-INVITE without one. ICE begins anew, for the answer may be of somebody else (RFC 8839
    /// §7.5).
    pub fn offer_anew(&mut self) -> String {
        self.offer_with(true)
    }

    fn offer_with(&mut self, restart: bool) -> String {
        let audio = (MediaKind::Audio, Direction::SendRecv, self.ports.audio.clone());
        let video = self
            .ports
            .video
            .iter()
            .enumerate()
            .map(|(slot, local)| (MediaKind::Video, self.video_direction(slot), local.clone()));
        let ours: Vec<_> = std::iter::once(audio).chain(video).collect();
        let lines: Vec<OfferLine> = ours
            .into_iter()
            .enumerate()
            .map(|(index, (kind, direction, local))| {
                let local = match &mut self.ice {
                    Some(ice) => ice.offer(index, local, restart),
                    None => local,
                };
                match self.lines.get(index) {
                    Some(line) => OfferLine::again(line, Some(local)).with_direction(direction),
                    None => new_line(kind, direction, local),
                }
            })
            .collect();
        let description = self.sdp.fit(&offer(&lines, &self.capabilities));
        let text = description.to_string();
        self.pending = Some(description);
        text
    }

    fn video_direction(&self, slot: usize) -> Direction {
        Direction::new(slot == 0 && self.camera, true)
    }

    /// The answer to our offer.
    ///
    /// # Errors
    /// The call cannot go on with it; what was in force stays.
    pub fn answered(&mut self, text: &str) -> Result<&[NegotiatedLine], DescriptionError> {
        let answer = parse(text)?;
        let ours = self.pending.take().ok_or(DescriptionError::Unexpected)?;
        self.lines = accept(&ours, &answer).map_err(DescriptionError::Rejected)?;
        if let Some(ice) = &mut self.ice {
            ice.answered(&self.lines);
        }
        self.direct = Direct::of(&answer);
        Ok(&self.lines)
    }

    /// Our offer came to nothing: what was in force stays (RFC 3261 §14.1).
    pub fn withdraw(&mut self) {
        self.pending = None;
        if let Some(ice) = &mut self.ice {
            ice.withdraw();
        }
    }

    /// The peer's offer; returns our answer.
    ///
    /// # Errors
    /// It cannot be accepted; what was in force stays.
    pub fn answer(&mut self, text: &str) -> Result<String, DescriptionError> {
        let theirs = parse(text)?;
        let mut planned =
            answer(&theirs, &self.capabilities).map_err(DescriptionError::Rejected)?;
        let all: Vec<(usize, MediaKind)> =
            planned.lines().iter().map(|line| (line.index, line.kind.clone())).collect();
        for (index, kind) in &all {
            match (self.port(*index, kind), kind) {
                (None, _) => planned.refuse(*index),
                (Some(_), MediaKind::Video) => {
                    planned.limit_direction(*index, self.video_direction(index - 1));
                }
                _ => {}
            }
        }
        if let Some(ice) = &mut self.ice {
            ice.answer(planned.lines());
        }
        // lines without a port of their own have just been refused
        let description = planned.describe(|line| {
            let local = self.port(line.index, &line.kind).unwrap_or(&self.ports.audio).clone();
            match &self.ice {
                Some(ice) => ice.in_answer(line.index, local),
                None => local,
            }
        });
        self.lines = planned.lines().to_vec();
        self.pending = None;
        self.direct = Direct::of(&theirs);
        Ok(self.sdp.answer(&theirs, &description).to_string())
    }

    /// Our port for a line. We made the first offer, so that line 0 is audio and the others video.
    fn port(&self, index: usize, kind: &MediaKind) -> Option<&LocalTransport> {
        match (index, kind) {
            (0, MediaKind::Audio) => Some(&self.ports.audio),
            (1.., MediaKind::Video) => self.ports.video.get(index - 1),
            _ => None,
        }
    }

    /// Our camera is on or off from now on; offer again when it returns true.
    pub fn set_camera(&mut self, on: bool) -> bool {
        let changed = self.camera != on && !self.ports.video.is_empty();
        self.camera = on;
        changed
    }

    /// What is in force, by m= line; empty before the first answer.
    #[must_use]
    pub fn lines(&self) -> &[NegotiatedLine] {
        &self.lines
    }

    /// With whom media are exchanged directly, if they do not go through the mixer.
    #[must_use]
    pub fn direct(&self) -> Option<&Direct> {
        self.direct.as_ref()
    }

    /// What is in force about ICE, by m= line; empty when we do none.
    #[must_use]
    pub fn ice(&self) -> Vec<Option<IceTerms>> {
        let Some(ice) = &self.ice else { return Vec::new() };
        (0..self.lines.len()).map(|line| ice.terms(line).cloned()).collect()
    }

    /// Codec of the first accepted line of a kind, as `name/rate[/channels]`.
    #[must_use]
    pub fn codec_name(&self, kind: &MediaKind) -> Option<String> {
        let line = self.lines.iter().filter(|line| line.kind == *kind);
        let codec = &line.filter_map(NegotiatedLine::accepted).next()?.codec;
        let channels =
            if codec.channels > 1 { format!("/{}", codec.channels) } else { String::new() };
        Some(format!("{}/{}{channels}", codec.name, codec.clock_rate))
    }
}

/// Our audio has no feedback, so that it needs no AVPF; some phones know only AVP there.
fn new_line(kind: MediaKind, direction: Direction, local: LocalTransport) -> OfferLine {
    let audio = kind == MediaKind::Audio;
    let mut line = OfferLine::new(kind, direction, local);
    if audio {
        line.profile = Protocol::RtpAvp;
    }
    line
}

fn parse(text: &str) -> Result<SessionDescription, DescriptionError> {
    SessionDescription::parse(text).map_err(|error| DescriptionError::Malformed(error.to_string()))
}

/// What we do besides the standard of this house: packets of our picture sent again in a stream of their own for a
/// second (RFC 4588), how loud we are (RFC 6464), and how loud those in a mix are (RFC 6465).
fn capabilities(slots: usize) -> Capabilities {
    Capabilities::standard(slots)
        .with_g722()
        .with_rtx(RTX_TIME)
        .with_extension(MediaKind::Audio, LevelIds::CLIENT_URI, Direction::SendRecv)
        .with_extension(MediaKind::Audio, LevelIds::MIXER_URI, Direction::RecvOnly)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    fn ports(first: u16, slots: u16) -> LocalPorts {
        let at = |line: u16| {
            LocalTransport::pair(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), first + 2 * line))
        };
        LocalPorts { audio: at(0), video: (1..=slots).map(at).collect() }
    }

    fn phone(slots: u16, camera: bool) -> Call {
        Call::new(7, Ipv4Addr::LOCALHOST.into(), ports(40_000, slots), camera)
    }

    /// What a mixer answers to `text`.
    fn mixer(text: &str) -> String {
        let offer = SessionDescription::parse(text).unwrap();
        let planned = answer(&offer, &Capabilities::standard(8)).unwrap();
        let at = |index: usize| SocketAddr::from(([127, 0, 0, 1], 20_000 + 2 * index as u16));
        planned.describe(|line| LocalTransport::pair(at(line.index))).to_string()
    }

    fn directions(lines: &[NegotiatedLine]) -> Vec<Option<Direction>> {
        lines.iter().map(|line| line.accepted().map(|media| media.direction)).collect()
    }

    #[test]
    fn one_audio_line_and_one_for_each_picture() {
        let mut call = phone(3, true);
        let text = call.offer();
        let offer = SessionDescription::parse(&text).unwrap();
        let kinds: Vec<&str> = offer.media.iter().map(|media| media.kind.as_str()).collect();
        assert_eq!(kinds, ["audio", "video", "video", "video"]);
        let directions: Vec<&str> =
            offer.media.iter().map(|media| media.direction().as_str()).collect();
        assert_eq!(directions, ["sendrecv", "sendrecv", "recvonly", "recvonly"]);
        let ports: Vec<u16> = offer.media.iter().map(|media| media.port).collect();
        assert_eq!(ports, [40_000, 40_002, 40_004, 40_006]);
        for needed in ["opus/48000/2", "PCMU", "PCMA", "telephone-event/48000", "rtcp-mux"] {
            assert!(text.contains(needed), "{needed} in {text}");
        }
    }

    #[test]
    fn the_answer_says_what_is_in_force() {
        let mut call = phone(2, true);
        let answer = mixer(&call.offer());
        use Direction::{RecvOnly, SendRecv};
        let expected = [Some(SendRecv), Some(SendRecv), Some(RecvOnly)];
        assert_eq!(directions(call.answered(&answer).unwrap()), expected);
        assert_eq!(call.codec_name(&MediaKind::Audio).as_deref(), Some("opus/48000/2"));
        assert_eq!(call.codec_name(&MediaKind::Video).as_deref(), Some("VP8/90000"));
        assert_eq!(call.answered(&answer), Err(DescriptionError::Unexpected));
    }

    #[test]
    fn without_a_camera_the_first_picture_is_only_received() {
        let mut call = phone(1, false);
        let answer = mixer(&call.offer());
        let lines = directions(call.answered(&answer).unwrap());
        assert_eq!(lines[1], Some(Direction::RecvOnly));
    }

    #[test]
    fn the_camera_changes_direction_in_a_new_offer_with_the_same_lines() {
        let mut call = phone(2, true);
        let first = call.offer();
        call.answered(&mixer(&first)).unwrap();
        assert!(!call.set_camera(true), "it is on already");
        assert!(call.set_camera(false));
        let second = call.offer();
        let lines = call.answered(&mixer(&second)).unwrap();
        assert_eq!(directions(lines)[1], Some(Direction::RecvOnly));
        let parse = |text: &str| SessionDescription::parse(text).unwrap();
        let (first, second) = (parse(&first), parse(&second));
        assert_eq!(first.media.len(), second.media.len());
        assert_eq!(first.origin.session_id, second.origin.session_id);
        assert_eq!(second.origin.session_version, first.origin.session_version + 1);
    }

    #[test]
    fn the_peer_may_hold_us_and_we_answer_with_what_we_can_do_now() {
        let mut call = phone(2, true);
        let answer = mixer(&call.offer());
        call.answered(&answer).unwrap();
        call.set_camera(false);
        let mut theirs = Call::new(9, Ipv4Addr::LOCALHOST.into(), ports(20_000, 2), true);
        let hold = theirs.offer().replace("a=sendrecv", "a=sendonly");
        let answer = call.answer(&hold).unwrap();
        let answer = SessionDescription::parse(&answer).unwrap();
        assert_eq!(answer.media[0].direction(), Direction::RecvOnly);
        assert_eq!(answer.media[1].direction(), Direction::RecvOnly);
        assert_eq!(directions(call.lines())[0], Some(Direction::RecvOnly));
    }

    #[test]
    fn lines_we_have_no_port_for_are_refused_and_nonsense_changes_nothing() {
        let mut call = phone(1, true);
        let answer = mixer(&call.offer());
        call.answered(&answer).unwrap();
        let before = call.lines().to_vec();
        assert!(matches!(call.answer("v=7"), Err(DescriptionError::Malformed(_))));
        let only_gsm = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                        m=audio 6000 RTP/AVP 3\r\na=rtpmap:3 GSM/8000\r\n";
        assert!(matches!(call.answer(only_gsm), Err(DescriptionError::Rejected(_))));
        assert_eq!(call.lines(), before);
        let mut theirs = Call::new(9, Ipv4Addr::LOCALHOST.into(), ports(20_000, 3), true);
        let answer = call.answer(&theirs.offer()).unwrap();
        let answer = SessionDescription::parse(&answer).unwrap();
        let ports: Vec<u16> = answer.media.iter().map(|media| media.port).collect();
        assert_eq!(ports, [40_000, 40_002, 0, 0]);
    }
}
