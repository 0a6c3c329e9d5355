//! What control packets say (RFC 3550 §6, RFC 4585, RFC 5104).

use std::time::Instant;

use super::{RtcpEvent, RtpSession};
use crate::Ssrc;
use crate::receive::source::round_trip;
use crate::rtcp::{self, BitRates, Fir, ReportBlock, Rtcp, SdesChunk, SenderInfo};

impl RtpSession {
    /// A control datagram came in.
    pub fn handle_rtcp(&mut self, now: Instant, datagram: &[u8]) -> Vec<RtcpEvent> {
        let mut events = Vec::new();
        self.schedule.count(datagram.len());
        let packets = rtcp::parse(datagram);
        // Who leaves with this very datagram gets no new entry in any table.
        let leaving: Vec<Ssrc> = packets
            .iter()
            .filter_map(|packet| match packet {
                Rtcp::Bye(bye) => Some(&bye.ssrcs),
                _ => None,
            })
            .flatten()
            .copied()
            .collect();
        for packet in packets {
            if let Rtcp::SenderReport { ssrc, .. } | Rtcp::ReceiverReport { ssrc, .. } = packet {
                if self.is_ours(ssrc) {
                    // An echo, or somebody with our SSRC: the rest of the datagram is about nobody else.
                    let new = self.resolve_collision(now, ssrc);
                    events.extend(new.map(|new| RtcpEvent::Collision { old: ssrc, new }));
                    return events;
                }
                if !leaving.contains(&ssrc) {
                    self.peers.heard_from(now, ssrc);
                }
            }
            match packet {
                Rtcp::SenderReport { ssrc, info, blocks } => {
                    self.sender_report(now, ssrc, info, &mut events);
                    self.report_blocks(now, ssrc, &blocks, &mut events);
                }
                Rtcp::ReceiverReport { ssrc, blocks } => {
                    self.report_blocks(now, ssrc, &blocks, &mut events);
                }
                Rtcp::Sdes(mut chunks) => {
                    chunks.retain(|chunk| !leaving.contains(&chunk.ssrc));
                    self.names(now, chunks, &mut events);
                }
                Rtcp::Bye(bye) => self.farewells(now, &bye.ssrcs, &mut events),
                Rtcp::Nack(nack) if self.is_media_of_ours(nack.media) => {
                    events.push(RtcpEvent::Nack { media: nack.media, seqs: nack.seqs })
                }
                Rtcp::Pli(pli) if self.is_media_of_ours(pli.media) => {
                    events.push(RtcpEvent::KeyFrameWanted { media: pli.media });
                }
                Rtcp::Fir(fir) => self.key_frame_commands(&fir, &mut events),
                Rtcp::Remb(remb) => {
                    self.limits.remb(now, remb.bitrate);
                    events.push(RtcpEvent::Remb { bitrate: remb.bitrate });
                }
                Rtcp::Tmmbr(requests) => self.bit_rate_requests(now, &requests, &mut events),
                Rtcp::Nack(_) | Rtcp::Pli(_) | Rtcp::Tmmbn(_) => {}
            }
        }
        events
    }

    fn sender_report(
        &mut self,
        now: Instant,
        ssrc: Ssrc,
        info: SenderInfo,
        events: &mut Vec<RtcpEvent>,
    ) {
        if let Some(source) = self.peers.source_mut(ssrc) {
            source.sender_report(now, info);
            events.push(RtcpEvent::SenderReport { ssrc });
        }
    }

    fn report_blocks(
        &mut self,
        now: Instant,
        from: Ssrc,
        blocks: &[ReportBlock],
        events: &mut Vec<RtcpEvent>,
    ) {
        let ntp = self.config.clock.at(now);
        for &block in blocks {
            if self.is_ours(block.ssrc) {
                let rtt = round_trip(ntp, &block);
                self.rtt = rtt.unwrap_or(self.rtt);
                events.push(RtcpEvent::Report { from, block, rtt });
            }
        }
    }

    fn names(&mut self, now: Instant, chunks: Vec<SdesChunk>, events: &mut Vec<RtcpEvent>) {
        for chunk in chunks {
            if !self.is_ours(chunk.ssrc) && self.peers.named(now, &chunk) {
                events.push(RtcpEvent::Named {
                    ssrc: chunk.ssrc,
                    cname: chunk.cname,
                    name: chunk.name,
                });
            }
        }
    }

    fn farewells(&mut self, now: Instant, ssrcs: &[Ssrc], events: &mut Vec<RtcpEvent>) {
        for &ssrc in ssrcs {
            self.repair.forget(ssrc);
            self.limits.left(ssrc);
            self.pending.forget(ssrc);
            if self.peers.left(ssrc) {
                events.push(RtcpEvent::Bye { ssrc });
            }
        }
        self.schedule.members_left(now, self.population(now).members);
    }

    fn key_frame_commands(&mut self, fir: &Fir, events: &mut Vec<RtcpEvent>) {
        for &(media, command) in &fir.entries {
            if self.is_media_of_ours(media) && self.peers.is_new_command(fir.sender, media, command)
            {
                events.push(RtcpEvent::KeyFrameWanted { media });
            }
        }
    }

    /// Requests to send less: kept, and answered with the tuple that holds now (RFC 5104 §4.2.1, §3.5.4).
    fn bit_rate_requests(
        &mut self,
        now: Instant,
        requests: &BitRates,
        events: &mut Vec<RtcpEvent>,
    ) {
        for &entry in &requests.entries {
            if self.is_media_of_ours(entry.ssrc) {
                self.limits.tmmbr(requests.sender, entry);
                self.pending.notify(now, entry.ssrc);
                events.push(RtcpEvent::Tmmbr { media: entry.ssrc, bitrate: entry.bitrate });
            }
        }
    }
}
