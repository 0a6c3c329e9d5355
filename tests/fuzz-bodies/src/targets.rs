use crate::{conference, control, description, msrp, registrar, rtp, sip};

/// A fuzz target: its name, which is also that of its corpus directory, and its body.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// `fuzz/fuzz_targets/NAME.rs`, `fuzz/corpus/NAME/`.
    pub name: &'static str,
    /// Panics when the bytes find a fault.
    pub body: fn(&[u8]),
}

impl Target {
    /// The target of this name.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn named(name: &str) -> Target {
        let found = TARGETS.iter().find(|target| target.name == name);
        *found.unwrap_or_else(|| panic!("{name} is not among the targets"))
    }
}

/// Every door that bytes of strangers come in by.
pub const TARGETS: &[Target] = &[
    Target { name: "sip_message", body: sip::message },
    Target { name: "sip_stream", body: sip::stream },
    Target { name: "sip_headers", body: sip::headers },
    Target { name: "sdp", body: description::parse },
    Target { name: "sdp_answer", body: description::negotiate },
    Target { name: "rtp", body: rtp::packet },
    Target { name: "rtcp", body: rtp::control },
    Target { name: "rtp_session", body: rtp::session },
    Target { name: "vp8", body: rtp::vp8 },
    Target { name: "msrp", body: msrp::stream },
    Target { name: "conference_info", body: conference::documents },
    Target { name: "ccmp", body: conference::control },
    Target { name: "control", body: control::messages },
    Target { name: "registrar", body: registrar::datagrams },
];
