use std::os::unix::fs::PermissionsExt as _;

use sip_registrar::StoredFlow;
use sip_stack::flow::Transport;

use super::*;

/// A file in an empty directory of this test's own.
fn place(test: &str) -> (Place, PathBuf) {
    let directory = std::env::temp_dir().join(format!("parley-{test}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let path = directory.join("deep/registrar.db");
    (Place::File(path.clone()), path)
}

fn binding(contact: &str) -> StoredBinding {
    StoredBinding {
        contact: contact.to_owned(),
        path: vec!["<sip:edge;lr;ob>".to_owned(), "<sip:b;lr>".to_owned()],
        expires_at: Duration::from_millis(1_800_000_000_123),
        call_id: "c@h".to_owned(),
        cseq: u32::MAX,
        flow: Some(StoredFlow {
            transport: Transport::Udp,
            local: "[::1]:5060".parse().unwrap(),
            remote: "[2001:db8::1]:40000".parse().unwrap(),
        }),
        outbound: true,
    }
}

fn bindings_of(user: &str, bindings: Vec<StoredBinding>) -> StoreCommand {
    StoreCommand::Bindings { user: user.to_owned(), bindings }
}

#[test]
fn what_is_written_is_read_again_from_the_file() {
    let (place, path) = place("again");
    let both = vec![binding("<sip:a@h1>"), StoredBinding { flow: None, ..binding("<sip:a@h2>") }];
    {
        let mut database = Database::open(&place).unwrap();
        let one = bindings_of("bob", vec![binding("<sip:b@h>")]);
        database.write(&[bindings_of("alice", both.clone()), one]).unwrap();
        database.write(&[bindings_of("bob", Vec::new())]).unwrap();
    }
    let database = Database::open(&place).unwrap();
    let read = database.bindings().unwrap();
    assert_eq!(read, both.into_iter().map(|b| ("alice".to_owned(), b)).collect::<Vec<_>>());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    std::fs::remove_dir_all(path.parent().unwrap().parent().unwrap()).unwrap();
}

#[test]
fn accounts_are_added_once_changed_and_removed_with_their_bindings() {
    let mut database = Database::open(&Place::Memory).unwrap();
    let account = |password| AccountRow::new("zoé", "parley", password, "Zoé", Duration::ZERO);
    assert!(database.add_account(&account("one")).unwrap());
    assert!(!database.add_account(&account("two")).unwrap());
    assert_eq!(database.accounts().unwrap(), [account("one")]);
    assert!(database.change_password(&account("two")).unwrap());
    assert_eq!(database.accounts().unwrap(), [account("two")]);
    database.write(&[bindings_of("zoé", vec![binding("<sip:z@h>")])]).unwrap();
    assert!(database.remove_account("zoé").unwrap());
    assert!(!database.remove_account("zoé").unwrap());
    assert!(!database.change_password(&account("two")).unwrap());
    assert!(database.accounts().unwrap().is_empty() && database.bindings().unwrap().is_empty());
}

#[test]
fn the_change_of_another_is_noticed_and_our_own_is_not() {
    let (place, path) = place("others");
    let mut ours = Database::open(&place).unwrap();
    let theirs = Database::open(&place).unwrap();
    let before = ours.foreign_changes().unwrap();
    ours.write(&[bindings_of("alice", vec![binding("<sip:a@h1>")])]).unwrap();
    assert_eq!(ours.foreign_changes().unwrap(), before);
    theirs.add_account(&AccountRow::new("a", "r", "p", "", Duration::ZERO)).unwrap();
    assert_ne!(ours.foreign_changes().unwrap(), before);
    std::fs::remove_dir_all(path.parent().unwrap().parent().unwrap()).unwrap();
}

#[test]
fn a_file_that_is_no_good_is_named_and_left_alone() {
    let (place, path) = place("bad");
    make_directory(&path).unwrap();
    std::fs::write(&path, "this is no database, and longer than the header of one ".repeat(50))
        .unwrap();
    assert!(matches!(Database::open(&place), Err(StoreError::Damaged { .. })));

    std::fs::remove_file(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE cats (name TEXT)").unwrap();
    assert!(matches!(Database::open(&place), Err(StoreError::Foreign(_))));
    other.execute_batch("DROP TABLE cats").unwrap();
    drop(other);

    drop(Database::open(&place).unwrap());
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let refused = Database::open(&place).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 99, .. }), "{refused}");

    // A damage in the middle, which the header does not show.
    std::fs::remove_file(&path).unwrap();
    let mut database = Database::open(&place).unwrap();
    let many = (0..50).map(|n| binding(&format!("<sip:a@h{n}>"))).collect();
    database.write(&[bindings_of("alice", many)]).unwrap();
    drop(database);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0x55);
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(Database::open(&place), Err(StoreError::Damaged { .. })));

    let below_a_file = Place::File(path.join("registrar.db"));
    assert!(matches!(Database::open(&below_a_file), Err(StoreError::Unwritable { .. })));
    std::fs::remove_dir_all(path.parent().unwrap().parent().unwrap()).unwrap();
}

#[test]
fn one_registrar_at_a_time_has_the_file() {
    let (place, path) = place("lock");
    let first = Database::lock(&place).unwrap();
    assert!(matches!(Database::lock(&place), Err(StoreError::InUse(_))));
    drop(first);
    assert!(Database::lock(&place).unwrap().is_some());
    assert!(Database::lock(&Place::Memory).unwrap().is_none());
    std::fs::remove_dir_all(path.parent().unwrap().parent().unwrap()).unwrap();
}
