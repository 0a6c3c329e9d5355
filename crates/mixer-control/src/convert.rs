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
        }
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
        };
        Self { kind: Some(kind) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flow, LegHealth, LineHealth};
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

    #[test]
    fn plain_values_survive_the_way_over_grpc() {
        both_ways::<_, proto::LegRef>(leg());
        both_ways::<_, proto::LegDescription>(LegDescription {
            leg: leg(),
            sdp: "v=0\r\n".to_owned(),
        });
        for (offer, signalled_from) in [
            (None, None),
            (Some("v=0\r\n".to_owned()), Some("127.0.0.1".parse().unwrap())),
            (None, Some("2001:db8::1".parse().unwrap())),
        ] {
            both_ways::<_, proto::JoinRequest>(JoinRequest {
                focus: "f".to_owned(),
                leg: leg(),
                display_name: "Zoé".to_owned(),
                offer,
                signalled_from,
            });
        }
        for event in [
            MixerEvent::Hello { mixer: "m".to_owned() },
            MixerEvent::KeyFrameWanted(leg()),
            MixerEvent::LegSilent(leg()),
            MixerEvent::ConferenceFailed("weekly-1".to_owned()),
            MixerEvent::ActiveSpeaker(leg()),
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
    }
}
