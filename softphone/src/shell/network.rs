//! The network thread: SIP, RTP and everything that is decided in between.

mod media_path;
mod typing;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::MediaKind;
use sdp::negotiate::NegotiatedLine;
use sip_net::{Incoming, Transports};
use softphone::core::outcome::Outcome;
use softphone::core::participants::Participants;
use softphone::core::phone::{Event, Output as PhoneOutput, Phone};
use softphone::core::report::{
    CallReport, ConferenceReport, FORMAT, Report, ms, round, state_word,
};
use softphone::core::tiles::{Own, Tiles};
use softphone::device::WindowEvent;
use softphone::device::picture::Scene;
use softphone::media::audio_line::AudioFrame;
use softphone::media::line::Channel;
use softphone::media::session::{Decoded, MediaConfig, MediaSession, Output as MediaOutput};
use tokio::sync::mpsc;

use self::typing::dialling;
use super::audio::{AudioDevices, AudioState, AudioThread};
use super::cli::Answer;
use super::gather::Relays;
use super::say::say;
use super::sockets::{BoundPorts, MediaSockets};
use super::talk::{Talk, rows};
use super::video::{CameraState, DecoderThread};
use super::view::View;

/// Tiles and status line are made anew this often.
const REFRESH: Duration = Duration::from_millis(100);
/// How long the last messages may take to be written.
const CLOSING: Duration = Duration::from_millis(500);
/// Inputs taken in one go before timers are looked at again.
const BATCH: usize = 128;

/// What arrives at the network thread.
#[derive(Debug)]
pub enum Input {
    /// A datagram on a media port.
    Datagram {
        /// Index of the m= line.
        line: usize,
        /// On which of its two ports.
        channel: Channel,
        /// Sender.
        from: SocketAddr,
        /// Contents.
        bytes: Bytes,
    },
    /// A frame of our microphone.
    Audio(AudioFrame),
    /// A picture of our camera.
    Video {
        /// Media time in 1/90 000 s.
        ticks: u32,
        /// A key frame.
        key: bool,
        /// Encoded.
        picture: Bytes,
    },
    /// What the decoder made of a picture.
    Decoded(Decoded),
    /// A key at the window.
    Key(WindowEvent),
    /// A line was typed.
    Line(String),
    /// Nothing more will be typed.
    LinesOver,
    /// SIGINT or SIGTERM.
    Stop,
}

/// What a call is made of.
pub struct CallSetup {
    /// The phone, not started yet.
    pub phone: Phone,
    /// SIP transports.
    pub sip: Transports,
    /// Media ports.
    pub ports: BoundPorts,
    /// Addresses at relays.
    pub relays: Relays,
    /// For the media session.
    pub media: MediaConfig,
    /// Given to the audio thread when the call is answered.
    pub audio: AudioDevices,
    /// Shared with the audio thread.
    pub audio_state: Arc<AudioState>,
    /// Shared with the camera thread.
    pub camera_state: Arc<CameraState>,
    /// There is a camera.
    pub has_camera: bool,
    /// Shared with the window.
    pub view: Arc<View>,
    /// Whom we call, for the status line and the report.
    pub uri: String,
    /// Leave this long after the answer.
    pub duration: Option<Duration>,
    /// What is said.
    pub talk: Talk,
    /// Keys to press once the call is answered.
    pub keys: Option<String>,
    /// Leave when nothing more is typed and all is said.
    pub until_lines_end: bool,
    /// What to do with a call, if we wait for one.
    pub answer: Option<Answer>,
}

/// What is left of a call.
pub struct Finished {
    /// How it ended.
    pub outcome: Outcome,
    /// Everything counted.
    pub report: Report,
    /// What the window showed last.
    pub scene: Scene,
    /// Files that could not be finished.
    pub failures: Vec<String>,
}

