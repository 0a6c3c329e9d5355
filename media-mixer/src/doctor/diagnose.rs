//! From facts to sentences: a pure function.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mixer_control::{Flow, LineHealth};
use sdp::Direction;

use super::facts::{LineFacts, Seen};
use crate::ledger::Oddity;

/// Media that came within this time flows. Longer than the pauses of discontinuous transmission (RFC 6716: 400 ms).
const FLOWING: Duration = Duration::from_secs(5);

/// A line gets this long to begin before its silence means anything: key exchanges and cameras take their time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Signs of life younger than this say that the member is there: two report intervals (RFC 3550 §6.2) and a bit.
const ALIVE: Duration = Duration::from_secs(15);

/// A line is not blamed for single packets: a share of one in this many, or nothing else at all.
const NEGLIGIBLE: u64 = 10;

/// Says what the facts mean. `index` is that of the m-line.
pub fn diagnose(index: usize, line: &LineFacts) -> LineHealth {
    let mut findings = Vec::new();
    let silent = line.media.is_none_or(|ago| ago >= FLOWING);
    match line.awaited {
        None => findings.push(held(line)),
        Some(awaited) if silent => {
            findings.push(nothing_comes(line, awaited));
            findings.extend(refused(line));
            findings.extend(odd(line));
            findings.extend(signs_of_life(line));
            findings.extend(nat(line));
        }
        Some(_) => findings.extend(partly_useless(line)),
    }
    findings.extend(not_reached(line));
    LineHealth {
        index: u32::try_from(index).unwrap_or(u32::MAX),
        medium: medium(line).to_owned(),
        flow: flow(line, silent),
        findings,
        facts: facts(line),
    }
}

/// Whether somebody should be told without asking: media should come and something keeps it away, or cannot be used. A
/// member that says nothing while its control packets come is muted, and a camera may be off for hours.
pub fn is_alarming(line: &LineFacts) -> bool {
    let silent = line.media.is_none_or(|ago| ago >= FLOWING);
    line.awaited.is_some_and(|awaited| awaited >= PATIENCE) && flow(line, silent) == Flow::Broken
}

fn flow(line: &LineFacts, silent: bool) -> Flow {
    let Some(awaited) = line.awaited else { return Flow::Held };
    let evidence = !line.refused.is_empty() || !line.odd.is_empty() || line.unreachable.is_some();
    let alive = line.life.is_some_and(|ago| ago < ALIVE);
    match silent {
        false if mostly_undecodable(line) => Flow::Broken,
        false => Flow::Flows,
        true if awaited < PATIENCE => Flow::Waits,
        true if evidence => Flow::Broken,
        true if alive || line.video => Flow::Waits,
        true => Flow::Broken,
    }
}

fn medium(line: &LineFacts) -> &'static str {
    if line.video { "video" } else { "audio" }
}

fn held(line: &LineFacts) -> String {
    let medium = medium(line);
    match line.direction {
        Direction::Inactive => format!("{medium} is on hold by the peer (a=inactive)"),
        _ => format!("no {medium} is expected: the peer only listens (a=recvonly)"),
    }
}

fn nothing_comes(line: &LineFacts, awaited: Duration) -> String {
    if let (Some(media), Some(from)) = (line.media, line.latched) {
        return format!(
            "{} came from {from} until {} ago, and nothing since",
            medium(line),
            age(media)
        );
    }
    match line.signalled {
        _ if awaited < PATIENCE => format!("waiting for the first packet since {}", age(awaited)),
        Some(signalled) => format!("SDP says {signalled}, nothing comes from there"),
        None => "SDP names no address, and nothing comes from where SIP comes from".to_owned(),
    }
}

fn refused(line: &LineFacts) -> Option<String> {
    let mut text = String::new();
    for Seen { what, count, .. } in line.refused.iter().take(3) {
        let joint = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{joint}{} from {what}", packets(*count));
    }
    if text.is_empty() {
        return None;
    }
    let more = match line.refused.len().saturating_sub(3) {
        0 => String::new(),
        more => format!(" and more from {more} other addresses"),
    };
    let why = match line.latched {
        Some(latched) => {
            format!("the line belongs to {latched} until an offer names another address")
        }
        None => "neither the address of the SDP nor that of the SIP request".to_owned(),
    };
    Some(format!("{text}{more} refused by the gate ({why})"))
}

