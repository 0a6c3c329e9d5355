//! Documents about conferences: what is read is printed and read again the same, and a change adds up.

use conference_info::ccmp::{Answer, Ask, Code, Request, Response};
use conference_info::rlmi::List;
use conference_info::{Applied, ConferenceInfo, State, difference, resource_lists};

/// Two documents, one after the other, split at the first NUL: each alone, and the change between them.
pub fn documents(data: &[u8]) {
    let mut halves = data.splitn(2, |byte| *byte == 0);
    let first = halves.next().and_then(read);
    let second = halves.next().and_then(read);
    let (Some(mut first), Some(mut second)) = (first, second) else { return };
    // Whatever it is, it must be possible to take it in.
    let mut known = first.clone();
    let _ = known.apply(second.clone());
    if !(is_full(&first) && is_full(&second)) {
        return;
    }
    (first.version, second.version) = (Some(1), None);
    let Some(change) = difference(&first, &second) else { return };
    let applied = first.apply(ConferenceInfo { version: Some(2), ..change });
    assert_eq!(applied, Applied::Done);
    assert_eq!(ConferenceInfo { version: None, ..first }, second);
}

fn read(bytes: &[u8]) -> Option<ConferenceInfo> {
    let info = ConferenceInfo::parse(bytes).ok()?;
    let printed = info.to_xml();
    let again = ConferenceInfo::parse(printed.as_bytes()).expect("what we print we can read");
    assert_eq!(again.to_xml(), printed, "printing is stable");
    Some(again)
}

/// Whether nothing in it is partial: only such documents are compared.
fn is_full(info: &ConferenceInfo) -> bool {
    let devices = || info.users().flat_map(|user| &user.endpoints);
    info.state == State::Full
        && info.users.as_ref().is_none_or(|users| users.state == State::Full)
        && info.users().all(|user| user.state == State::Full)
        && devices().all(|device| device.state == State::Full)
}

/// Requests of conference control, lists of conferences and of addresses.
pub fn control(data: &[u8]) {
    if let Ok(request) = Request::parse(data)
        && let Ask::Conference(Some(conference)) = request.ask
    {
        let response = Response {
            user_id: request.user_id.unwrap_or_default(),
            conference_id: request.conference_id,
            operation: request.operation,
            code: Code::Success,
            text: None,
            version: None,
            answer: Answer::Conference(Some(conference)),
        };
        let printed = response.to_xml();
        assert!(printed.len() <= 64 * data.len() + 4096, "printing grows without bound");
    }
    if let Ok(list) = List::parse(data) {
        let printed = list.to_xml();
        let again = List::parse(printed.as_bytes()).expect("what we print we can read");
        assert_eq!(again.to_xml(), printed, "printing is stable");
    }
    if let Ok(entries) = resource_lists::parse(data) {
        assert!(entries.len() <= resource_lists::MAX_ENTRIES);
    }
}
