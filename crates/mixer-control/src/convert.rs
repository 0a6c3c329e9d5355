//! Plain types from and to what the proto compiler made.

use crate::{JoinRequest, LegDescription, LegRef, MixerError, MixerEvent, proto};

fn named(what: &str, name: String) -> Result<String, MixerError> {
    if name.is_empty() { Err(MixerError::Invalid(format!("{what} has no name"))) } else { Ok(name) }
}

fn leg_ref(conference: String, leg: String) -> Result<LegRef, MixerError> {
    Ok(LegRef { conference: named("conference", conference)?, leg: named("leg", leg)? })
}

impl TryFrom<proto::LegRef> for LegRef {
    type Error = MixerError;

    fn try_from(message: proto::LegRef) -> Result<Self, MixerError> {
        leg_ref(message.conference, message.leg)
    }
}

impl From<LegRef> for proto::LegRef {
    fn from(leg: LegRef) -> Self {
        Self { conference: leg.conference, leg: leg.leg }
    }
}

impl TryFrom<proto::LegDescription> for LegDescription {
    type Error = MixerError;

    fn try_from(message: proto::LegDescription) -> Result<Self, MixerError> {
        Ok(Self { leg: leg_ref(message.conference, message.leg)?, sdp: message.sdp })
    }
}

impl From<LegDescription> for proto::LegDescription {
    fn from(description: LegDescription) -> Self {
        let LegRef { conference, leg } = description.leg;
        Self { conference, leg, sdp: description.sdp }
    }
}

impl TryFrom<proto::JoinRequest> for JoinRequest {
    type Error = MixerError;

    fn try_from(message: proto::JoinRequest) -> Result<Self, MixerError> {
        let signalled_from = match message.signalled_from.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                MixerError::Invalid("signalled_from is not an IP address".to_owned())
            })?),
        };
        Ok(Self {
            focus: named("focus", message.focus)?,
            leg: leg_ref(message.conference, message.leg)?,
            display_name: message.display_name,
            offer: (!message.sdp.is_empty()).then_some(message.sdp),
            signalled_from,
            lobby: message.lobby,
        })
    }
}

impl From<JoinRequest> for proto::JoinRequest {
    fn from(join: JoinRequest) -> Self {
        Self {
            focus: join.focus,
            conference: join.leg.conference,
            leg: join.leg.leg,
            display_name: join.display_name,
            sdp: join.offer.unwrap_or_default(),
            signalled_from: join.signalled_from.map(|ip| ip.to_string()).unwrap_or_default(),
            lobby: join.lobby,
        }
    }
}

/// The one character of a digit.
fn digit(text: &str) -> Result<char, MixerError> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(digit @ ('0'..='9' | '*' | '#' | 'A'..='D')), None) => Ok(digit),
        _ => Err(MixerError::Invalid("a digit is none".to_owned())),
    }
}

impl TryFrom<proto::Event> for MixerEvent {
    type Error = MixerError;

    /// An event of a kind this version does not know is [`MixerError::Invalid`]: skip it.
    fn try_from(message: proto::Event) -> Result<Self, MixerError> {
        use proto::event::Kind;
        let Some(kind) = message.kind else {
            return Err(MixerError::Invalid("unknown kind of event".to_owned()));
        };
        Ok(match kind {
            Kind::Hello(hello) => Self::Hello { mixer: hello.mixer },
            Kind::KeyFrameWanted(leg) => Self::KeyFrameWanted(leg.try_into()?),
            Kind::LegSilent(leg) => Self::LegSilent(leg.try_into()?),
            Kind::ConferenceFailed(conference) => {
                Self::ConferenceFailed(named("conference", conference.conference)?)
            }
            Kind::ActiveSpeaker(speaker) => {
                Self::ActiveSpeaker(leg_ref(speaker.conference, speaker.leg)?)
            }
            Kind::Digit(pressed) => Self::Digit {
                leg: leg_ref(pressed.conference, pressed.leg)?,
                digit: digit(&pressed.digit)?,
            },
            Kind::Sources(sources) => Self::Sources {
                leg: leg_ref(sources.conference, sources.leg)?,
                lines: sources.lines.into_iter().map(Into::into).collect(),
            },
        })
    }
}

