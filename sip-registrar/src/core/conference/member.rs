//! One member: the dialog of one person with the focus, and how far its session has come.

use std::time::Duration;

use mixer_control::SourceLine;
use sdp::{DialogSdp, SessionDescription};
use sip_stack::endpoint::CallId;
use sip_stack::message::{NameAddr, Uri};

use super::chat::{Inbox, Side};
use super::door::Place;
use super::meeting::MemberRole;
use super::path::Return;
use crate::core::doctor::Provenance;
use crate::core::history::Person;
use crate::core::identity::Identity;
use crate::core::location::Binding;
use crate::core::refer::ReferId;

/// A person as the focus sees it. The same user twice is two members: two devices.
#[derive(Debug)]
pub(crate) struct Member {
    /// Name of the media at the mixer.
    pub(crate) leg: String,
    /// Who it is.
    pub(crate) identity: Identity,
    /// Where its INVITE came from.
    pub(crate) provenance: Provenance,
    /// Its address of record, `sip:alice@example.org`.
    pub(crate) aor: String,
    /// What the others are shown.
    pub(crate) display_name: String,
    /// What it may do.
    pub(crate) role: MemberRole,
    /// Whether it is in the conference or waits in the lobby.
    pub(crate) place: Place,
    /// What it is told once: a guest who opened the conference is known again by it.
    pub(crate) secret: Option<String>,
    /// Whom it wants called in as soon as it is there (RFC 5366).
    pub(crate) brings: Vec<Uri>,
    /// Why we have ended its call.
    pub(crate) farewell: Option<String>,
    /// Whether the mixer was told to keep its leg in the lobby when it came.
    pub(crate) came_by_lobby: bool,
    /// Whether a moderator has muted it.
    pub(crate) muted: bool,
    /// Whether the focus has called it.
    pub(crate) called: bool,
    /// Its streams as the others know them; empty until the mixer has told.
    pub(crate) sources: Vec<SourceLine>,
    /// Since when it is in, since 1970-01-01T00:00:00Z.
    pub(crate) since: Option<Duration>,
    /// Contact of the focus in this dialog: the conference URI with `;isfocus` (RFC 4579 §4.1).
    pub(crate) contact: NameAddr,
    /// Our `o=` line and the m-line layout of the dialog (RFC 3264 §8).
    pub(crate) sdp: DialogSdp,
    /// Whether the member's ACK has come, so that the person is really there.
    pub(crate) joined: bool,
    /// What is going on in the session.
    pub(crate) session: Session,
    /// The member's offer that the mixer has not answered yet.
    pub(crate) offer: Option<SessionDescription>,
    /// The member's description that the mixer last agreed to, to go back to.
    pub(crate) agreed: Option<String>,
    /// Whose place it takes as soon as it is there.
    pub(crate) replaces: Option<CallId>,
    /// How it is called, until it answers.
    pub(crate) dial: Option<DialOut>,
    /// An INFO of ours waits for its answer: one key frame request at a time.
    pub(crate) asking_key_frame: bool,
    /// The member answered such an INFO with a refusal: it will not be asked again.
    pub(crate) refuses_key_frame: bool,
    /// An OPTIONS of ours waits for its answer: one sign of life is asked for at a time.
    pub(crate) probing: bool,
    /// What of the chat waits for it.
    pub(crate) inbox: Inbox,
    /// How it chats by MSRP, if it does.
    pub(crate) msrp: Option<Side>,
    /// It came for the chat alone: the mixer knows nothing of it.
    pub(crate) chat_only: bool,
    /// Its client tells how its media do (see [`PACKAGE`](super::path::PACKAGE)).
    pub(crate) reports: bool,
    /// The mixer has its leg, or is making it; else its media go directly to another member.
    pub(crate) at_mixer: bool,
    /// The mixer is removing a leg of it.
    pub(crate) retiring: bool,
    /// What it lacks on its way back to the mixer.
    pub(crate) returning: Option<Return>,
    /// How often it could not be brought back in a row.
    pub(crate) return_tries: u8,
    /// What it is going to be known by to the other of two in their chat.
    pub(crate) direct_token: Option<String>,
}

/// A device that the focus calls.
#[derive(Debug)]
pub(crate) struct DialOut {
    /// The REFER that asked for it.
    pub(crate) refer: ReferId,
    /// The way to it.
    pub(crate) binding: Binding,
    /// Who asked, for Referred-By (RFC 3892).
    pub(crate) by: Option<Uri>,
}

impl Member {
    /// As the history names it.
    pub(crate) fn person(&self) -> Person {
        Person {
            uri: self.aor.clone(),
            name: self.display_name.clone(),
            verified: matches!(self.identity, Identity::Account(_)),
        }
    }

    /// Whether the person is really there, and not in the lobby.
    pub(crate) fn is_inside(&self) -> bool {
        self.joined && self.place == Place::Inside
    }

    /// Whether somebody who may do so much sees it: who waits in the lobby is the moderators' business,
    /// who only plans something nobody's.
    pub(crate) fn is_seen_by(&self, role: MemberRole) -> bool {
        match self.place {
            Place::Inside => true,
            Place::AtPin { .. } | Place::Waiting => role >= MemberRole::Moderator,
            Place::Arranging { .. } => false,
        }
    }

    /// Somebody on the way in, of whom nothing is agreed yet.
    #[allow(clippy::too_many_arguments, reason = "all that is known before anything is agreed")]
    pub(crate) fn new(
        leg: String,
        identity: Identity,
        aor: String,
        provenance: Provenance,
        display_name: String,
        contact: NameAddr,
        sdp: DialogSdp,
    ) -> Self {
        Member {
            leg,
            identity,
            aor,
            provenance,
            display_name,
            role: MemberRole::Participant,
            place: Place::Inside,
            secret: None,
            brings: Vec::new(),
            farewell: None,
            came_by_lobby: false,
            muted: false,
            called: false,
            sources: Vec::new(),
            since: None,
            contact,
            sdp,
            joined: false,
            session: Session::Joining,
            offer: None,
            agreed: None,
            replaces: None,
            dial: None,
            asking_key_frame: false,
            refuses_key_frame: false,
            probing: false,
            inbox: Inbox::default(),
            msrp: None,
            chat_only: false,
            reports: false,
            at_mixer: true,
            retiring: false,
            returning: None,
            return_tries: 0,
            direct_token: None,
        }
    }
}

/// How far the session of a member has come.
///
/// ```text
///  Joining ──answer──▶ AwaitAck ──ACK──▶ Stable ◀──────────────┐
///  Joining ──offer───▶ AwaitAnswer ──ACK + answer──▶ Accepting ┤ (Accept agreed)
///  Joining ──offer of a dial-out──▶ Dialling ──2xx + answer──▶ Accepting
///  Stable ──re-INVITE, UPDATE with SDP──▶ Reoffering ──────────┤ (answered or refused)
///  Stable ──the media go another way──▶ Switching ─────────────┤
///  Stable ──re-INVITE without SDP──▶ Offering ──▶ AwaitAnswer ─┘
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Session {
    /// The INVITE waits for the mixer.
    Joining,
    /// The 200 with the mixer's answer is out.
    AwaitAck,
    /// Our INVITE with the mixer's offer is out.
    Dialling,
    /// Nothing is going on.
    Stable,
    /// The member's new offer is with the mixer.
    Reoffering,
    /// The mixer is making an offer.
    Offering,
    /// A 200 with the mixer's offer is out; the ACK must bring the answer.
    AwaitAnswer,
    /// The member's answer is with the mixer.
    Accepting,
    /// A re-INVITE of ours brings its media another way; see [`super::path`].
    Switching,
}
