//! A client that dies of what it asked for is spared.

use sip_stack::endpoint::CallId;

use crate::core::conference::ConferenceName;
use crate::core::identity::Identity;
use crate::core::registrar::Registrar;

impl Registrar {
    /// A member writes in the chat outside of its call. liblinphone 5.1 makes a chat room of its own of the
    /// conference's address then, takes the next NOTIFY about the conference for news of that room, and
    /// crashes (ClientGroupChatRoom, seen with 5.1.65; gone in 5.4). It is told no more: a list of people that
    /// stands still is better than a call that is lost.
    pub(crate) fn spare_crashing_client(&mut self, name: &ConferenceName, writer: CallId) {
        let member = self.directory.get(name).and_then(|focus| focus.member(writer));
        let Some(member) = member.filter(|m| crashes(m.provenance.user_agent())) else { return };
        let identity = member.identity.clone();
        for id in self.rosters.watchers(name) {
            if let Some(subscription) = self.rosters.get_mut(id)
                && Identity::of_actor(&subscription.by).as_ref() == Some(&identity)
            {
                subscription.silenced = true;
            }
        }
    }
}

fn crashes(user_agent: &str) -> bool {
    user_agent.contains("Linphone") && user_agent.contains("/5.1.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_that_crashes_is_spared() {
        assert!(crashes("Linphonec/5.1.65"));
        assert!(crashes("Linphone-Desktop/5.0.2 (host) Debian LinphoneCore/5.1.65"));
        assert!(!crashes("Linphonec/5.4.20") && !crashes("baresip v1.0.0/5.1.2"));
    }
}