/// What the member sends that cannot be used.
fn odd(line: &LineFacts) -> Vec<String> {
    let mut types = String::new();
    let mut sentences = Vec::new();
    for Seen { what, count, .. } in &line.odd {
        let count = packets(*count);
        match what {
            Oddity::PayloadType(payload_type) => {
                let joint = if types.is_empty() { "" } else { ", " };
                let _ = write!(types, "{joint}{payload_type}");
            }
            Oddity::Malformed => sentences.push(format!(
                "{count} that are neither RTP nor RTCP: encrypted media perhaps (SRTP was not agreed on)"
            )),
            Oddity::WrongPort => sentences.push(format!(
                "{count} on the wrong port: RTCP on the port for RTP without a=rtcp-mux, or the reverse"
            )),
            Oddity::Loop => sentences.push(format!("{count} with our own SSRC: our media comes back")),
            Oddity::Unproven => sentences
                .push(format!("{count} with sequence numbers that jump, or of SSRCs seen once")),
            Oddity::TooManySources => {
                sentences.push(format!("{count} of more SSRCs at once than are followed"));
            }
        }
    }
    if !types.is_empty() {
        let agreed: Vec<String> = line.payload_types.iter().map(ToString::to_string).collect();
        let agreed = agreed.join(" and ");
        sentences.insert(
            0,
            format!("packets come with payload type {types} but the answer allows {agreed}"),
        );
    }
    sentences
}

fn signs_of_life(line: &LineFacts) -> Option<String> {
    match (line.control, line.life) {
        (Some(control), _) if control < ALIVE => Some(format!(
            "the peer is there: RTCP came {} ago; muted, or it sends media elsewhere",
            age(control)
        )),
        (_, Some(life)) if life < ALIVE && line.odd.is_empty() => {
            Some(format!("the peer is there: a keep-alive came {} ago", age(life)))
        }
        (None, None) if line.packets_in == 0 => Some("no RTCP either".to_owned()),
        _ => None,
    }
}

/// The usual reason.
fn nat(line: &LineFacts) -> Option<String> {
    let (signalled, sip) = (line.signalled?.ip(), line.sip_source?);
    (line.latched.is_none() && signalled != sip && is_private(signalled) && !is_private(sip)).then(|| {
        format!("SDP names the private address {signalled} while SIP comes from {sip}: behind a NAT, and its first packet must come from {sip}")
    })
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

fn mostly_undecodable(line: &LineFacts) -> bool {
    line.undecodable > 5 && line.undecodable.saturating_mul(NEGLIGIBLE) > line.packets_in
}

/// Media comes; is it any good?
fn partly_useless(line: &LineFacts) -> Vec<String> {
    let mut findings = Vec::new();
    if mostly_undecodable(line) {
        let all = packets(line.packets_in);
        findings.push(format!("{} of {all} cannot be decoded as {}", line.undecodable, line.codec));
    }
    let worth = |count: u64| count.saturating_mul(NEGLIGIBLE) > line.packets_in;
    if line.odd.iter().any(|seen| worth(seen.count)) {
        findings.extend(odd(line));
    }
    if line.refused.iter().any(|seen| worth(seen.count)) {
        findings.extend(refused(line));
    }
    findings
}

fn not_reached(line: &LineFacts) -> Option<String> {
    if let Some(Seen { what: (to, error), count, ago }) = line.unreachable {
        let why = match error {
            111 => "nobody listens there (port unreachable)".to_owned(),
            113 => "host unreachable".to_owned(),
            101 => "network unreachable".to_owned(),
            90 => "packets are too long for the path".to_owned(),
            13 => "a firewall forbids it".to_owned(),
            other => format!("error {other}"),
        };
        let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
        return Some(format!(
            "what we send to {to} does not arrive: {why}, told {times}, last {} ago",
            age(ago)
        ));
    }
    let nowhere = line.direction.sends() && line.destination.is_none();
    nowhere.then(|| format!("we send no {}: we know no address to send to", medium(line)))
}

/// What the findings rest on.
fn facts(line: &LineFacts) -> Vec<String> {
    let address = |address: Option<SocketAddr>| match address {
        Some(address) => address.to_string(),
        None => "none".to_owned(),
    };
    let types: Vec<String> = line.payload_types.iter().map(ToString::to_string).collect();
    let sip = line.sip_source.map_or("unknown".to_owned(), |ip| ip.to_string());
    let moment = |ago: Option<Duration>| match ago {
        Some(ago) => format!("{} ago", age(ago)),
        None => "never".to_owned(),
    };
    vec![
        format!("{} {}, payload types {}", line.codec, line.direction.as_str(), types.join(" ")),
        format!(
            "SDP address {}, SIP from {sip}, taken {}",
            address(line.signalled),
            address(line.latched)
        ),
        format!(
            "port {}: {} in, last {}; RTCP {}; anything {}",
            line.port,
            packets(line.packets_in),
            moment(line.media),
            moment(line.control),
            moment(line.life)
        ),
        format!("{} out to {}", packets(line.packets_out), address(line.destination)),
    ]
}

fn packets(count: u64) -> String {
    if count == 1 { "1 packet".to_owned() } else { format!("{count} packets") }
}

/// A time a person can read.
fn age(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests;
