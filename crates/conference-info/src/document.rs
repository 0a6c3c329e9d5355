//! The elements of a conference document (RFC 4575 §5) as values.

use std::time::Duration;

/// How much of an element a document tells (RFC 4575 §4.3, attribute `state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// All of it.
    #[default]
    Full,
    /// What has changed; the rest stays.
    Partial,
    /// It is gone.
    Deleted,
}

/// A conference, or what has changed in it (`conference-info`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConferenceInfo {
    /// The conference URI.
    pub entity: String,
    /// How much of it this is.
    pub state: State,
    /// Which notification of a subscription this is: each is one more than the one before.
    pub version: Option<u32>,
    /// What it is about.
    pub description: Option<Description>,
    /// In whose hands it is.
    pub host: Option<Host>,
    /// How it is.
    pub conference_state: Option<ConferenceState>,
    /// Who is in it.
    pub users: Option<Users>,
}

/// What a conference is about (`conference-description`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// A name for people.
    pub display_text: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    /// More about it. Linphone reads it as a number of seconds: leave it out.
    pub free_text: Option<String>,
    /// Where it is called.
    pub conf_uris: Vec<ConfUri>,
    /// The most users.
    pub maximum_user_count: Option<u32>,
    /// Which media it has.
    pub available_media: Vec<AvailableMedium>,
}

/// A URI with its use (`entry` in `conf-uris`, `uris` and `associated-aors`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfUri {
    /// The URI.
    pub uri: String,
    /// A name for people.
    pub display_text: Option<String>,
    /// What it is for: `participation`, …
    pub purpose: Option<String>,
}

/// A medium that a conference has (`entry` in `available-media`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvailableMedium {
    /// What the conference calls it.
    pub label: String,
    /// A name for people.
    pub display_text: Option<String>,
    /// `audio`, `video`, `text`, …
    pub kind: String,
    /// Which way it goes. Linphone needs it.
    pub status: Option<MediumStatus>,
}

/// In whose hands a conference is (`host-info`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// The name.
    pub display_text: Option<String>,
    /// Addresses.
    pub uris: Vec<ConfUri>,
}

/// How a conference is (`conference-state`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConferenceState {
    /// How many users are in it.
    pub user_count: Option<u32>,
    /// Whether it goes on.
    pub active: Option<bool>,
    /// Whether nobody else comes in.
    pub locked: Option<bool>,
    /// The way media go, `mixer` or `p2p`. No element of RFC 4575 says so: this and the ones below are an
    /// extension of ours in the namespace `parley:xml:ns:conference-info`.
    pub media_path: Option<String>,
    /// Since when somebody is in it, since 1970-01-01T00:00:00Z.
    pub since: Option<Duration>,
    /// When it is planned to begin.
    pub starts: Option<Duration>,
    /// When it is planned to end.
    pub ends: Option<Duration>,
    /// Whether a PIN has to be dialled.
    pub needs_pin: Option<bool>,
    /// Whether newcomers wait to be admitted.
    pub waiting_room: Option<bool>,
}

/// The users of a conference (`users`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// Whether these are all.
    pub state: State,
    /// The users; no two have the same entity.
    pub list: Vec<User>,
}

/// A person in a conference (`user`), with all the devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// The address of record; what names the user, byte by byte.
    pub entity: String,
    /// How much of it this is.
    pub state: State,
    /// The name.
    pub display_text: Option<String>,
    /// Other addresses.
    pub associated_aors: Vec<ConfUri>,
    /// Roles: `organizer`, `admin` or `participant`, `speaker` or `listener`.
    pub roles: Vec<String>,
    /// The devices; no two have the same entity.
    pub endpoints: Vec<Endpoint>,
}

