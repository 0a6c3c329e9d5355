//! Why somebody is not heard or seen: what signalling knows and what the mixer knows, together. Served at
//! `/doctor/CALL-ID|CONFERENCE` and printed by `sip-registrar doctor`, which asks the running service.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mixer_control::{Flow, LegHealth, MixerError};
use serde::Serialize;
use sip_registrar::{Chart, Examination};

use super::config::Config;
use super::escape::escape;
use super::http::{Caller, Services};

/// How long the service may take: the mixer's patience and a bit.
const PATIENCE: Duration = Duration::from_secs(10);

/// A member, seen from both sides.
#[derive(Debug, Serialize)]
struct Patient {
    #[serde(flatten)]
    signalling: Chart,
    /// Its media; `None` when the mixer knows no such leg.
    media: Option<LegHealth>,
}

/// What the doctor says.
#[derive(Debug, Serialize)]
struct Report {
    name: String,
    conference: String,
    /// Which way media go, and why.
    media_path: String,
    /// Why the mixer tells nothing.
    mixer_error: Option<String>,
    members: Vec<Patient>,
}

impl Report {
    fn new(mut found: Examination, media: Result<Vec<LegHealth>, MixerError>) -> Self {
        // Of two who talk directly the mixer has nothing to tell.
        let direct = found.members.iter().all(|chart| chart.direct);
        let (media, mixer_error) = match media {
            Ok(media) => (media, None),
            Err(_) if direct => (Vec::new(), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let with_media = |signalling: Chart| {
            let media = media.iter().find(|leg| leg.leg == signalling.leg).cloned();
            Patient { signalling, media }
        };
        let members = std::mem::take(&mut found.members).into_iter().map(with_media).collect();
        let Examination { name, conference, media_path, .. } = found;
        Self { name, conference, media_path, mixer_error, members }
    }

    fn to_text(&self) -> String {
        let mut text = format!("conference {} ({} at the mixer)\n", self.name, self.conference);
        let _ = writeln!(text, "media path: {}", self.media_path);
        if let Some(error) = &self.mixer_error {
            let _ = writeln!(text, "the mixer tells nothing: {error}");
        }
        for Patient { signalling, media } in &self.members {
            let Chart { display_name, leg, call_id, findings, direct, facts } = signalling;
            let _ = writeln!(text, "\n{display_name}  leg {leg}  Call-ID {call_id}");
            for finding in findings {
                let _ = writeln!(text, "  ! {finding}");
            }
            for fact in facts {
                let _ = writeln!(text, "    {fact}");
            }
            match media {
                Some(media) => describe(media, &mut text),
                None if self.mixer_error.is_none() && !direct => {
                    let _ = writeln!(text, "  ! the mixer knows no such leg");
                }
                None => {}
            }
        }
        text
    }
}

fn describe(leg: &LegHealth, text: &mut String) {
    if leg.lines.is_empty() {
        let _ = writeln!(text, "  ! nothing was agreed on");
    }
    for line in &leg.lines {
        let flow = match line.flow {
            Flow::Flows => "flows",
            Flow::Waits => "silent",
            Flow::Held => "on hold",
            Flow::Broken => "BROKEN",
            Flow::Unknown => "unknown",
        };
        let _ = writeln!(text, "  {} (m-line {}): {flow}", line.medium, line.index);
        for finding in &line.findings {
            let _ = writeln!(text, "  ! {finding}");
        }
        for fact in &line.facts {
            let _ = writeln!(text, "    {fact}");
        }
    }
}

/// Serves `/doctor/{patient}`: as text, or as JSON to those who ask for it.
pub(crate) async fn serve(
    caller: Caller,
    State(services): State<Services>,
    Path(patient): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(problem) = caller.may_watch() {
        return problem.into_response();
    }
    let Services { board, mixer, .. } = services;
    let Ok(found) = board.core(move |_, core| core.examine(&patient)).await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let Some(found) = found else {
        let unknown = "there is no such conference, and no member of one with this Call-ID\n";
        return (StatusCode::NOT_FOUND, unknown).into_response();
    };
    let media = mixer.doctor(&found.conference).await;
    let report = Report::new(found, media);
    let wants = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if wants.is_some_and(|accept| accept.contains("application/json")) {
        return Json(report).into_response();
    }
    report.to_text().into_response()
}

/// The command: asks the service that runs with this configuration, and prints what it says.
pub(crate) fn ask(config: &Config, patient: &str) -> anyhow::Result<()> {
    let (status, body) = get(config.http.listen, &format!("/doctor/{}", escape(patient)))
        .with_context(|| format!("the service does not answer on {}", config.http.listen))?;
    match status.as_str() {
        "200" => Ok(std::io::stdout().write_all(body.as_bytes())?),
        "404" => bail!("{}", body.trim()),
        _ => bail!("the service answers {status} {}", body.trim()),
    }
}

/// One request on a connection of its own: (status, body).
fn get(address: SocketAddr, path: &str) -> anyhow::Result<(String, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).context("no HTTP status")?;
    Ok((status.to_owned(), body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mixer_control::LineHealth;

    fn found() -> Examination {
        Examination {
            name: "room".into(),
            conference: "room-1".into(),
            media_path: "mixer: more than two are there".into(),
            members: vec![Chart {
                display_name: "Zoé".into(),
                leg: "7".into(),
                call_id: "a@b".into(),
                findings: vec!["no ACK has come for our 200".into()],
                direct: false,
                facts: vec!["user agent: baresip".into()],
            }],
        }
    }

    #[test]
    fn both_sides_are_told_together() {
        let line = LineHealth {
            medium: "audio".into(),
            flow: Flow::Broken,
            findings: vec!["SDP says 10.1.2.3:4000, nothing comes from there".into()],
            ..LineHealth::default()
        };
        let legs = vec![LegHealth { leg: "7".into(), lines: vec![line], ..LegHealth::default() }];
        assert_eq!(
            Report::new(found(), Ok(legs)).to_text(),
            "conference room (room-1 at the mixer)\n\
             media path: mixer: more than two are there\n\
             \n\
             Zoé  leg 7  Call-ID a@b\n  \
               ! no ACK has come for our 200\n    \
                 user agent: baresip\n  \
               audio (m-line 0): BROKEN\n  \
               ! SDP says 10.1.2.3:4000, nothing comes from there\n"
        );
        let lost = Report::new(found(), Ok(Vec::new())).to_text();
        assert!(lost.contains("! the mixer knows no such leg"), "{lost}");
        let mut two = found();
        two.members[0].direct = true;
        let direct = Report::new(two, Err(MixerError::NotFound)).to_text();
        for nothing in ["the mixer tells", "the mixer knows"] {
            assert!(!direct.contains(nothing), "it has nothing to tell: {direct}");
        }
        let silent = Report::new(found(), Err(MixerError::NotFound)).to_text();
        assert!(silent.contains("the mixer tells nothing: no such conference"), "{silent}");
    }
}
