use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Programs that test the others: they may use all, and nobody may use them.
const TESTERS: &[&str] = &["system-tests", "fuzz-bodies"];

/// Who may use whom (docs/ARCHITECTURE.md), testers apart.
const ARROWS: &[(&str, &[&str])] = &[
    ("sdp", &[]),
    ("sip-stack", &[]),
    ("rtp-session", &[]),
    ("media-codec", &[]),
    ("audio-playout", &["rtp-session", "media-codec"]),
    ("mixer-control", &[]),
    ("msrp", &[]),
    ("conference-info", &[]),
    ("sip-net", &["sip-stack"]),
    ("sip-registrar", &["sdp", "sip-stack", "sip-net", "mixer-control", "msrp", "conference-info"]),
    ("media-mixer", &["sdp", "rtp-session", "media-codec", "audio-playout", "mixer-control"]),
    (
        "softphone",
        &[
            "sdp",
            "sip-stack",
            "sip-net",
            "rtp-session",
            "media-codec",
            "audio-playout",
            "conference-info",
        ],
    ),
];

/// Crates in which nothing but values live: they may not name a runtime, not even as a dependency.
const CORES: &[&str] =
    &["sdp", "sip-stack", "rtp-session", "audio-playout", "conference-info", "msrp"];

/// Third-party wire and codec crates, and the one crate of ours that may name each.
const DOORS: &[(&str, &str)] = &[
    ("rtc-rtp", "rtp-session"),
    ("rtc-rtcp", "rtp-session"),
    ("audiopus", "media-codec"),
    ("audio-codec", "media-codec"),
    ("env-libvpx-sys", "media-codec"),
];

fn direct_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(super::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    metadata
        .packages
        .iter()
        .map(|package| {
            let names = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind != DependencyKind::Development)
                .map(|dependency| dependency.name.clone())
                .collect();
            (package.name.to_string(), names)
        })
        .collect()
}

#[test]
fn crates_of_ours_depend_one_way() {
    let dependencies = direct_dependencies();
    let ours: BTreeSet<&String> = dependencies.keys().collect();
    for (name, names) in &dependencies {
        if TESTERS.contains(&name.as_str()) {
            continue;
        }
        let allowed = ARROWS
            .iter()
            .find(|(owner, _)| owner == name)
            .unwrap_or_else(|| panic!("{name} is a new crate: give it a place in ARROWS"))
            .1;
        for used in names.iter().filter(|used| ours.contains(used)) {
            assert!(allowed.contains(&used.as_str()), "{name} must not depend on {used}");
        }
    }
}

#[test]
fn cores_name_no_runtime() {
    let dependencies = direct_dependencies();
    for core in CORES {
        for runtime in ["tokio", "socket2", "libc", "async-std", "smol"] {
            assert!(!dependencies[*core].contains(runtime), "{core} must not depend on {runtime}");
        }
    }
}

#[test]
fn wire_and_codec_crates_stop_at_one_door() {
    let dependencies = direct_dependencies();
    for (third_party, door) in DOORS {
        for (name, names) in &dependencies {
            if name != door && !TESTERS.contains(&name.as_str()) {
                assert!(!names.contains(*third_party), "{name} must not name {third_party}");
            }
        }
    }
}
