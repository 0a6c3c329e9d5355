//! MSRP streams: the bytes of whoever connects.

use std::time::Instant;

use msrp::{Decoder, Event, Frame, Incoming, Limits, MsrpUri, Session};

/// How long a message is taken, small so that the bound is reached.
const MAX: usize = 4096;

/// A stream: it is cut the same however it is chopped, what was read is printed and read again the same,
/// and a session makes of it no more than came in.
pub fn stream(data: &[u8]) {
    let Some((&chop, data)) = data.split_first() else { return };
    let whole = frames(std::iter::once(data));
    let chopped = frames(data.chunks(usize::from(chop) + 1));
    assert_eq!(whole, chopped, "where a stream is chopped must not matter");
    let local = MsrpUri::tcp("127.0.0.1", 2855, "ours");
    let remote = whole.0.first().map(|frame| frame.from_path.clone()).unwrap_or_default();
    let mut session = Session::new(local, remote, MAX);
    let now = now();
    for frame in whole.0 {
        let again = frames(std::iter::once(&frame.to_bytes()[..]));
        assert_eq!(again.0, std::slice::from_ref(&frame), "what we print we can read");
        session.handle(now, frame);
        while let Some(event) = session.poll_event() {
            if let Event::Incoming(Incoming::Message(message, ticket)) = event {
                assert!(message.body.len() <= MAX);
                session.answer(&ticket, 200);
            }
        }
        while let Some(bytes) = session.poll_output() {
            assert_eq!(frames(std::iter::once(&bytes[..])).0.len(), 1, "one frame each");
        }
    }
    assert_eq!(session.poll_timeout(), None, "nothing was sent, so nothing is awaited");
}

#[allow(clippy::disallowed_methods, reason = "one instant to count from")]
fn now() -> Instant {
    Instant::now()
}

/// The frames of a stream, and whether it ended in an error.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, bool) {
    let mut decoder = Decoder::new(Limits { head: 2048, body: 8192 });
    let mut found = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}