/// A device in a conference (`endpoint`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address; what names it, byte by byte.
    pub entity: String,
    /// How much of it this is.
    pub state: State,
    /// A name for people.
    pub display_text: Option<String>,
    /// How far it has come.
    pub status: Option<EndpointStatus>,
    /// How it came in.
    pub joining_method: Option<JoiningMethod>,
    /// When it came in.
    pub joining_info: Option<Execution>,
    /// How it left.
    pub disconnection_method: Option<DisconnectionMethod>,
    /// When and why it left.
    pub disconnection_info: Option<Execution>,
    /// Its media; no two have the same id.
    pub media: Vec<Medium>,
    /// Its dialog with the focus.
    pub call_info: Option<CallInfo>,
    /// Whether it waits to be admitted; an extension of ours, beside `on-hold`.
    pub waiting: Option<bool>,
}

/// When, why and by whom something was done (`joining-info`, `disconnection-info`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Execution {
    /// When, in whole seconds since 1970-01-01T00:00:00Z.
    pub when: Option<Duration>,
    /// Why, as in a Reason header field (RFC 3326).
    pub reason: Option<String>,
    /// Who did it.
    pub by: Option<String>,
}

/// A medium of a device (`media`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Medium {
    /// What names it in its endpoint. Linphone knows 1 audio, 2 video, 3 text, 4 thumbnail video.
    pub id: String,
    /// `audio`, `video`, `text`, … Linphone needs it.
    pub kind: Option<String>,
    /// `a=label` of the stream that the focus sends for it (RFC 4574).
    pub label: Option<String>,
    /// The SSRC that the device sends it with; the others find it as CSRC.
    pub src_id: Option<u32>,
    /// Which way it goes, as the device sees it. Linphone needs it.
    pub status: Option<MediumStatus>,
}

/// The SIP dialog of a device (`call-info`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallInfo {
    /// Call-ID.
    pub call_id: String,
    /// The tag of the device.
    pub from_tag: String,
    /// The tag of the focus.
    pub to_tag: String,
}

/// Makes an enum of the words an element may hold.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The word in the document.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }

            /// What a word says; `None` if nobody knows it.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// How far a device has come (RFC 4575 §5.7.3).
    EndpointStatus {
        /// Will be called.
        Pending = "pending",
        /// Is being called.
        DialingOut = "dialing-out",
        /// Is calling.
        DialingIn = "dialing-in",
        /// Rings.
        Alerting = "alerting",
        /// Is in it, but hears nothing: it holds, or waits to be admitted.
        OnHold = "on-hold",
        /// Is in it.
        Connected = "connected",
        /// Is in it, and nobody is to hear it.
        MutedViaFocus = "muted-via-focus",
        /// Is leaving.
        Disconnecting = "disconnecting",
        /// Has left.
        Disconnected = "disconnected",
    }
}

words! {
    /// How a device came in (RFC 4575 §5.7.4).
    JoiningMethod {
        /// It called.
        DialedIn = "dialed-in",
        /// It was called.
        DialedOut = "dialed-out",
        /// It is the focus.
        FocusOwner = "focus-owner",
    }
}

words! {
    /// How a device left (RFC 4575 §5.7.6).
    DisconnectionMethod {
        /// It hung up.
        Departed = "departed",
        /// It was removed.
        Booted = "booted",
        /// It was lost.
        Failed = "failed",
        /// It did not come: busy.
        Busy = "busy",
    }
}

words! {
    /// Which way a medium goes (RFC 4575 §5.8.5), as the participant sees it.
    MediumStatus {
        /// Both.
        SendRecv = "sendrecv",
        /// To the focus only.
        SendOnly = "sendonly",
        /// From the focus only.
        RecvOnly = "recvonly",
        /// None.
        Inactive = "inactive",
    }
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            State::Full => "full",
            State::Partial => "partial",
            State::Deleted => "deleted",
        }
    }

    /// What the attribute says; left out it means full.
    pub(crate) fn parse(word: Option<&str>) -> Self {
        match word {
            Some("partial") => State::Partial,
            Some("deleted") => State::Deleted,
            _ => State::Full,
        }
    }
}

impl ConferenceInfo {
    /// The users that this document tells of.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.iter().flat_map(|users| &users.list)
    }
}
