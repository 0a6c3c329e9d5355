use serde_json::Value;

use crate::voices::Person;

/// Prints one row per listener and speaker; whether everything held.
pub fn print(people: &[Person], presence: &[Vec<f64>], reports: &[Value], heard_from: f64) -> bool {
    println!(
        "{:<8} {:<8} {:>12} {:>14} {:>9} {:>6} {:>9} {:>9} {:>9}",
        "who", "whom", "heard", "saw", "packets", "lost", "jitter", "delay", "freeze"
    );
    let mut all = true;
    for (place, listener) in people.iter().enumerate() {
        for (other, speaker) in people.iter().enumerate() {
            let strength = presence[place][other];
            let heard = strength >= heard_from;
            if place == other {
                all &= !heard;
                let verdict = if heard { "ECHO" } else { "not heard" };
                println!("{:<8} {:<8} {:>12}", listener.name, "self", mark(verdict, strength));
                continue;
            }
            all &= row(listener, speaker, strength, heard, &reports[place]);
        }
    }
    println!();
    all
}

/// One direction between two people.
fn row(listener: &Person, speaker: &Person, strength: f64, heard: bool, report: &Value) -> bool {
    let person = report["participants"]
        .as_array()
        .and_then(|list| list.iter().find(|entry| entry["name"] == speaker.name));
    let video = person.map_or(&Value::Null, |entry| &entry["video"]);
    let frames = video["frames_decoded"].as_u64().unwrap_or(0);
    // 20 s at 15 pictures a second are 300; half of it is a picture that moves all the time
    let saw = frames >= 150;
    let audio = &report["audio"];
    let packets =
        audio["received"]["packets"].as_u64().unwrap_or(0) + video["packets"].as_u64().unwrap_or(0);
    let lost =
        audio["received"]["lost"].as_u64().unwrap_or(0) + video["lost"].as_u64().unwrap_or(0);
    println!(
        "{:<8} {:<8} {:>12} {:>14} {:>9} {:>6} {:>9} {:>9} {:>9}",
        listener.name,
        speaker.name,
        mark(if heard { "yes" } else { "NO" }, strength),
        format!("{} {frames} pic.", if saw { "yes" } else { "NO" }),
        packets,
        lost,
        milliseconds(&audio["received"]["jitter_ms"]),
        milliseconds(&audio["delay_ms"]),
        milliseconds(&video["longest_freeze_ms"]),
    );
    heard && saw
}

fn mark(verdict: &str, strength: f64) -> String {
    format!("{verdict} ({strength:.0})")
}

fn milliseconds(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.0} ms"))
}
