//! Codecs as an m= line names them, and when two are the same.

use crate::attribute::Attributes;
use crate::attribute::fmtp::{Events, Fmtp, FormatParameters, OpusParameters, Vp8Parameters};
use crate::attribute::rtpmap::RtpMap;
use crate::media::{MediaDescription, MediaKind};

/// One payload format of an m= line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    /// Encoding name; compared without regard to case.
    pub name: String,
    /// RTP clock rate, Hz.
    pub clock_rate: u32,
    /// Audio channels; 1 for video. Opus always says 2 (RFC 7587 §7).
    pub channels: u8,
    /// What the side that states it takes; see [`Codec::opus`] for Opus.
    pub fmtp: FormatParameters,
    /// 0..=127; a number the other side gave, or the one we would offer.
    pub payload_type: u8,
}

/// Name of the payload format for DTMF (RFC 4733).
pub const TELEPHONE_EVENT: &str = "telephone-event";
/// Name of the payload format for retransmissions (RFC 4588 §8.1).
pub const RTX: &str = "rtx";

impl Codec {
    /// A codec without parameters. Opus gets its two channels whatever is given.
    pub fn new(payload_type: u8, name: &str, clock_rate: u32, channels: u8) -> Self {
        let is_opus = name.eq_ignore_ascii_case("opus");
        Self {
            name: name.to_owned(),
            clock_rate,
            channels: if is_opus { 2 } else { channels.max(1) },
            fmtp: FormatParameters::default(),
            payload_type,
        }
    }

    /// The same with parameters, as behind the payload type in `a=fmtp`.
    #[must_use]
    pub fn with_fmtp(mut self, parameters: &str) -> Self {
        self.fmtp = FormatParameters::new(parameters);
        self
    }

    /// DTMF for the given clock rate (RFC 4733 §2.5.1.1), events 0–15.
    pub fn telephone_event(payload_type: u8, clock_rate: u32) -> Self {
        Self::new(payload_type, TELEPHONE_EVENT, clock_rate, 1).with_fmtp("0-15")
    }

    /// Retransmissions of the payload type `of`, for `time` milliseconds after a packet was first sent
    /// (RFC 4588 §8.1).
    pub fn rtx(payload_type: u8, clock_rate: u32, of: u8, time: Option<u32>) -> Self {
        let time = time.map(|time| format!(";rtx-time={time}")).unwrap_or_default();
        Self::new(payload_type, RTX, clock_rate, 1).with_fmtp(&format!("apt={of}{time}"))
    }

    /// The payload type whose packets it repeats: `apt` of RFC 4588 §8.1. `None` for all that is no
    /// retransmission, and for one that does not say of what.
    pub fn retransmits(&self) -> Option<u8> {
        let apt = self.is_named(RTX).then(|| self.fmtp.get("apt")).flatten()?;
        apt.parse().ok().filter(|&number| number < 128)
    }

    /// For how long the side that stated it can repeat a packet, milliseconds: `rtx-time` of RFC 4588
    /// §8.1.
    pub fn rtx_time(&self) -> Option<u32> {
        self.fmtp.get("rtx-time")?.parse().ok()
    }

    /// The payload format a static payload type stands for (RFC 3551 §6).
    pub fn from_static(payload_type: u8) -> Option<Self> {
        let (name, clock_rate, channels) = match payload_type {
            0 => ("PCMU", 8_000, 1),
            3 => ("GSM", 8_000, 1),
            4 => ("G723", 8_000, 1),
            5 => ("DVI4", 8_000, 1),
            6 => ("DVI4", 16_000, 1),
            7 => ("LPC", 8_000, 1),
            8 => ("PCMA", 8_000, 1),
            9 => ("G722", 8_000, 1),
            10 => ("L16", 44_100, 2),
            11 => ("L16", 44_100, 1),
            12 => ("QCELP", 8_000, 1),
            13 => ("CN", 8_000, 1),
            14 => ("MPA", 90_000, 1),
            15 => ("G728", 8_000, 1),
            16 => ("DVI4", 11_025, 1),
            17 => ("DVI4", 22_050, 1),
            18 => ("G729", 8_000, 1),
            25 => ("CelB", 90_000, 1),
            26 => ("JPEG", 90_000, 1),
            28 => ("nv", 90_000, 1),
            31 => ("H261", 90_000, 1),
            32 => ("MPV", 90_000, 1),
            33 => ("MP2T", 90_000, 1),
            34 => ("H263", 90_000, 1),
            _ => return None,
        };
        Some(Self::new(payload_type, name, clock_rate, channels))
    }

