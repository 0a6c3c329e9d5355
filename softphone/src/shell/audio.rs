//! The audio thread: every 20 ms one frame from the microphone to the network, and one from the
//! network to the speaker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use audio_playout::resample::Decimator;
use audio_playout::{Playout, PlayoutConfig, PlayoutStats};
use bytes::Bytes;
use media_codec::{AudioEncoder, MAX_ENCODED_AUDIO};
use rtp_session::{AudioLevel, level_of};
use softphone::device::{DeviceError, FRAME, Microphone, RATE, Speaker};
use softphone::media::audio_line::{AudioFrame, AudioSending, Heard};
use tokio::sync::mpsc;

use super::network::Input;

const TICK: Duration = Duration::from_millis(20);
/// This late the thread does not catch up any more but goes on from now.
const RESYNC: Duration = Duration::from_millis(100);
/// What our voice takes at most, in bit/s.
const BITRATE: u32 = 32_000;
/// Least delay of the play-out: this thread wakes up as it can.
const MIN_DELAY: Duration = Duration::from_millis(20);
/// Packets that wait for the next tick; the rest of a flood is dropped.
const QUEUE: usize = 256;
/// Level in -dBov below which the number must be for a frame to count as voice (RFC 6464 §3, V).
const VOICE: u8 = 40;
/// Mean amplitude above which our own tile shows that we speak: about -40 dBov.
const SPEAKING: u64 = 330;

/// What runs in the audio thread.
pub struct AudioDevices {
    /// Where our voice comes from.
    pub microphone: Box<dyn Microphone>,
    /// Where the others are heard, the recording among them.
    pub speakers: Vec<Box<dyn Speaker>>,
}

/// What others may look at while the thread runs.
#[derive(Debug, Default)]
pub struct AudioState {
    /// The microphone is off: silence is sent.
    pub muted: AtomicBool,
    /// We are speaking.
    pub speaking: AtomicBool,
    stats: Mutex<PlayoutStats>,
}