/// Runs a call from its first message to its last.
pub async fn run(
    setup: CallSetup,
    inputs: mpsc::Sender<Input>,
    mut inbox: mpsc::Receiver<Input>,
) -> io::Result<Finished> {
    let sockets = setup.ports.listen(&inputs)?;
    let mut call = Running {
        phone: setup.phone,
        sip: setup.sip,
        sockets,
        relays: setup.relays,
        media: None,
        media_config: setup.media,
        audio_devices: Some(setup.audio),
        audio_state: setup.audio_state,
        audio: None,
        decoder: None,
        camera_state: setup.camera_state,
        has_camera: setup.has_camera,
        view: setup.view,
        uri: setup.uri,
        duration: setup.duration,
        talk: setup.talk,
        dialling: dialling(setup.keys.as_deref()),
        keys: setup.keys,
        until_lines_end: setup.until_lines_end,
        answer: setup.answer,
        lines_over: false,
        early: Vec::new(),
        inputs,
        started: Instant::now(),
        answered: None,
        ended: None,
        present: BTreeSet::new(),
        refresh_at: Instant::now(),
        progress: if setup.answer.is_some() { "waiting" } else { "calling" }.to_owned(),
        report: Report { format: FORMAT, ..Report::default() },
        scene: None,
        failures: Vec::new(),
        outcome: None,
    };
    call.phone.start(Instant::now());
    loop {
        call.drain();
        if let Some(outcome) = call.outcome.take() {
            let (finished, sip) = call.finish(outcome);
            sip.close(CLOSING).await;
            return Ok(finished);
        }
        let deadline = call.deadline();
        tokio::select! {
            Some(input) = inbox.recv() => {
                call.handle(input);
                for _ in 0..BATCH {
                    let Ok(input) = inbox.try_recv() else { break };
                    call.handle(input);
                }
            }
            input = call.sip.recv() => call.handle_sip(input),
            () = tokio::time::sleep_until(deadline.into()) => {}
        }
        call.handle_time();
    }
}

struct Running {
    phone: Phone,
    sip: Transports,
    sockets: MediaSockets,
    relays: Relays,
    media: Option<MediaSession>,
    media_config: MediaConfig,
    audio_devices: Option<AudioDevices>,
    audio_state: Arc<AudioState>,
    audio: Option<AudioThread>,
    decoder: Option<DecoderThread>,
    camera_state: Arc<CameraState>,
    has_camera: bool,
    view: Arc<View>,
    uri: String,
    duration: Option<Duration>,
    talk: Talk,
    keys: Option<String>,
    /// How long after the answer all keys are pressed and heard.
    dialling: Duration,
    until_lines_end: bool,
    answer: Option<Answer>,
    lines_over: bool,
    /// What was typed before it could be said.
    early: Vec<String>,
    inputs: mpsc::Sender<Input>,
    started: Instant,
    answered: Option<Instant>,
    ended: Option<Instant>,
    present: BTreeSet<String>,
    refresh_at: Instant,
    progress: String,
    report: Report,
    scene: Option<Scene>,
    failures: Vec<String>,
    outcome: Option<Outcome>,
}

impl Running {
    fn deadline(&mut self) -> Instant {
        let leave = self.answered.zip(self.duration).map(|(answered, after)| answered + after);
        let media = self.media.as_ref().and_then(MediaSession::poll_timeout);
        let talk = self.answered.zip(self.talk.next()).map(|(answered, after)| answered + after);
        let leave = leave.filter(|_| self.ended.is_none());
        let relays = self.relays.deadline();
        let all = [
            self.phone.poll_timeout(),
            media,
            relays,
            leave,
            talk.filter(|_| self.ended.is_none()),
        ];
        all.into_iter().flatten().fold(self.refresh_at, Instant::min)
    }

    fn handle(&mut self, input: Input) {
        let now = Instant::now();
        match (input, &mut self.media) {
            (Input::Datagram { line, from, bytes, .. }, None) => {
                self.relays.handle(now, line, from, &bytes);
            }
            (Input::Datagram { line, channel, from, bytes }, Some(media)) => {
                media.handle_datagram(now, line, channel, from, bytes);
            }
            (Input::Audio(frame), Some(media)) => media.send_audio(now, frame),
            (Input::Video { ticks, key, picture }, Some(media)) => {
                media.send_video(now, ticks, key, &picture);
            }
            (Input::Decoded(decoded), Some(media)) => media.decoded(now, decoded),
            (Input::Key(key), _) => self.key(now, key),
            (Input::Line(line), _) => self.typed(now, &line),
            (Input::LinesOver, _) => self.lines_over = true,
            (Input::Stop, _) => self.phone.leave(now),
            (_, None) => {}
        }
    }

