//! A packet of a member's picture, from its line to everybody who watches.

use std::time::Instant;

use rtp_session::{CsrcList, Received, RtpPacket};

use super::Conference;
use crate::leg::{Leg, Line};
use crate::transport::Transport;
use crate::video::forward::PicturePacket;
use crate::video::{LineId, VideoLine};

impl Conference {
    /// A packet of a member's picture.
    pub(super) fn handle_picture(
        &mut self,
        now: Instant,
        at: LineId,
        packet: &RtpPacket,
        received: &Received,
    ) {
        let Some(leg) = self.legs.get_mut(&at.leg) else { return };
        let sync = leg.sync;
        let Some((transport, video)) = leg.line_mut(at.line).and_then(Line::video_mut) else {
            return;
        };
        if !transport.may_receive() {
            return;
        }
        let news = video.source.receive(now, packet, received);
        if !news.current {
            return;
        }
        let media_time = video.source.media_time(now, packet, transport, sync);
        if news.appeared {
            let public = self.publish(at, received.ssrc);
            if let Some((_, video)) = self.video_line(at) {
                video.source.set_public(public);
            }
            self.video.arrange(now, Some(at), &mut self.legs, &mut self.out);
        }
        let Some((_, video)) = self.video_line(at) else { return };
        let csrcs: CsrcList = std::iter::once(video.source.public()).collect();
        let picture = PicturePacket { packet, csrcs, media_time };
        let waiting = self.video.forward(now, at, &picture, &mut self.legs, &mut self.out);
        self.ask_source(now, at, waiting);
    }

    fn video_line(&mut self, at: LineId) -> Option<(&mut Transport, &mut VideoLine)> {
        self.legs.get_mut(&at.leg)?.line_mut(at.line)?.video_mut()
    }

    fn ask_source(&mut self, now: Instant, at: LineId, key_frame: bool) {
        let Some(leg) = self.legs.get_mut(&at.leg) else { return };
        let Leg { name, lines, .. } = leg;
        let live = lines.get_mut(at.line).and_then(|line| line.live.as_mut());
        if let Some((transport, video)) = live.and_then(Line::video_mut) {
            if key_frame {
                video.source.want_key_frame();
            }
            video.source.ask(now, name, transport, &mut self.out);
        }
    }
}