    /// Whether both are the same payload format: name, clock rate, channels, and for retransmissions
    /// what they repeat. Other parameters are wishes for the codecs of this house and do not tell
    /// formats apart.
    pub fn matches(&self, other: &Self) -> bool {
        self.is_named(&other.name)
            && self.clock_rate == other.clock_rate
            && self.channels == other.channels
            && self.retransmits() == other.retransmits()
    }

    /// Whether it has this encoding name.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether it carries DTMF.
    pub fn is_telephone_event(&self) -> bool {
        self.is_named(TELEPHONE_EVENT)
    }

    /// Whether it carries something next to the media proper, and so can be no line's only codec:
    /// DTMF, comfort noise, redundancy, retransmission, forward error correction.
    pub fn is_auxiliary(&self) -> bool {
        [TELEPHONE_EVENT, RTX, "CN", "red", "ulpfec", "flexfec-03"]
            .iter()
            .any(|name| self.is_named(name))
    }

    /// What the side that stated it wishes of an Opus sender.
    pub fn opus(&self) -> Option<OpusParameters> {
        self.is_named("opus").then(|| OpusParameters::from(&self.fmtp))
    }

    /// What the side that stated it can take of VP8.
    pub fn vp8(&self) -> Option<Vp8Parameters> {
        self.is_named("VP8").then(|| Vp8Parameters::from(&self.fmtp))
    }

    /// The DTMF events the side that stated it understands.
    pub fn events(&self) -> Option<Events> {
        self.is_telephone_event().then(|| Events::from(&self.fmtp))
    }

    /// Appends its `a=rtpmap` and `a=fmtp`.
    pub(crate) fn write(&self, kind: &MediaKind, attributes: &mut Attributes) {
        let states_channels = *kind == MediaKind::Audio && self.channels > 1;
        attributes.push_typed(&RtpMap {
            payload_type: self.payload_type,
            encoding: self.name.clone(),
            clock_rate: self.clock_rate,
            channels: states_channels.then_some(self.channels),
        });
        if !self.fmtp.is_empty() {
            let parameters = self.fmtp.clone();
            attributes.push_typed(&Fmtp { payload_type: self.payload_type, parameters });
        }
    }
}

/// The codecs of one m= line in order of preference, each payload type once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodecSet(Vec<Codec>);

impl CodecSet {
    /// What an m= line lists: payload types with their `a=rtpmap`, static ones also without. Listed
    /// numbers without a meaning are left out.
    pub fn of(media: &MediaDescription) -> Self {
        let mut maps: Vec<Option<RtpMap>> = vec![None; 128];
        let mut parameters: Vec<Option<FormatParameters>> = vec![None; 128];
        for map in media.attributes.all::<RtpMap>() {
            keep_first(&mut maps, map.payload_type, map.clone());
        }
        for fmtp in media.attributes.all::<Fmtp>() {
            keep_first(&mut parameters, fmtp.payload_type, fmtp.parameters);
        }
        let mut set = Self::default();
        for format in &media.formats {
            let Some(number) = format.parse::<u8>().ok().filter(|&number| number < 128) else {
                continue;
            };
            if set.by_payload_type(number).is_some() {
                continue;
            }
            let mapped = maps.get_mut(usize::from(number)).and_then(Option::take);
            let codec = mapped
                .map(|map| {
                    Codec::new(number, &map.encoding, map.clock_rate, map.channels.unwrap_or(1))
                })
                .or_else(|| Codec::from_static(number));
            if let Some(mut codec) = codec {
                let fmtp = parameters.get_mut(usize::from(number)).and_then(Option::take);
                codec.fmtp = fmtp.unwrap_or_default();
                set.0.push(codec);
            }
        }
        set
    }