    fn handle_sip(&mut self, input: Incoming) {
        let now = Instant::now();
        match input {
            Incoming::Message { flow, bytes } => self.phone.handle_message(now, flow, &bytes),
            Incoming::Closed(connection) => self.phone.handle_flow_closed(now, connection),
            Incoming::SendFailed(id) => self.phone.handle_send_failed(now, id),
            Incoming::Resolved { id, hops, bytes } => {
                self.phone.handle_resolved(now, id, hops, bytes);
            }
        }
    }

    fn handle_time(&mut self) {
        let now = Instant::now();
        if let Some(media) = &mut self.media {
            media.handle_timeout(now);
            self.phone.heard(media.last_heard());
            let signs = media.signs(now);
            self.phone.tell_media(now, signs);
        }
        self.relays.keep(now, &self.sockets);
        self.phone.handle_timeout(now);
        let leave = self.answered.zip(self.duration).map(|(answered, after)| answered + after);
        if leave.is_some_and(|at| at <= now) && self.ended.is_none() {
            self.phone.leave(now);
        }
        self.talk(now);
        if self.refresh_at <= now {
            self.refresh(now);
            self.refresh_at = now + REFRESH;
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.phone.poll_output() {
            match output {
                PhoneOutput::Transmit(transmit) => self.sip.send(transmit),
                PhoneOutput::Event(event) => self.event(event),
            }
        }
        let Some(media) = &mut self.media else { return };
        while let Some(event) = media.poll_ice() {
            self.talk.way(event);
        }
        while let Some(output) = media.poll_output() {
            match output {
                MediaOutput::Send(datagram) => self.sockets.send(&datagram),
                MediaOutput::Play(heard) => {
                    if let Some(audio) = &self.audio {
                        audio.play(Instant::now(), heard);
                    }
                }
                MediaOutput::Decode { slot, picture } => {
                    let source = picture.source;
                    let taken = self.decoder.as_ref().is_some_and(|d| d.decode(slot, picture));
                    if !taken {
                        let lost = Decoded { slot, source, size: None, broken: true };
                        media.decoded(Instant::now(), lost);
                    }
                }
                MediaOutput::Encode(order) => self.camera_state.order(order),
            }
        }
    }

    fn event(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Registered => say("registered"),
            Event::Progress { status, phrase } => {
                self.progress = if status == 180 { "ringing".to_owned() } else { phrase };
                self.refresh_at = now;
            }
            Event::Called { by, focus } => self.called(now, &by, focus),
            Event::Media(lines) => self.agreed(now, &lines),
            Event::KeyFrameWanted => {
                if let Some(media) = &mut self.media {
                    media.want_key_frame(now);
                }
            }
            Event::CallEnded => self.call_ended(now),
            Event::Over(outcome) => self.outcome = Some(outcome),
            other => self.talk.event(other),
        }
    }

    fn agreed(&mut self, now: Instant, lines: &[NegotiatedLine]) {
        if self.media.is_none() {
            self.answered = Some(now);
            self.report.call.status = Some(200);
            self.report.call.setup_ms = Some(ms(now - self.started));
            let mut media = MediaSession::new(now, self.media_config.clone());
            for (line, relay) in self.relays.take() {
                media.set_relay(line, relay);
            }
            self.media = Some(media);
            if let Err(error) = self.start_threads() {
                self.failures.push(format!("a thread could not be started: {error}"));
                self.phone.leave(now);
            }
        }
        let Some(media) = &mut self.media else { return };
        // Whoever talks to us directly is a person.
        let direct = self.phone.direct().is_some();
        media.set_focus(self.phone.peer_is_focus() && !direct);
        media.set_direct(now, direct);
        media.set_ice(&self.phone.ice());
        media.apply(now, lines);
        self.camera_state.wanted.store(media.may_send_video(), Ordering::Relaxed);
        if let Some(audio) = &self.audio {
            audio.set_sending(media.audio_sending());
        }
        self.note_media_path();
        let audio = self.phone.codec_name(&MediaKind::Audio);
        let video = self.phone.codec_name(&MediaKind::Video);
        if self.report.call.audio_codec != audio || self.report.call.video_codec != video {
            let name = |codec: &Option<String>| codec.clone().unwrap_or_else(|| "none".to_owned());
            say(&format!("in the call: audio {}, video {}", name(&audio), name(&video)));
        }
        self.report.call.audio_codec = audio;
        self.report.call.video_codec = video;
    }

