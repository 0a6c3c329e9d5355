//! What has happened so far, in numbers, for `/metrics`.

use std::collections::BTreeMap;

use super::guard::GuardNumbers;

/// Counters since start and gauges of now. Plain values: the shell copies and prints them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests received, retransmissions included, by method; unknown methods under `other`.
    pub requests: BTreeMap<&'static str, u64>,
    /// Final responses sent, retransmissions included, by status.
    pub responses: BTreeMap<u16, u64>,
    /// Members that have joined since start.
    pub joins: u64,
    /// Members that have left since start.
    pub leaves: u64,
    /// Lines of chat since start.
    pub chat_lines: u64,
    /// Commands the mixer refused or did not answer.
    pub mixer_failures: u64,
    /// Conferences of now.
    pub conferences: usize,
    /// Conferences of now that somebody is in.
    pub running: usize,
    /// Conferences of now whose media go directly between two.
    pub direct: usize,
    /// How often media have gone over to the direct way since start.
    pub to_direct: u64,
    /// How often they have come back.
    pub to_mixed: u64,
    /// How often the direct way was refused, or did not work.
    pub direct_failures: u64,
    /// Conference members of now.
    pub members: usize,
    /// Those and others on the way in, by how far they have come.
    pub members_by_state: BTreeMap<&'static str, usize>,
    /// Two-party calls of now.
    pub calls: usize,
    /// Subscriptions to conferences, and to the list of them, of now.
    pub subscriptions: usize,
    /// Bindings of now.
    pub bindings: usize,
    /// Of rates and bans.
    pub guard: GuardNumbers,
    /// Whether the mixer can be used.
    pub mixer_up: bool,
}

impl Counters {
    /// Counts a message that has arrived, if it is a request.
    pub(crate) fn count_request(&mut self, message: &[u8]) {
        const METHODS: [&str; 14] = [
            "INVITE",
            "ACK",
            "BYE",
            "CANCEL",
            "OPTIONS",
            "REGISTER",
            "PRACK",
            "UPDATE",
            "INFO",
            "SUBSCRIBE",
            "NOTIFY",
            "PUBLISH",
            "REFER",
            "MESSAGE",
        ];
        let Some(end) = message.iter().take(32).position(|b| *b == b' ') else { return };
        let word = message.get(..end).unwrap_or_default();
        if !word.starts_with(b"SIP/") {
            let known = METHODS.into_iter().find(|m| m.as_bytes() == word);
            *self.requests.entry(known.unwrap_or("other")).or_default() += 1;
        }
    }

    /// Counts a message that goes out, if it is a final response.
    pub(crate) fn count_response(&mut self, message: &[u8]) {
        let digits = message.strip_prefix(b"SIP/2.0 ").and_then(|rest| rest.get(..3));
        let status = digits.and_then(|d| std::str::from_utf8(d).ok()?.parse::<u16>().ok());
        if let Some(status) = status.filter(|s| *s >= 200) {
            *self.responses.entry(status).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_by_method_and_status() {
        let mut counters = Counters::default();
        for message in [
            "INVITE sip:a SIP/2.0\r\n",
            "FOO sip:a SIP/2.0\r\n",
            "SIP/2.0 200 OK\r\n",
            "",
            "\r\n\r\n",
        ] {
            counters.count_request(message.as_bytes());
        }
        assert_eq!(counters.requests, BTreeMap::from([("INVITE", 1), ("other", 1)]));
        for message in
            ["SIP/2.0 100 Trying\r\n", "SIP/2.0 404 Not Found\r\n", "BYE sip:a SIP/2.0\r\n"]
        {
            counters.count_response(message.as_bytes());
        }
        assert_eq!(counters.responses, BTreeMap::from([(404, 1)]));
    }
}