impl AudioState {
    /// Counters of the play-out.
    pub fn playout(&self) -> PlayoutStats {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Message {
    Heard(Instant, Heard),
    Sending(Option<AudioSending>),
}

/// The running thread.
pub struct AudioThread {
    messages: SyncSender<Message>,
    handle: JoinHandle<Vec<DeviceError>>,
}

impl AudioThread {
    /// Starts it; `out` gets the frames of the microphone.
    pub fn start(
        devices: AudioDevices,
        state: Arc<AudioState>,
        out: mpsc::Sender<Input>,
    ) -> std::io::Result<Self> {
        let (messages, inbox) = sync_channel(QUEUE);
        let worker = Worker {
            devices,
            state,
            out,
            encoder: None,
            playout: None,
            ticks: 0,
            marker: true,
            codec_frame: Vec::with_capacity(FRAME),
        };
        let handle = std::thread::Builder::new()
            .name("audio".to_owned())
            .spawn(move || worker.run(&inbox))?;
        Ok(Self { messages, handle })
    }

    /// A packet to be played.
    pub fn play(&self, now: Instant, heard: Heard) {
        // a full queue means the thread is hanging: there is nothing better to do than to drop
        let _dropped = self.messages.try_send(Message::Heard(now, heard));
    }

    /// How our voice is to be sent from now on.
    pub fn set_sending(&self, sending: Option<AudioSending>) {
        if let Err(TrySendError::Full(message)) = self.messages.try_send(Message::Sending(sending))
        {
            let _gone = self.messages.send(message);
        }
    }

    /// Stops the thread and finishes what it writes.
    pub fn stop(self) -> Vec<DeviceError> {
        drop(self.messages);
        self.handle.join().unwrap_or_default()
    }
}

struct Worker {
    devices: AudioDevices,
    state: Arc<AudioState>,
    out: mpsc::Sender<Input>,
    encoder: Option<Encoder>,
    playout: Option<Playout>,
    ticks: u32,
    marker: bool,
    codec_frame: Vec<i16>,
}

struct Encoder {
    sending: AudioSending,
    codec: Box<dyn AudioEncoder>,
    downsampler: Option<Decimator>,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Message>) -> Vec<DeviceError> {
        let mut deadline = Instant::now();
        loop {
            let now = Instant::now();
            if now > deadline + RESYNC {
                tracing::debug!(late = ?(now - deadline), "audio was held up");
                deadline = now;
            }
            std::thread::sleep(deadline.saturating_duration_since(now));
            if !self.take_messages(inbox) {
                break;
            }
            self.tick(deadline);
            deadline += TICK;
        }
        let speakers = self.devices.speakers.into_iter();
        speakers.filter_map(|speaker| speaker.finish().err()).collect()
    }

    /// Returns false when the call is over.
    fn take_messages(&mut self, inbox: &Receiver<Message>) -> bool {
        use std::sync::mpsc::TryRecvError;
        loop {
            match inbox.try_recv() {
                Ok(Message::Heard(at, heard)) => self.insert(at, heard),
                Ok(Message::Sending(sending)) => self.set_sending(sending),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn insert(&mut self, at: Instant, heard: Heard) {
        if self.playout.is_none() {
            let mut config = PlayoutConfig::new(RATE);
            config.min_delay = MIN_DELAY;
            match Playout::new(config, heard.codec) {
                Ok(playout) => self.playout = Some(playout),
                Err(error) => tracing::warn!(%error, "no decoder"),
            }
        }
        if let Some(playout) = &mut self.playout {
            if heard.anew {
                playout.expect_another();
            }
            playout.insert(at, heard.codec, &heard.packet);
        }
    }

    fn set_sending(&mut self, sending: Option<AudioSending>) {
        let current = self.encoder.as_ref().map(|encoder| encoder.sending);
        if current == sending {
            return;
        }
        if let (Some(running), Some(sending)) = (&mut self.encoder, sending)
            && running.sending
                == (AudioSending { expected_loss: running.sending.expected_loss, ..sending })
        {
            running.sending = sending;
            if let Err(error) = running.codec.set_expected_loss(sending.expected_loss) {
                tracing::debug!(%error, "the expected loss was not set");
            }
            return;
        }
        self.marker = true;
        self.encoder = sending.and_then(|sending| match encoder(sending) {
            Ok(encoder) => Some(encoder),
            Err(error) => {
                tracing::warn!(%error, "no encoder");
                None
            }
        });
    }

    fn tick(&mut self, now: Instant) {
        let mut frame = [0; FRAME];
        self.devices.microphone.read(&mut frame);
        let muted = self.state.muted.load(Ordering::Relaxed);
        if muted {
            frame.fill(0);
        }
        let sum: u64 = frame.iter().map(|sample| u64::from(sample.unsigned_abs())).sum();
        self.state.speaking.store(sum > SPEAKING * FRAME as u64, Ordering::Relaxed);
        self.send(&frame);

        if let Some(playout) = &mut self.playout {
            frame.copy_from_slice(playout.tick(now));
            let stats = playout.stats();
            *self.state.stats.lock().unwrap_or_else(PoisonError::into_inner) = stats;
        } else {
            frame.fill(0);
        }
        for speaker in &mut self.devices.speakers {
            speaker.write(&frame);
        }
    }

    fn send(&mut self, frame: &[i16; FRAME]) {
        let Some(encoder) = &mut self.encoder else { return };
        let level = level_of(frame);
        let level = AudioLevel { voice: level < VOICE, level };
        let samples = match &mut encoder.downsampler {
            None => frame.as_slice(),
            Some(downsampler) => {
                self.codec_frame.clear();
                downsampler.process(frame, &mut self.codec_frame);
                &self.codec_frame
            }
        };
        let ticks = self.ticks;
        // G.722 has two samples in a unit of the RTP clock (RFC 3551 §4.5.2)
        let codec = encoder.sending.codec;
        let units = samples.len() as u32 / (codec.sample_rate() / codec.clock_rate());
        self.ticks = self.ticks.wrapping_add(units);
        let mut payload = [0; MAX_ENCODED_AUDIO];
        match encoder.codec.encode(samples, &mut payload) {
            Ok(0) => self.marker = true,
            Ok(length) => {
                let payload = Bytes::copy_from_slice(&payload[..length]);
                let marker = std::mem::take(&mut self.marker);
                let frame = AudioFrame { ticks, marker, level, payload };
                // the network thread hangs or is gone: the frame is worthless by then
                let _dropped = self.out.try_send(Input::Audio(frame));
            }
            Err(error) => tracing::debug!(%error, "a frame was not encoded"),
        }
    }
}

fn encoder(sending: AudioSending) -> Result<Encoder, media_codec::CodecError> {
    let mut codec = sending.codec.encoder()?;
    codec.set_fec(sending.fec)?;
    codec.set_expected_loss(sending.expected_loss)?;
    codec.set_dtx(sending.dtx)?;
    codec.set_max_playback_rate(sending.max_playback_rate)?;
    if let Some(most) = sending.max_bitrate {
        codec.set_bitrate(most.min(BITRATE))?;
    }
    codec.set_complexity(5)?;
    let ratio = RATE / codec.sample_rate();
    let downsampler = (ratio > 1).then(|| Decimator::new(ratio as usize));
    Ok(Encoder { sending, codec, downsampler })
}
