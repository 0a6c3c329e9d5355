//! `/healthz`, `/metrics` (Prometheus text format) and `/doctor` (JSON).

use std::fmt::Write as _;
use std::sync::PoisonError;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use media_mixer::turn::Stats;
use media_mixer::{LegStats, LineStats};
use mixer_control::{LegHealth, MixerError};
use serde::Serialize;
use tokio::net::TcpListener;

use super::conference_task::Command;
use super::directory::{Directory, Numbers};
use super::turn::Asker;

/// Serves until the process ends.
pub(crate) async fn serve(
    listener: TcpListener,
    directory: Directory,
    turn: Option<Asker>,
) -> std::io::Result<()> {
    let of_turn = turn.clone();
    let app = Router::new()
        .route("/healthz", get(move || healthz(turn)))
        .route("/metrics", get(move |directory| metrics(directory, of_turn)))
        .route("/doctor", get(doctor))
        .route("/doctor/{conference}", get(doctor_of_conference))
        .route("/doctor/{conference}/{leg}", get(doctor_of_leg))
        .with_state(directory);
    axum::serve(listener, app).await
}

/// One conference, as the doctor sees it.
#[derive(Debug, Serialize)]
struct Visit {
    conference: String,
    legs: Vec<LegHealth>,
}

/// How media flows everywhere.
async fn doctor(State(directory): State<Directory>) -> Response {
    let mut visits = Vec::new();
    for conference in directory.names() {
        // One that has ended since is left out.
        if let Ok(legs) = ask(&directory, &conference, None).await {
            visits.push(Visit { conference, legs });
        }
    }
    Json(visits).into_response()
}

async fn doctor_of_conference(
    State(directory): State<Directory>,
    Path(conference): Path<String>,
) -> Response {
    visit(ask(&directory, &conference, None).await)
}

async fn doctor_of_leg(
    State(directory): State<Directory>,
    Path((conference, leg)): Path<(String, String)>,
) -> Response {
    visit(ask(&directory, &conference, Some(leg)).await)
}

async fn ask(
    directory: &Directory,
    conference: &str,
    leg: Option<String>,
) -> Result<Vec<LegHealth>, MixerError> {
    directory.ask(conference, |reply| Command::Doctor { leg, reply }).await
}

fn visit(legs: Result<Vec<LegHealth>, MixerError>) -> Response {
    match legs {
        Ok(legs) => Json(legs).into_response(),
        Err(error) => (StatusCode::NOT_FOUND, format!("{error}\n")).into_response(),
    }
}

/// The first line is for programs, as ever; the second is there where TURN is served.
async fn healthz(turn: Option<Asker>) -> String {
    let mut text = "ok\n".to_owned();
    if let Some(turn) = turn {
        let _ = match turn.stats().await {
            Some(stats) => writeln!(text, "turn: {} allocations", stats.allocations),
            None => writeln!(text, "turn: does not answer"),
        };
    }
    text
}

