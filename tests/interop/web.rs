//! The page of live meetings in a real browser, while softphones talk.

use std::process::Command;
use std::time::Duration;

use system_tests::clients::{Chromium, Softphone};
use system_tests::services::{Services, binary, scratch};

use crate::hearing::assert_picture;

/// A name that would be a picture, and a script, if anybody took it for HTML.
const NAME: &str = "<img src=x onerror=document.title=1>";

#[test]
fn the_page_shows_and_steers_a_meeting() {
    let directory = scratch("web").expect("a directory");
    // Levels and streams are the mixer's to tell.
    let services = Services::start_meeting(&directory, "media_path = \"mixed\"").expect("services");
    let uri = services.conference("page");
    let join = |name: &str| {
        let arguments =
            ["--headless", "--mic", "tone:440", "--camera", "pattern", "--duration", "300"];
        Softphone::join(&directory, name, &uri, &arguments).expect("a softphone")
    };
    let (_zoe, mut other) = (join("Zoé"), join(NAME));

    // Whoever is on this machine may look.
    let url = services.registrar_url("/");
    let mut page = Chromium::open(&directory, &url, (1000, 700)).expect("chromium");
    let names = "[...document.querySelectorAll('.member .name')].map(e => e.textContent).sort()";
    let both = format!("JSON.stringify({names}) === JSON.stringify({:?}.sort())", ["Zoé", NAME]);
    page.wait("both are shown", &both).expect("names");
    let levels = "[...document.querySelectorAll('.level')].every(e => e.value > -60)";
    page.wait("both are loud", levels).expect("levels");
    let flows = "[...document.querySelectorAll('.streams')].every(e => \
                 /audio opus · loss .* jitter .* kbit/.test(e.textContent))";
    page.wait("media flow", flows).expect("streams");
    let harmless = "document.querySelectorAll('img').length === 0 && document.title !== '1'";
    page.wait("no name is HTML", harmless).expect("text");
    let hidden = "[...document.querySelectorAll('button[data-act]')].every(e => !e.offsetParent)";
    page.wait("who may only look has no buttons", hidden).expect("no buttons");
    page.screenshot(&directory.join("page.png")).expect("a screenshot");
    assert_picture("chromium", &directory.join("page.png"));

    // Who has a token may steer.
    let made = Command::new(binary("sip-registrar").expect("a binary"))
        .arg("--config")
        .arg(services.registrar_config())
        .args(["token", "add", "page", "--scope", "meetings:read,meetings:write"])
        .output()
        .expect("sip-registrar token add");
    let token = String::from_utf8(made.stdout).expect("a token");
    page.evaluate("find('open-token').click()").expect("a click");
    page.evaluate(&format!("find('token').value = {token:?}")).expect("typed");
    page.evaluate("document.querySelector('#token-dialog button[value=use]').click()")
        .expect("a click");
    page.evaluate("window.confirm = () => true").expect("yes to all");
    let button =
        |act: &str| format!("document.querySelector('.meeting > .steer [data-act={act}]')");
    page.wait("buttons", &format!("Boolean({}.offsetParent)", button("lock"))).expect("buttons");
    page.evaluate(&format!("{}.click()", button("lock"))).expect("a click");
    let locked = format!("{}.textContent === 'Unlock'", button("lock"));
    page.wait("locked", &locked).expect("locked");

    let row = format!(
        "[...document.querySelectorAll('.member')].find(e => \
         e.querySelector('.name').textContent === {NAME:?})"
    );
    page.evaluate(&format!("({row}).querySelector('[data-act=mute]').click()")).expect("a click");
    let muted = format!("({row}).querySelector('.tags').textContent.includes('muted')");
    page.wait("muted", &muted).expect("muted");
    page.evaluate(&format!("({row}).querySelector('[data-act=kick]').click()")).expect("a click");
    page.wait("removed", &format!("({row}) === undefined")).expect("removed");
    other.report(Duration::from_secs(10)).expect("the softphone has ended");
    page.evaluate(&format!("{}.click()", button("cancel"))).expect("a click");
    page.wait("over", "document.querySelectorAll('.meeting').length === 0").expect("over");

    // All of it is in the history, and by whom.
    let history = Command::new(binary("sip-registrar").expect("a binary"))
        .arg("--config")
        .arg(services.registrar_config())
        .args(["history", "page", "--kind", "locked,muted,kicked,cancelled", "--json"])
        .output()
        .expect("sip-registrar history");
    let history = String::from_utf8(history.stdout).expect("text");
    let records: Vec<serde_json::Value> =
        history.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let kinds: Vec<&str> = records.iter().filter_map(|record| record["kind"].as_str()).collect();
    assert_eq!(kinds, ["locked", "muted", "kicked", "cancelled"], "{history}");
    assert!(records.iter().all(|record| record["by"]["uri"] == "page"), "{history}");
}
