//! INVITE with Replaces or Join: a dialog of a conference is continued by another one, or somebody
//! comes in beside it (RFC 3891, RFC 3911, RFC 4579 §5.11).

use sip_stack::endpoint::{CallId, DialogStage};
use sip_stack::message::{DialogRef, Headers};

use crate::core::identity::Identity;
use crate::core::registrar::{Registrar, Role};
use crate::core::reject::Reject;

/// The dialog that an INVITE refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Takes the place of this one.
    Replaces(CallId),
    /// Comes in beside this one.
    Join(CallId),
}

impl Registrar {
    /// The dialog that an INVITE of `identity` refers to, if it does; or why it may not (RFC 3891 §3,
    /// RFC 3911 §4).
    pub(crate) fn reference(
        &self,
        headers: &Headers,
        identity: &Identity,
    ) -> Result<Option<Reference>, Reject> {
        let bad =
            |error: sip_stack::message::HeaderError| Reject::new(400).because(&error.to_string());
        let replaces = DialogRef::replaces(headers).map_err(bad)?;
        let join = DialogRef::join(headers).map_err(bad)?;
        let (named, replaces) = match (replaces, join) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(Reject::new(400).because("Replaces and Join")),
            (Some(named), None) => (named, true),
            (None, Some(named)) => (named, false),
        };
        let (call, stage) = self.endpoint.find_dialog(&named).ok_or_else(|| Reject::new(481))?;
        match stage {
            DialogStage::Ended => return Err(Reject::new(603)),
            // Not ours to give away: the peer began it and may still cancel.
            DialogStage::EarlyTheirs => return Err(Reject::new(481)),
            DialogStage::Confirmed if replaces && named.early_only => return Err(Reject::new(486)),
            DialogStage::Confirmed | DialogStage::EarlyOurs => {}
        }
        if replaces {
            self.may_replace(call, identity)?;
            return Ok(Some(Reference::Replaces(call)));
        }
        Ok(Some(Reference::Join(call)))
    }

    /// Who knows the tags of a dialog has them from one of its two ends, for they cannot be guessed;
    /// that is what an attended transfer rests on. An account is taken at that, a guest only for
    /// itself.
    fn may_replace(&self, call: CallId, identity: &Identity) -> Result<(), Reject> {
        if matches!(identity, Identity::Account(_)) {
            return Ok(());
        }
        let same = match self.roles.get(&call) {
            Some(Role::Member(name)) => {
                let member = self.directory.get(name).and_then(|focus| focus.member(call));
                member.is_some_and(|member| member.identity == *identity)
            }
            _ => false,
        };
        if same { Ok(()) } else { Err(Reject::new(403).because("this dialog is not yours")) }
    }
}
