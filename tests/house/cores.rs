use super::{code_lines, product_files, root};

/// Packages whose library is a core beside a shell: there only `src/shell`, `src/main.rs` and the
/// devices may touch sockets, clocks and tasks.
const MIXED_PACKAGES: &[&str] = &["sip-registrar", "media-mixer", "softphone"];

/// What a core must not name, because it is an effect.
const EFFECTS: &[&str] =
    &["tokio::", "std::net::UdpSocket", "std::thread", "Instant::now(", "SystemTime::now("];

#[test]
fn cores_beside_a_shell_have_no_effects() {
    for package in MIXED_PACKAGES {
        let source = root().join(package).join("src");
        for file in product_files(&source) {
            let inside = file.strip_prefix(&source).expect("below src");
            let is_shell = inside.starts_with("shell")
                || inside.starts_with("device")
                || inside == std::path::Path::new("main.rs");
            if is_shell {
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("a readable file");
            for (number, line) in code_lines(&text).enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for effect in EFFECTS {
                    assert!(
                        !code.contains(effect),
                        "{}:{}: a core names {effect}",
                        file.display(),
                        number + 1
                    );
                }
            }
        }
    }
}