impl From<MixerEvent> for proto::Event {
    fn from(event: MixerEvent) -> Self {
        use proto::event::Kind;
        let kind = match event {
            MixerEvent::Hello { mixer } => Kind::Hello(proto::Hello { mixer }),
            MixerEvent::KeyFrameWanted(leg) => Kind::KeyFrameWanted(leg.into()),
            MixerEvent::LegSilent(leg) => Kind::LegSilent(leg.into()),
            MixerEvent::ConferenceFailed(conference) => {
                Kind::ConferenceFailed(proto::ConferenceRef { conference })
            }
            MixerEvent::ActiveSpeaker(leg) => Kind::ActiveSpeaker(proto::ActiveSpeaker {
                conference: leg.conference,
                leg: leg.leg,
            }),
            MixerEvent::Digit { leg: LegRef { conference, leg }, digit } => {
                Kind::Digit(proto::Digit { conference, leg, digit: digit.into() })
            }
            MixerEvent::Sources { leg: LegRef { conference, leg }, lines } => {
                let lines = lines.into_iter().map(Into::into).collect();
                Kind::Sources(proto::Sources { conference, leg, lines })
            }
        };
        Self { kind: Some(kind) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Flow, LegHealth, LegStats, LineDirection, LineHealth, LineStats, Prompt, SourceLine,
        play_request,
    };
    use std::fmt::Debug;

    fn leg() -> LegRef {
        LegRef { conference: "weekly-1".to_owned(), leg: "7".to_owned() }
    }

    fn both_ways<Plain, Message>(plain: Plain)
    where
        Plain: Clone + PartialEq + Debug + TryFrom<Message, Error = MixerError>,
        Message: From<Plain>,
    {
        assert_eq!(Plain::try_from(Message::from(plain.clone())), Ok(plain));
    }

    fn source_lines() -> Vec<SourceLine> {
        [
            (None, false, false),
            (Some(0), true, false),
            (Some(7), false, true),
            (Some(9), true, true),
        ]
        .into_iter()
        .map(|(ssrc, sends, receives)| SourceLine {
            index: 3,
            medium: "video".to_owned(),
            ssrc,
            direction: LineDirection::of(sends, receives),
            label: "v4".to_owned(),
        })
        .collect()
    }

    #[test]
    fn a_direction_is_what_the_member_does() {
        for sends in [false, true] {
            for receives in [false, true] {
                let direction = LineDirection::of(sends, receives);
                assert_eq!((direction.sends(), direction.receives()), (sends, receives));
            }
        }
        assert_eq!(LineDirection::of(true, false).as_str(), "sendonly");
    }

    #[test]
    fn prompts_survive_the_way_over_grpc_and_unknown_ones_are_invalid() {
        let message = |prompts: Vec<i32>| proto::PlayRequest {
            conference: "weekly-1".to_owned(),
            leg: "7".to_owned(),
            prompts,
        };
        let all = Prompt::ALL.map(|prompt| proto::Prompt::from(prompt).into());
        assert_eq!(play_request(message(all.into())), Ok((leg(), Prompt::ALL.into())));
        assert_eq!(play_request(message(Vec::new())), Ok((leg(), Vec::new())));
        for unknown in [0, 1000] {
            assert!(matches!(play_request(message(vec![unknown])), Err(MixerError::Invalid(_))));
        }
    }

    #[test]
    fn numbers_survive_the_way_over_grpc() {
        let line = LineStats {
            index: 1,
            medium: "video".to_owned(),
            codec: "VP8".to_owned(),
            loss_percent: 1.5,
            jitter_ms: 2.25,
            kbit_in: 640.0,
            kbit_out: 1280.0,
            loss_out_percent: 0.5,
            rtt_ms: 12.0,
        };
        let stats = LegStats {
            leg: "7".to_owned(),
            display_name: "Zoé".to_owned(),
            muted: true,
            lobby: false,
            level_dbov: -127,
            speaking: true,
            lines: vec![line],
        };
        assert_eq!(LegStats::from(proto::LegStats::from(stats.clone())), stats);
    }

    #[test]
    fn plain_values_survive_the_way_over_grpc() {
        both_ways::<_, proto::LegRef>(leg());
        both_ways::<_, proto::LegDescription>(LegDescription {
            leg: leg(),
            sdp: "v=0\r\n".to_owned(),
        });
        for (offer, signalled_from, lobby) in [
            (None, None, false),
            (Some("v=0\r\n".to_owned()), Some("127.0.0.1".parse().unwrap()), true),
            (None, Some("2001:db8::1".parse().unwrap()), false),
        ] {
            both_ways::<_, proto::JoinRequest>(JoinRequest {
                focus: "f".to_owned(),
                leg: leg(),
                display_name: "Zoé".to_owned(),
                offer,
                signalled_from,
                lobby,
            });
        }
        for event in [
            MixerEvent::Hello { mixer: "m".to_owned() },
            MixerEvent::KeyFrameWanted(leg()),
            MixerEvent::LegSilent(leg()),
            MixerEvent::ConferenceFailed("weekly-1".to_owned()),
            MixerEvent::ActiveSpeaker(leg()),
            MixerEvent::Digit { leg: leg(), digit: '#' },
            MixerEvent::Sources { leg: leg(), lines: source_lines() },
        ] {
            both_ways::<_, proto::Event>(event);
        }
    }

    #[test]
    fn health_survives_the_way_over_grpc() {
        let line = |flow| LineHealth {
            index: 1,
            medium: "video".to_owned(),
            flow,
            findings: vec!["nothing comes".to_owned()],
            facts: vec!["214 packets refused".to_owned(), "none sent".to_owned()],
        };
        let flows = [Flow::Flows, Flow::Waits, Flow::Held, Flow::Broken, Flow::Unknown];
        let health = LegHealth {
            leg: "7".to_owned(),
            display_name: "Zoé".to_owned(),
            lines: flows.map(line).into(),
        };
        assert_eq!(LegHealth::from(proto::LegHealth::from(health.clone())), health);
    }

    #[test]
    fn messages_that_make_no_sense_are_invalid() {
        let join = proto::JoinRequest {
            focus: "f".to_owned(),
            conference: "c".to_owned(),
            leg: "1".to_owned(),
            ..Default::default()
        };
        assert!(JoinRequest::try_from(join.clone()).is_ok());
        for broken in [
            proto::JoinRequest { focus: String::new(), ..join.clone() },
            proto::JoinRequest { conference: String::new(), ..join.clone() },
            proto::JoinRequest { leg: String::new(), ..join.clone() },
            proto::JoinRequest { signalled_from: "localhost".to_owned(), ..join },
        ] {
            assert!(matches!(JoinRequest::try_from(broken), Err(MixerError::Invalid(_))));
        }
        assert!(MixerEvent::try_from(proto::Event { kind: None }).is_err());
        for digit in ["", "12", "x", "é"] {
            let digit = proto::Digit {
                conference: "c".to_owned(),
                leg: "1".to_owned(),
                digit: digit.to_owned(),
            };
            let kind = Some(proto::event::Kind::Digit(digit));
            assert!(MixerEvent::try_from(proto::Event { kind }).is_err());
        }
    }
}
