//! Session descriptions, and offers and answers made of them.

use sdp::attribute::fmtp::Fmtp;
use sdp::attribute::rtcp_fb::RtcpFb;
use sdp::attribute::rtpmap::RtpMap;
use sdp::negotiate::{Capabilities, LocalTransport, OfferLine, accept, answer, offer};
use sdp::{
    CodecSet, DialogSdp, Direction, MAX_BYTES, MAX_MEDIA, MediaDescription, MediaKind,
    SessionDescription,
};

/// One description: what was read is printed strictly, and that is read and printed the same.
pub fn parse(data: &[u8]) {
    let Ok(session) = SessionDescription::from_bytes(data) else { return };
    assert!(session.media.len() <= MAX_MEDIA);
    same_again(&session, data.len());
    for media in &session.media {
        let attributes = &media.attributes;
        assert_eq!(attributes.all::<RtpMap>().count(), attributes.all::<RtpMap>().count());
        let _ = (attributes.all::<Fmtp>().count(), attributes.all::<RtcpFb>().count());
        let _ = (attributes.direction(), CodecSet::of(media).len());
    }
}

fn same_again(session: &SessionDescription, length: usize) {
    let printed = session.to_string();
    assert!(printed.len() <= 4 * length + 4096, "printing grows without bound");
    if printed.len() <= MAX_BYTES {
        let again = SessionDescription::parse(&printed);
        let again =
            again.unwrap_or_else(|e| panic!("we cannot read what we print: {e}\n{printed}"));
        assert_eq!(again.to_string(), printed);
    }
}

fn transport(port: u16) -> LocalTransport {
    LocalTransport::pair(([127, 0, 0, 1], port).into())
}

/// Descriptions with an empty line between them are offers and re-offers to us, and answers to ours.
pub fn negotiate(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let capabilities = Capabilities::standard(4);
    let mut dialog = DialogSdp::new("-", 1, [127, 0, 0, 1].into());
    let ours = dialog.fit(&offer(
        &[
            OfferLine::new(MediaKind::Audio, Direction::SendRecv, transport(30_000)),
            OfferLine::new(MediaKind::Video, Direction::SendRecv, transport(30_002)),
            OfferLine::new(MediaKind::Video, Direction::RecvOnly, transport(30_004)),
        ],
        &capabilities,
    ));
    let mut answering = DialogSdp::new("-", 2, [127, 0, 0, 1].into());
    let mut before = None;
    for text in text.split("\r\n\r\n").take(4) {
        let Ok(theirs) = SessionDescription::parse(text) else { continue };
        answer_it(&theirs, &capabilities, &mut answering, &mut before);
        if let Ok(lines) = accept(&ours, &theirs) {
            assert_eq!(lines.len(), ours.media.len(), "a line of the offer is forgotten");
            for line in lines {
                let media = line.accepted();
                assert!(media.is_none() || line.index < theirs.media.len());
            }
        }
        let fitted = dialog.fit(&theirs);
        assert!(fitted.media.len() >= ours.media.len(), "lines never get fewer (RFC 3264 §8)");
        assert!(fitted.media.len() <= MAX_MEDIA);
    }
}

fn answer_it(
    theirs: &SessionDescription,
    capabilities: &Capabilities,
    dialog: &mut DialogSdp,
    before: &mut Option<SessionDescription>,
) {
    let Ok(plan) = answer(theirs, capabilities) else { return };
    assert_eq!(plan.lines().len(), theirs.media.len(), "an answer has the lines of the offer");
    let mut port = 20_000;
    let drafted = plan.describe(|_| {
        port += 2;
        transport(port)
    });
    let answered = dialog.answer(theirs, &drafted);
    assert_eq!(answered.media.len(), theirs.media.len());
    for (ours, their) in answered.media.iter().zip(&theirs.media) {
        assert_eq!((&ours.kind, &ours.protocol), (&their.kind, &their.protocol));
        assert!(their.port != 0 || ours.port == 0, "a line that was off comes on");
        if ours.port != 0 {
            let offered = numbers(their);
            assert!(numbers(ours).iter().all(|format| offered.contains(format)));
        }
    }
    if let Some(before) = before.replace(answered.clone()) {
        let version = |session: &SessionDescription| session.origin.session_version;
        let step = version(&answered).wrapping_sub(version(&before));
        let changed = before.media != answered.media;
        assert!(step == 1 || (step == 0 && !changed), "by one if changed (RFC 3264 §8): {step}");
    }
    same_again(&answered, theirs.to_string().len());
}

/// Payload types; `00` is `0`.
fn numbers(media: &MediaDescription) -> Vec<Result<u8, &str>> {
    media.formats.iter().map(|format| format.parse().map_err(|_| format.as_str())).collect()
}
