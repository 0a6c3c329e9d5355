//! Conference documents: what is printed fits the schema and reads the same, and a change takes one
//! document to the next.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod common;

use common::schema::validate;
use common::{change, conference};
use conference_info::{Applied, ConferenceInfo, State, difference};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_document_fits_the_schema_and_reads_the_same(info in conference()) {
        let text = info.to_xml();
        validate(&text).map_err(|why| TestCaseError::fail(format!("{why}\n{text}")))?;
        prop_assert_eq!(ConferenceInfo::parse(text.as_bytes()).unwrap(), info);
    }

    #[test]
    fn a_change_takes_one_document_to_the_next((old, new) in change()) {
        let Some(mut update) = difference(&old, &new) else {
            prop_assert_eq!(old, new);
            return Ok(());
        };
        update.version = Some(2);
        let text = update.to_xml();
        validate(&text).map_err(|why| TestCaseError::fail(format!("{why}\n{text}")))?;
        let mut known = ConferenceInfo { version: Some(1), ..old };
        prop_assert_eq!(known.apply(ConferenceInfo::parse(text.as_bytes()).unwrap()), Applied::Done);
        prop_assert_eq!(known, ConferenceInfo { version: Some(2), ..new });
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[<>/a-z '\"=&;!-]{0,60}") {
        let _ = ConferenceInfo::parse(text.as_bytes());
    }
}

fn example(users: &str) -> ConferenceInfo {
    let text = format!(
        "<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='sip:m@x' \
         version='1'><conference-state><user-count>1</user-count></conference-state>\
         <users>{users}</users></conference-info>"
    );
    ConferenceInfo::parse(text.as_bytes()).unwrap()
}

const ALICE: &str = "<user entity='sip:alice@x'><endpoint entity='sip:alice@x;gr=1'>\
    <status>connected</status></endpoint></user>";

#[test]
fn somebody_who_comes_is_told_as_full_and_who_leaves_as_deleted() {
    let (one, two) = (example(ALICE), example(&format!("{ALICE}<user entity='sip:bob@x'/>")));
    let came = difference(&one, &two).unwrap();
    assert_eq!((came.state, came.conference_state.clone()), (State::Partial, None));
    let told: Vec<_> = came.users().map(|user| (user.entity.as_str(), user.state)).collect();
    assert_eq!(told, [("sip:bob@x", State::Full)]);
    let left = difference(&two, &one).unwrap();
    let told: Vec<_> = left.users().map(|user| (user.entity.as_str(), user.state)).collect();
    assert_eq!(told, [("sip:bob@x", State::Deleted)]);
}

#[test]
fn a_device_that_changes_is_told_as_partial() {
    // Linphone takes a full user for one who has just come.
    let muted = ALICE.replace("connected", "muted-via-focus");
    let change = difference(&example(ALICE), &example(&muted)).unwrap();
    let user = change.users().next().unwrap();
    assert_eq!((user.state, user.endpoints[0].state), (State::Partial, State::Partial));
}

#[test]
fn versions_decide_what_is_taken_in() {
    let first = example(ALICE);
    let version =
        |version, state| ConferenceInfo { version: Some(version), state, ..first.clone() };
    let mut known = first.clone();
    assert_eq!(known.apply(version(1, State::Full)), Applied::Old);
    assert_eq!(known.apply(version(0, State::Partial)), Applied::Old);
    assert_eq!(known.apply(version(3, State::Partial)), Applied::Gap);
    assert_eq!(known, first);
    assert_eq!(known.apply(version(7, State::Full)), Applied::Done);
    assert_eq!(known.version, Some(7));
    assert_eq!(known.apply(version(8, State::Deleted)), Applied::Over);
    // A change of somebody who is not known: something was lost all the same.
    let mut change = version(8, State::Partial);
    let users = change.users.as_mut().unwrap();
    users.state = State::Partial;
    users.list[0].state = State::Partial;
    users.list[0].entity = "sip:nobody@x".into();
    assert_eq!(known.apply(change), Applied::Gap);
}

#[test]
fn the_validator_finds_what_is_wrong() {
    let good = example(ALICE).to_xml();
    validate(&good).unwrap();
    for (what, by) in [
        ("entity=\"sip:m@x\"", ""),
        ("state=\"full\"", "state=\"half\""),
        ("<users state=\"full\">", "<users state=\"full\"><odd/>"),
        ("<user-count>1</user-count>", "<user-count>one</user-count>"),
        ("<user-count>1</user-count>", "<active>true</active><user-count>1</user-count>"),
        ("connected", "asleep"),
        ("<endpoint entity=\"sip:alice@x;gr=1\" state=\"full\">", "<endpoint state=\"partial\">"),
        ("</users>", "</users><host-info/>"),
    ] {
        assert!(good.contains(what), "{what}");
        assert!(validate(&good.replacen(what, by, 1)).is_err(), "{what} -> {by}");
    }
}
