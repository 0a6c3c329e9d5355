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
                theirs(&line.kind).map_or_else(|| line.refused(), without_names)
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