    /// All, best first.
    pub fn iter(&self) -> impl Iterator<Item = &Codec> {
        self.0.iter()
    }

    /// The preferred one.
    pub fn first(&self) -> Option<&Codec> {
        self.0.first()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The codec behind a payload type.
    pub fn by_payload_type(&self, payload_type: u8) -> Option<&Codec> {
        self.0.iter().find(|codec| codec.payload_type == payload_type)
    }

    /// The first that is the same payload format, see [`Codec::matches`].
    pub fn matching(&self, codec: &Codec) -> Option<&Codec> {
        self.0.iter().find(|candidate| candidate.matches(codec))
    }

    /// The DTMF format to go with a codec of this clock rate: the same rate (RFC 4733 §2.1 wants one
    /// time line), else the 8000 Hz one if it is the only DTMF there is.
    pub fn telephone_event_for(&self, clock_rate: u32) -> Option<&Codec> {
        let mut events = self.0.iter().filter(|codec| codec.is_telephone_event());
        let same = events.clone().find(|event| event.clock_rate == clock_rate);
        same.or_else(|| match (events.next(), events.next()) {
            (Some(only), None) if only.clock_rate == 8_000 => Some(only),
            _ => None,
        })
    }

    /// The format of retransmissions of this payload type.
    pub fn rtx_of(&self, payload_type: u8) -> Option<&Codec> {
        self.0.iter().find(|codec| codec.retransmits() == Some(payload_type))
    }

    /// Appends a codec unless its payload type is taken.
    pub fn push(&mut self, codec: Codec) {
        if self.by_payload_type(codec.payload_type).is_none() {
            self.0.push(codec);
        }
    }
}

impl FromIterator<Codec> for CodecSet {
    fn from_iter<I: IntoIterator<Item = Codec>>(codecs: I) -> Self {
        let mut set = Self::default();
        codecs.into_iter().for_each(|codec| set.push(codec));
        set
    }
}

fn keep_first<T>(table: &mut [Option<T>], at: u8, value: T) {
    if let Some(slot) = table.get_mut(usize::from(at)) {
        slot.get_or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionDescription;

    fn audio(lines: &str) -> CodecSet {
        let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\n{lines}");
        CodecSet::of(&SessionDescription::parse(&text).unwrap().media[0])
    }

    #[test]
    fn static_types_need_no_rtpmap() {
        let set = audio("m=audio 1 RTP/AVP 9 0 8 96 97\na=rtpmap:97 opus/48000\n");
        let names: Vec<_> = set.iter().map(|codec| codec.name.as_str()).collect();
        assert_eq!(names, ["G722", "PCMU", "PCMA", "opus"]);
        assert_eq!(set.first().map(|codec| codec.clock_rate), Some(8_000));
    }

    #[test]
    fn opus_has_two_channels_even_if_it_forgets() {
        let set = audio("m=audio 1 RTP/AVP 97\na=rtpmap:97 OPUS/48000\na=fmtp:97 stereo=1\n");
        let ours = Codec::new(111, "opus", 48_000, 2);
        let theirs = set.matching(&ours).unwrap();
        assert_eq!(theirs.payload_type, 97);
        assert!(theirs.opus().unwrap().stereo);
    }

    #[test]
    fn an_rtpmap_may_redefine_a_static_number() {
        let set = audio("m=audio 1 RTP/AVP 0\na=rtpmap:0 L16/16000\n");
        assert_eq!(set.first(), Some(&Codec::new(0, "L16", 16_000, 1)));
    }

    #[test]
    fn dtmf_goes_with_the_clock() {
        let both = audio(
            "m=audio 1 RTP/AVP 99 101\na=rtpmap:99 telephone-event/48000\n\
             a=rtpmap:101 telephone-event/8000\n",
        );
        assert_eq!(both.telephone_event_for(48_000).unwrap().payload_type, 99);
        assert_eq!(both.telephone_event_for(8_000).unwrap().payload_type, 101);
        assert_eq!(both.telephone_event_for(16_000), None);
        let one = audio("m=audio 1 RTP/AVP 101\na=rtpmap:101 telephone-event/8000\n");
        assert_eq!(one.telephone_event_for(48_000).unwrap().payload_type, 101);
    }
}
