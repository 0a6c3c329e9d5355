//! What the mixer says: replies, events, silence.

use std::time::Instant;

use mixer_control::{LegRef, MixerError, MixerEvent, MixerReply};
use sdp::SessionDescription;
use sip_stack::message::Reason;

use crate::core::mixer::{CommandId, Pending, Purpose, Return};
use crate::core::registrar::Registrar;

impl Registrar {
    /// A reply to one of our commands.
    pub(crate) fn on_mixer_reply(&mut self, now: Instant, id: CommandId, reply: MixerReply) {
        let Some(pending) = self.mixer.take(id) else { return };
        if let Err(error) = &reply {
            // A caller without a codec in common is no failure of the mixer.
            let ordinary = matches!(error, MixerError::NoCommonMedia(_) | MixerError::Invalid(_));
            self.counters.mixer_failures += u64::from(!ordinary);
            tracing::debug!(leg = %pending.leg.leg, %error, "the mixer refuses");
        }
        let joined = matches!(pending.purpose, Purpose::Join | Purpose::Rejoin);
        let usable = self.finish(now, &pending, reply);
        if joined && !usable {
            // A leg may have been made all the same: the failure can be the way's, not the mixer's.
            self.leave(now, pending.call, pending.leg);
        }
    }

    /// Goes on with what the command was for. False when a reply says nothing about the leg.
    fn finish(&mut self, now: Instant, pending: &Pending, reply: MixerReply) -> bool {
        let call = pending.call;
        match &pending.purpose {
            Purpose::Join => {
                let reply = description(reply);
                let usable = !matches!(&reply, Err(MixerError::Unavailable(_)));
                self.on_joined(now, pending, reply);
                return usable;
            }
            Purpose::Reoffer(_) | Purpose::Offer => {
                self.on_reoffered(now, call, description(reply));
            }
            Purpose::Accept(answer) => {
                self.on_accepted(now, call, answer.clone(), reply.err().as_ref());
            }
            Purpose::Retire => self.on_retired(now, call),
            Purpose::Rejoin => {
                let reply = description(reply);
                let usable = !matches!(&reply, Err(MixerError::Unavailable(_)));
                self.on_rejoined(now, call, reply);
                return usable;
            }
            Purpose::ReturnOffer => self.on_return_offer(now, call, description(reply)),
            Purpose::ReturnAccept(answer) => {
                self.on_return_accepted(now, call, answer.clone(), reply.err().as_ref());
            }
            Purpose::OwedAnswer(offer) => {
                self.on_owed_answer(now, call, offer.clone(), description(reply));
            }
            // Even after a refusal: leaving twice is no error.
            Purpose::AbandonedJoin => self.leave(now, call, pending.leg.clone()),
            Purpose::Forget => {}
        }
        true
    }

    /// Something happened at the mixer.
    pub(crate) fn on_mixer_event(&mut self, now: Instant, event: MixerEvent) {
        match event {
            MixerEvent::Hello { mixer } => {
                tracing::info!(%mixer, "the media mixer is there");
                if self.mixer.up(mixer) == Return::New {
                    self.end_all_conferences(now, "the media mixer was restarted");
                } else {
                    self.control_all();
                }
            }
            MixerEvent::KeyFrameWanted(leg) => self.ask_key_frame(now, &leg),
            MixerEvent::LegSilent(leg) => {
                match self.call_of(&leg) {
                    Some(call) => self.probe(now, call),
                    // It left, but the mixer has not heard of that.
                    None => self.remove_stray(leg),
                }
            }
            MixerEvent::ConferenceFailed(conference) => {
                let reason = Reason::sip(500, "the conference has failed at the media mixer");
                self.end_conference(now, &conference, &reason);
            }
            // Pictures and sound follow the speaker at the mixer, and clients see it there (RFC 6465).
            MixerEvent::ActiveSpeaker(_) => {}
            MixerEvent::Digit { leg, digit } => {
                if let Some(call) = self.call_of(&leg) {
                    self.on_digit(now, call, digit);
                }
            }
            MixerEvent::Sources { leg, lines } => {
                if let Some(member) = self.call_of(&leg).and_then(|call| self.member_mut(call)) {
                    member.sources = lines;
                }
            }
        }
    }

    /// The mixer's event stream is gone: no new members; after the grace time no old ones.
    pub(crate) fn on_mixer_down(&mut self, now: Instant) {
        if self.mixer.is_up() {
            tracing::warn!(
                "the media mixer is gone: calls to conferences get 503 until it is back"
            );
        }
        self.mixer.down(now);
    }

    /// Gives up on what has taken too long.
    pub(crate) fn on_mixer_timeout(&mut self, now: Instant) {
        for pending in self.mixer.overdue(now) {
            self.counters.mixer_failures += 1;
            tracing::warn!(leg = %pending.leg.leg, "the media mixer does not answer");
            let silent = Err(MixerError::Unavailable("no reply in time".to_owned()));
            self.finish(now, &pending, silent);
        }
        if self.mixer.is_lost(now) {
            self.end_all_conferences(now, "the media mixer is gone");
        }
    }

    /// Whose media a leg is.
    pub(crate) fn call_of(&self, leg: &LegRef) -> Option<sip_stack::endpoint::CallId> {
        self.directory.by_id(&leg.conference)?.call_of(&leg.leg)
    }
}

/// The description in a reply that must bring one.
fn description(reply: MixerReply) -> Result<SessionDescription, MixerError> {
    let text = reply?.unwrap_or_default();
    SessionDescription::parse(&text)
        .map_err(|error| MixerError::Unavailable(format!("its description: {error}")))
}