    fn start_threads(&mut self) -> io::Result<()> {
        if let Some(devices) = self.audio_devices.take() {
            let state = self.audio_state.clone();
            self.audio = Some(AudioThread::start(devices, state, self.inputs.clone())?);
        }
        let slots = self.media_config.slots;
        if slots > 0 {
            let view = self.view.clone();
            self.decoder = Some(DecoderThread::start(slots, view, self.inputs.clone())?);
        }
        Ok(())
    }

    /// The media ends here; what the report and the snapshot show is what there was until now.
    fn call_ended(&mut self, now: Instant) {
        self.refresh(now);
        self.scene = Some(self.view.scene());
        self.ended = Some(now);
        self.camera_state.wanted.store(false, Ordering::Relaxed);
        if let Some(media) = &mut self.media {
            media.report(now, &self.audio_state.playout(), &mut self.report);
            self.report.conference = ConferenceReport::of(self.phone.roster());
            media.bye(now);
            while let Some(output) = media.poll_output() {
                if let MediaOutput::Send(datagram) = output {
                    self.sockets.send(&datagram);
                }
            }
        }
        self.media = None;
        if let Some(audio) = self.audio.take() {
            self.failures.extend(audio.stop().iter().map(ToString::to_string));
        }
        self.decoder = None;
    }

    fn refresh(&mut self, now: Instant) {
        // what the peer reports to have lost changes how our voice is coded
        if let (Some(audio), Some(media)) = (&self.audio, &self.media) {
            audio.set_sending(media.audio_sending());
        }
        if self.ended.is_some() {
            return;
        }
        let own = Own {
            name: self.media_config.name.clone(),
            muted: self.audio_state.muted.load(Ordering::Relaxed),
            camera: self.has_camera && self.camera_state.on.load(Ordering::Relaxed),
            speaking: self.audio_state.speaking.load(Ordering::Relaxed),
        };
        let Some((media, answered)) = self.media.as_mut().zip(self.answered) else {
            let tiles = Tiles::new(0).layout(now, &Participants::default(), &own);
            self.view.set_tiles(tiles, format!("{} {}", self.progress, self.uri));
            return;
        };
        self.view.set_people(rows(self.phone.roster().people(), &media.speaking(now)));
        let tiles = media.layout(now, &own);
        let names: BTreeSet<String> =
            tiles.iter().filter(|tile| !tile.own).map(|tile| tile.name.clone()).collect();
        for name in names.difference(&self.present) {
            tracing::info!(%name, "joined");
        }
        for name in self.present.difference(&names) {
            tracing::info!(%name, "left");
        }
        let seconds = now.duration_since(answered).as_secs();
        self.note_direct_address();
        let codec = self.report.call.audio_codec.as_deref().unwrap_or("no audio");
        let path = self.media_path().map(|path| format!("   {path}")).unwrap_or_default();
        let status = format!(
            "{}   {:02}:{:02}   {} other{}   {codec}{path}   m mute   v camera   c chat   p people   q leave",
            self.uri,
            seconds / 60,
            seconds % 60,
            names.len(),
            if names.len() == 1 { "" } else { "s" },
        );
        self.present = names;
        self.view.set_tiles(tiles, status);
    }

    fn finish(mut self, outcome: Outcome) -> (Finished, Transports) {
        let now = Instant::now();
        let ended = self.ended.unwrap_or(now);
        let duration = self.answered.map(|at| ended.saturating_duration_since(at));
        let call = self.report.call;
        self.report.call = CallReport {
            uri: self.uri,
            name: self.media_config.name,
            state: state_word(&outcome).to_owned(),
            status: outcome.status().or(call.status),
            reason: outcome.to_string(),
            exit_code: outcome.exit_code(),
            duration_s: duration.map_or(0.0, |duration| round(duration.as_secs_f64())),
            ..call
        };
        let scene = self.scene.unwrap_or_else(|| self.view.scene());
        let finished = Finished { outcome, report: self.report, scene, failures: self.failures };
        (finished, self.sip)
    }
}