/// A number of the TURN server: name, kind, help, and how to get it.
type TurnMetric = (&'static str, &'static str, &'static str, fn(&Stats) -> u64);

const TURN_METRICS: &[TurnMetric] = &[
    ("allocations", "gauge", "Allocations of the TURN server.", |s| s.allocations),
    ("allocations_total", "counter", "Allocations made.", |s| s.allocated),
    ("bindings_total", "counter", "STUN Binding requests answered.", |s| s.bindings),
    ("relayed_packets_total", "counter", "Datagrams relayed, both ways.", |s| s.relayed_packets),
    ("relayed_octets_total", "counter", "Octets in datagrams relayed.", |s| s.relayed_octets),
    ("refused_peers_total", "counter", "Peers refused, and datagrams to and from such.", |s| {
        s.refused_peers
    }),
    ("refused_credentials_total", "counter", "Requests with wrong or ended credentials.", |s| {
        s.refused_credentials
    }),
    ("refused_quota_total", "counter", "Requests refused because there was enough.", |s| {
        s.refused_quota
    }),
    ("dropped_rate_total", "counter", "Datagrams beyond a rate or bandwidth.", |s| s.dropped_rate),
    ("dropped_invalid_total", "counter", "Datagrams that mean nothing.", |s| s.dropped_invalid),
];

async fn metrics(State(directory): State<Directory>, turn: Option<Asker>) -> impl IntoResponse {
    let numbers = directory.numbers().await;
    let (used, free) = {
        let mut pool = directory.ports().lock().unwrap_or_else(PoisonError::into_inner);
        (pool.used(), pool.free(Instant::now()))
    };
    let mut text = render(&numbers);
    gauge(&mut text, "parley_mixer_port_pairs_used", "UDP port pairs in use.", used as u64);
    gauge(
        &mut text,
        "parley_mixer_port_pairs_free",
        "UDP port pairs that could be taken.",
        free as u64,
    );
    one(
        &mut text,
        "parley_mixer_conferences_failed_total",
        "counter",
        "Conferences that ended by a fault.",
        directory.failed(),
    );
    if let Some(turn) = turn
        && let Some(stats) = turn.stats().await
    {
        for (name, kind, help, of) in TURN_METRICS {
            one(&mut text, &format!("parley_turn_{name}"), kind, help, of(&stats));
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

fn gauge(text: &mut String, name: &str, help: &str, value: u64) {
    one(text, name, "gauge", help, value);
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn one(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    head(text, name, kind, help);
    let _ = writeln!(text, "{name} {value}");
}

/// A label value: backslash, quote and line feed escaped.
fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Which m-lines have a number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Both,
    Voices,
    Pictures,
}

impl Of {
    fn includes(self, line: &LineStats) -> bool {
        match self {
            Self::Both => true,
            Self::Voices => !line.video,
            Self::Pictures => line.video,
        }
    }
}

/// A number told per m-line: name, kind, of what, help, and how to get it.
type LineMetric = (&'static str, &'static str, Of, &'static str, fn(&LineStats) -> f64);

const LINE_METRICS: &[LineMetric] = &[
    ("packets_in_total", "counter", Of::Both, "Media packets received.", |l| {
        l.counters.packets_in as f64
    }),
    ("octets_in_total", "counter", Of::Both, "Octets of media packets received.", |l| {
        l.counters.octets_in as f64
    }),
    ("packets_out_total", "counter", Of::Both, "Media packets sent.", |l| {
        l.counters.packets_out as f64
    }),
    ("octets_out_total", "counter", Of::Both, "Octets of media packets sent.", |l| {
        l.counters.octets_out as f64
    }),
    ("packets_lost_total", "counter", Of::Both, "Media packets lost on the way to us.", |l| {
        l.lost as f64
    }),
    (
        "packets_undecodable_total",
        "counter",
        Of::Voices,
        "Voice packets that make no sound.",
        |l| l.undecodable as f64,
    ),
    ("packets_late_total", "counter", Of::Voices, "Voice packets that came too late.", |l| {
        l.late as f64
    }),
    (
        "packets_refused_total",
        "counter",
        Of::Both,
        "Packets from a sender not vouched for (RFC 7362).",
        |l| l.counters.refused as f64,
    ),
    ("packets_invalid_total", "counter", Of::Both, "Packets that are no media agreed on.", |l| {
        l.counters.invalid as f64
    }),
    ("packets_resent_total", "counter", Of::Pictures, "Packets sent again on request.", |l| {
        l.counters.resent as f64
    }),
    ("key_frame_requests_total", "counter", Of::Pictures, "Key frames asked of the member.", |l| {
        l.key_frame_requests as f64
    }),
    ("jitter_seconds", "gauge", Of::Both, "Interarrival jitter (RFC 3550).", |l| {
        l.jitter.as_secs_f64()
    }),
    ("round_trip_seconds", "gauge", Of::Both, "Round trip to the member, 0 when unknown.", |l| {
        l.rtt.as_secs_f64()
    }),
    ("buffered_seconds", "gauge", Of::Voices, "Delay of the jitter buffer.", |l| {
        l.buffered.as_secs_f64()
    }),
];

/// A number told per conference.
type ConferenceMetric = (&'static str, &'static str, &'static str, fn(&Numbers) -> f64);

const CONFERENCE_METRICS: &[ConferenceMetric] = &[
    ("legs", "gauge", "Members of the conference.", |n| n.stats.legs.len() as f64),
    ("voices", "gauge", "Voices in the last mix.", |n| n.stats.voices as f64),
    ("packets_in_total", "counter", "Media packets received.", |n| {
        sum(&n.stats.legs, |l| l.counters.packets_in)
    }),
    ("packets_out_total", "counter", "Media packets sent.", |n| {
        sum(&n.stats.legs, |l| l.counters.packets_out)
    }),
    ("packets_lost_total", "counter", "Media packets lost on the way to us.", |n| {
        sum(&n.stats.legs, |l| l.lost)
    }),
    ("datagrams_unsent_total", "counter", "Datagrams the kernel did not take.", |n| {
        n.unsent as f64
    }),
    ("encode_failures_total", "counter", "Mixes that could not be encoded.", |n| {
        n.stats.encode_failures as f64
    }),
    ("ticks_total", "counter", "20 ms ticks run.", |n| n.stats.ticks.ticks as f64),
    ("ticks_skipped_total", "counter", "Ticks skipped after a stall.", |n| {
        n.stats.ticks.skipped as f64
    }),
    ("ticks_late_5ms_total", "counter", "Ticks more than 5 ms late.", |n| {
        n.stats.ticks.late_5ms as f64
    }),
    ("tick_lateness_seconds_total", "counter", "Sum of the lateness of all ticks.", |n| {
        n.stats.ticks.late_total.as_secs_f64()
    }),
    ("tick_lateness_seconds_max", "gauge", "The worst lateness of a tick.", |n| {
        n.stats.ticks.late_max.as_secs_f64()
    }),
];

fn sum(legs: &[LegStats], value: fn(&LineStats) -> u64) -> f64 {
    legs.iter().flat_map(|leg| &leg.lines).map(value).sum::<u64>() as f64
}

fn render(numbers: &[Numbers]) -> String {
    let mut text = String::new();
    gauge(&mut text, "parley_mixer_conferences", "Conferences now.", numbers.len() as u64);
    for (name, kind, help, value) in CONFERENCE_METRICS {
        let name = format!("parley_mixer_conference_{name}");
        head(&mut text, &name, kind, help);
        for one in numbers {
            let _ = writeln!(
                text,
                "{name}{{conference=\"{}\"}} {}",
                label(&one.conference),
                value(one)
            );
        }
    }
    for (name, kind, of, help, value) in LINE_METRICS {
        let name = format!("parley_mixer_leg_{name}");
        head(&mut text, &name, kind, help);
        for one in numbers {
            for leg in &one.stats.legs {
                for line in leg.lines.iter().filter(|line| of.includes(line)) {
                    let _ = writeln!(
                        text,
                        "{name}{{conference=\"{}\",leg=\"{}\",line=\"{}\",media=\"{}\"}} {}",
                        label(&one.conference),
                        label(&leg.name),
                        line.index,
                        if line.video { "video" } else { "audio" },
                        value(line)
                    );
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use media_mixer::{ConferenceStats, LineCounters};

    #[test]
    fn numbers_are_told_per_conference_and_per_leg() {
        let counters =
            LineCounters { packets_in: 7, packets_out: 9, refused: 2, ..LineCounters::default() };
        let line = LineStats { index: 1, video: true, counters, lost: 3, ..LineStats::default() };
        let stats = ConferenceStats {
            legs: vec![LegStats { name: "a\"b".to_owned(), lines: vec![line.clone(), line] }],
            ..ConferenceStats::default()
        };
        let text = render(&[Numbers { conference: "weekly".to_owned(), stats, unsent: 0 }]);
        for wanted in [
            "parley_mixer_conferences 1",
            "parley_mixer_conference_packets_in_total{conference=\"weekly\"} 14",
            "parley_mixer_leg_packets_out_total{conference=\"weekly\",leg=\"a\\\"b\",line=\"1\",media=\"video\"} 9",
            "parley_mixer_leg_packets_refused_total{conference=\"weekly\",leg=\"a\\\"b\",line=\"1\",media=\"video\"} 2",
        ] {
            assert!(text.lines().any(|line| line == wanted), "{wanted}\n{text}");
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (_, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
        }
    }
}
