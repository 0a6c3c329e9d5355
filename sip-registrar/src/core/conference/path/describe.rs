//! The description of one of two, as the other is to see it.

use sdp::{MediaDescription, MediaKind, SessionDescription};

/// Says that media go directly. Clients that do not know it ignore it (RFC 8866 §5.13).
const PATH: &str = "parley-path";

/// Where the peer takes chat, and what shows it who we are.
const CHAT: &str = "parley-chat";

/// The first line in use of a kind.
pub(super) fn live<'a>(
    description: &'a SessionDescription,
    kind: &MediaKind,
) -> Option<(usize, &'a MediaDescription)> {
    let lines = description.media.iter().enumerate();
    lines.into_iter().find(|(_, line)| line.kind == *kind && line.is_live())
}

/// What of a member's offer goes to the other: its voice and one picture. Lines for the pictures of more people have
/// nobody to show.
pub(super) fn for_the_other(offer: &SessionDescription) -> SessionDescription {
    let mut description = offer.clone();
    let kept: Vec<usize> = [MediaKind::Audio, MediaKind::Video]
        .iter()
        .filter_map(|kind| Some(live(offer, kind)?.0))
        .collect();
    let lines = offer.media.iter().enumerate().filter(|(index, _)| kept.contains(index));
    description.media = lines.map(|(_, line)| without_names(line)).collect();
    description
}

/// Names of a line mean something at the mixer only.
fn without_names(line: &MediaDescription) -> MediaDescription {
    let mut line = line.clone();
    for name in ["label", "content", "mid"] {
        line.attributes.remove(name);
    }
    line
}

/// Puts lines under the profile of those that their receiver has already: baresip refuses the camera of somebody with
/// RTP/AVPF when its own is RTP/AVP, though one may be answered by the other (RFC 5124 §3.3.2).
pub(super) fn keep_profiles(description: &mut SessionDescription, agreed: Option<&str>) {
    let theirs = agreed.and_then(|text| SessionDescription::parse(text).ok());
    let Some(theirs) = theirs else { return };
    for line in &mut description.media {
        take_profile(line, live(&theirs, &line.kind).map(|(_, known)| known));
    }
}

fn take_profile(line: &mut MediaDescription, of: Option<&MediaDescription>) {
    let plain = of.filter(|of| of.protocol.is_plain_rtp() && line.protocol.is_plain_rtp());
    if let Some(of) = plain {
        line.protocol = of.protocol.clone();
    }
}

/// The other's answer as the answer to the whole `offer`: what [`for_the_other`] left out is refused.
pub(super) fn answer_for(
    offer: &SessionDescription,
    answer: &SessionDescription,
) -> SessionDescription {
    let mut description = answer.clone();
    let theirs = |kind: &MediaKind| answer.media.iter().find(|line| line.kind == *kind);
    description.media = offer
        .media
        .iter()
        .enumerate()
        .filter(|(_, line)| line.kind != MediaKind::Message)
        .map(|(index, line)| match live(offer, &line.kind) {
            Some((first, _)) if first == index => {
                let answered = theirs(&line.kind).map(without_names);
                answered.map_or_else(
                    || line.refused(),
                    |mut answered| {
                        take_profile(&mut answered, Some(line));
                        answered
                    },
                )
            }
            _ => line.refused(),
        })
        .collect();
    description
}

/// Marks a description as one of somebody who is reached directly; `chat` is where that one takes messages, and the
/// token it knows us by.
pub(super) fn mark(description: &mut SessionDescription, chat: Option<(&str, &str)>) {
    unmark(description);
    description.attributes.push_value(PATH, "direct");
    if let Some((token, contact)) = chat {
        description.attributes.push_value(CHAT, &format!("{token} {contact}"));
    }
}

/// Takes away what only we may say.
pub(super) fn unmark(description: &mut SessionDescription) {
    description.attributes.remove(PATH);
    description.attributes.remove(CHAT);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(media: &str) -> SessionDescription {
        let text =
            format!("v=0\no=a 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{media}");
        SessionDescription::parse(&text).unwrap()
    }

    fn ports(description: &SessionDescription) -> Vec<(&str, u16)> {
        description.media.iter().map(|line| (line.kind.as_str(), line.port)).collect()
    }

    #[test]
    fn the_other_sees_one_voice_and_one_picture() {
        let offer = parse(
            "m=message 9 TCP/MSRP *\nm=audio 4000 RTP/AVP 0\nm=video 0 RTP/AVP 96\n\
             m=video 4002 RTP/AVP 96\nm=video 4004 RTP/AVP 96\n",
        );
        let seen = for_the_other(&offer);
        assert_eq!(ports(&seen), [("audio", 4000), ("video", 4002)]);
        let answer =
            parse("m=audio 5000 RTP/AVP 0\nm=video 5002 RTP/AVP 96\nm=video 0 RTP/AVP 96\n");
        let back = answer_for(&offer, &answer);
        let expected = [("audio", 5000), ("video", 0), ("video", 5002), ("video", 0)];
        assert_eq!(ports(&back), expected, "chat is between each and the focus");
    }

    #[test]
    fn each_sees_the_profile_it_has() {
        let offer = parse("m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVPF 96\n");
        let mut seen = for_the_other(&offer);
        let baresip = "v=0\no=a 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n\
                       m=audio 5000 RTP/AVP 0\nm=video 5002 RTP/AVP 96\n";
        keep_profiles(&mut seen, Some(baresip));
        assert!(seen.to_string().contains("m=video 4002 RTP/AVP 96\r\n"), "{seen}");
        let answer = SessionDescription::parse(baresip).unwrap();
        let back = answer_for(&offer, &answer).to_string();
        assert!(back.contains("m=video 5002 RTP/AVPF 96\r\n"), "{back}");
        let mut secure = parse("m=audio 4000 RTP/SAVP 0\n");
        keep_profiles(&mut secure, Some(baresip));
        assert!(secure.to_string().contains("RTP/SAVP"), "encryption is not taken away");
    }

    #[test]
    fn the_mark_is_ours_alone() {
        let mut forged = parse("a=parley-chat:mine sip:x@192.0.2.1\nm=audio 4000 RTP/AVP 0\n");
        mark(&mut forged, None);
        assert!(!forged.to_string().contains("parley-chat"));
        mark(&mut forged, Some(("token", "sip:b@192.0.2.2")));
        let text = forged.to_string();
        assert!(text.contains("a=parley-path:direct\r\n"), "{text}");
        assert!(text.contains("a=parley-chat:token sip:b@192.0.2.2\r\n"), "{text}");
        unmark(&mut forged);
        assert!(!forged.to_string().contains("parley"));
    }
}
