//! INFO in the dialog of a member: key frames (RFC 5168), digits, and how its media do.

use std::time::Instant;

use mixer_control::{LegRef, MixerRequest};
use sip_stack::endpoint::{Body, CallId, ServerTransactionId};
use sip_stack::message::{Method, Request};

use super::path::PACKAGE;
use crate::core::call::Relayed;
use crate::core::mixer::Purpose;
use crate::core::registrar::Registrar;
use crate::core::reject::Reject;

const MEDIA_CONTROL: &str = "application/media_control+xml";

/// The request for a key frame (RFC 5168 §7.1).
const PICTURE_FAST_UPDATE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\r\n\
    <media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive>\
    </media_control>\r\n";

impl Registrar {
    /// An INFO of a member.
    pub(crate) fn on_member_info(
        &mut self,
        now: Instant,
        call: CallId,
        transaction: ServerTransactionId,
        request: &Request,
    ) -> Result<(), Reject> {
        match request.headers.get("Info-Package") {
            Some(package) if package.trim().eq_ignore_ascii_case(PACKAGE) => {
                return self.on_media_report(now, call, transaction, request);
            }
            // RFC 6086 §4.2.2: we named no other package.
            Some(_) => return Err(Reject::new(469).with("Recv-Info", PACKAGE)),
            None => {}
        }
        let content_type = request.headers.content_type().ok().flatten();
        let is = |name| content_type.as_ref().is_some_and(|t| t.is(name));
        if is(MEDIA_CONTROL) {
            if String::from_utf8_lossy(&request.body).contains("picture_fast_update") {
                self.refresh_video(now, call);
            }
        } else if is("application/dtmf-relay") || is("application/dtmf") {
            if let Some(digit) = digit_of(&request.body) {
                self.on_digit(now, call, digit);
            }
        } else if !request.body.is_empty() {
            return Err(
                Reject::new(415).with("Accept", format!("{MEDIA_CONTROL}, application/dtmf-relay"))
            );
        }
        let _ = self.endpoint.respond_status(now, transaction, 200, "");
        Ok(())
    }

    fn refresh_video(&mut self, now: Instant, call: CallId) {
        if let Some(other) = self.directly_with(call) {
            self.ask_member_key_frame(now, other);
            return;
        }
        let Some((leg, _)) = self.leg_and_member(call) else { return };
        if self.mixer.is_up() {
            let id = self.mixer.send(now, Purpose::Forget, call, leg.clone());
            self.send_to_mixer(id, MixerRequest::RefreshVideo(leg));
        }
    }

    /// The mixer wants a key frame of a member that has no RTCP feedback.
    pub(crate) fn ask_key_frame(&mut self, now: Instant, leg: &LegRef) {
        if let Some(call) = self.call_of(leg) {
            self.ask_member_key_frame(now, call);
        }
    }

    /// Somebody wants a key frame of a member: the mixer, or the other of two.
    fn ask_member_key_frame(&mut self, now: Instant, call: CallId) {
        let Some(member) = self.member_mut(call) else { return };
        if !member.joined || member.asking_key_frame || member.refuses_key_frame {
            return;
        }
        member.asking_key_frame = true;
        let body = Body {
            content_type: MEDIA_CONTROL.to_owned(),
            bytes: PICTURE_FAST_UPDATE.as_bytes().into(),
        };
        match self.endpoint.request(now, call, Method::Info, &[], Some(body)) {
            Ok(transaction) => {
                self.relayed.insert(transaction, Relayed::KeyFrame(call));
            }
            Err(_) => self.on_key_frame_answer(call, true),
        }
    }

    /// The member has answered such an INFO.
    pub(crate) fn on_key_frame_answer(&mut self, call: CallId, understood: bool) {
        if let Some(member) = self.member_mut(call) {
            member.asking_key_frame = false;
            member.refuses_key_frame |= !understood;
        }
    }
}

/// The key in an INFO: `Signal=5` in one line of `application/dtmf-relay`, or the key alone in
/// `application/dtmf`. Neither was ever registered; both are what phones send.
fn digit_of(body: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(body.get(..body.len().min(200))?).ok()?;
    let signal = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("Signal").then_some(value)
    });
    let mut key = signal.unwrap_or(text).trim().chars();
    let digit = key.next().map(|c| c.to_ascii_uppercase());
    digit.filter(|c| key.next().is_none() && matches!(c, '0'..='9' | '*' | '#' | 'A'..='D'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_phones_write_them() {
        for (body, key) in [
            ("Signal=5\r\nDuration=160\r\n", Some('5')),
            ("Signal= #\r\n", Some('#')),
            ("signal=*", Some('*')),
            ("d", Some('D')),
            ("7\r\n", Some('7')),
            ("Signal=55", None),
            ("Signal=", None),
            ("Duration=160", None),
            ("", None),
        ] {
            assert_eq!(digit_of(body.as_bytes()), key, "{body:?}");
        }
        assert_eq!(digit_of(&[0xff, b'5']), None);
    }
}
