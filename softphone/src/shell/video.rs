//! The two video threads: camera → encoder → network, and network → decoder → view.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media_codec::{VideoCodec, VideoDecoder, VideoEncoder, VideoEncoderConfig};
use softphone::device::Camera;
use softphone::media::session::{Decoded, Order};
use softphone::media::video_line::{Picture, VIDEO_CLOCK};
use tokio::sync::mpsc;

use super::network::Input;
use super::view::View;

/// How long a thread sleeps before it looks again whether it has to stop or start.
const NAP: Duration = Duration::from_millis(40);
/// Not more pictures than these per second are sent, whatever the camera delivers.
const MAX_FRAME_RATE: u32 = 25;
/// Pictures that wait for the decoder.
const QUEUE: usize = 64;

/// What the sending thread is told while it runs.
#[derive(Debug)]
pub struct CameraState {
    /// The user has the camera on.
    pub on: AtomicBool,
    /// The far end takes our picture.
    pub wanted: AtomicBool,
    /// The next picture must be a key frame.
    key_frame: AtomicBool,
    bitrate: AtomicU32,
    stop: AtomicBool,
}

impl CameraState {
    /// A camera that is on or off, with nobody to see it yet.
    pub fn new(on: bool) -> Self {
        Self {
            on: AtomicBool::new(on),
            wanted: AtomicBool::new(false),
            key_frame: AtomicBool::new(false),
            bitrate: AtomicU32::new(VideoEncoderConfig::default().bitrate),
            stop: AtomicBool::new(false),
        }
    }

    /// What the media session ordered.
    pub fn order(&self, order: Order) {
        self.bitrate.store(order.bitrate, Ordering::Relaxed);
        if order.key_frame {
            self.key_frame.store(true, Ordering::Relaxed);
        }
    }
}

/// The sending thread.
pub struct CameraThread {
    state: Arc<CameraState>,
    handle: JoinHandle<()>,
}

impl CameraThread {
    /// Starts it; `out` gets the encoded pictures.
    pub fn start(
        camera: Box<dyn Camera>,
        state: Arc<CameraState>,
        view: Arc<View>,
        out: mpsc::Sender<Input>,
    ) -> std::io::Result<Self> {
        let worker = CameraWorker { camera, state: state.clone(), view, out, bitrate: 0 };
        let handle =
            std::thread::Builder::new().name("camera".to_owned()).spawn(move || worker.run())?;
        Ok(Self { state, handle })
    }

    /// Stops it.
    pub fn stop(self) {
        self.state.stop.store(true, Ordering::Relaxed);
        if self.handle.join().is_err() {
            tracing::warn!("the camera thread had failed");
        }
    }
}

struct CameraWorker {
    camera: Box<dyn Camera>,
    state: Arc<CameraState>,
    view: Arc<View>,
    out: mpsc::Sender<Input>,
    bitrate: u32,
}

impl CameraWorker {
    fn run(mut self) {
        let frame_rate = self.camera.frame_rate().clamp(1, MAX_FRAME_RATE);
        let bitrate = self.state.bitrate.load(Ordering::Relaxed);
        let config = VideoEncoderConfig { bitrate, frame_rate, ..VideoEncoderConfig::default() };
        let mut encoder = match VideoCodec::Vp8.encoder(config) {
            Ok(encoder) => encoder,
            Err(error) => {
                tracing::warn!(%error, "no encoder: no picture is sent");
                return;
            }
        };
        self.bitrate = bitrate;
        let start = Instant::now();
        // a little less than the period, so that a camera at exactly this rate loses nothing
        let least = Duration::from_secs(1) / (frame_rate + 1);
        let mut last: Option<Instant> = None;
        while !self.state.stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            if !self.state.on.load(Ordering::Relaxed) {
                last = None;
                std::thread::sleep(NAP);
                continue;
            }
            let Some(due) = self.camera.next_due(now) else { return };
            let due = due.max(last.map_or(now, |last| last + least));
            if due > now {
                std::thread::sleep((due - now).min(NAP));
                continue;
            }
            if self.picture(now, start, encoder.as_mut()) {
                last = Some(now);
            } else {
                // nothing new though it was due: a live camera between two pictures
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    fn picture(&mut self, now: Instant, start: Instant, encoder: &mut dyn VideoEncoder) -> bool {
        let Some(picture) = self.camera.picture(now) else { return false };
        self.view.show_own(Arc::new(picture.to_frame()));
        if !self.state.wanted.load(Ordering::Relaxed) {
            return true;
        }
        let bitrate = self.state.bitrate.load(Ordering::Relaxed);
        if bitrate != self.bitrate {
            self.bitrate = bitrate;
            if let Err(error) = encoder.set_bitrate(bitrate) {
                tracing::debug!(%error, "the bit rate stays");
            }
        }
        if self.state.key_frame.swap(false, Ordering::Relaxed) {
            encoder.request_key_frame();
        }
        let elapsed = now.saturating_duration_since(start);
        let ticks = (elapsed.as_nanos() * u128::from(VIDEO_CLOCK) / 1_000_000_000) as u64;
        match encoder.encode(picture, ticks) {
            Ok(Some(encoded)) => {
                let input = Input::Video {
                    ticks: ticks as u32,
                    key: encoded.key_frame,
                    picture: Bytes::from(encoded.data),
                };
                if self.out.try_send(input).is_err() {
                    // what follows refers to the picture that did not go out
                    encoder.request_key_frame();
                }
            }
            // skipped to keep to the bit rate
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "a picture was not encoded"),
        }
        true
    }
}

/// The receiving thread: one for all slots.
///
/// It ends by itself once this value is dropped. It is not waited for: it may be waiting for us.
pub struct DecoderThread {
    pictures: SyncSender<(usize, Picture)>,
}

impl DecoderThread {
    /// Starts it; `out` is told what became of every picture.
    pub fn start(slots: usize, view: Arc<View>, out: mpsc::Sender<Input>) -> std::io::Result<Self> {
        let (pictures, inbox) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("video".to_owned())
            .spawn(move || decode_all(slots, &inbox, &view, &out))?;
        Ok(Self { pictures })
    }

    /// Hands a picture over; false when it was dropped because the decoder is behind.
    pub fn decode(&self, slot: usize, picture: Picture) -> bool {
        self.pictures.try_send((slot, picture)).is_ok()
    }
}

fn decode_all(
    slots: usize,
    inbox: &Receiver<(usize, Picture)>,
    view: &View,
    out: &mpsc::Sender<Input>,
) {
    let mut decoders: Vec<Option<Box<dyn VideoDecoder>>> = Vec::new();
    decoders.resize_with(slots, || None);
    while let Ok((slot, picture)) = inbox.recv() {
        let Some(place) = decoders.get_mut(slot) else { continue };
        if place.is_none() {
            match VideoCodec::Vp8.decoder() {
                Ok(decoder) => *place = Some(decoder),
                Err(error) => tracing::warn!(%error, "no decoder"),
            }
        }
        let Some(decoder) = place else { continue };
        let mut decoded = Decoded { slot, source: picture.source, size: None, broken: false };
        match decoder.decode(&picture.frame.data) {
            Ok(Some(result)) => {
                decoded.size = Some((result.picture.width(), result.picture.height()));
                decoded.broken = result.corrupted;
                view.show_slot(slot, Arc::new(result.picture.to_frame()));
            }
            // a picture that is not to be shown
            Ok(None) => continue,
            Err(error) => {
                tracing::debug!(%error, slot, "a picture was not decoded");
                decoded.broken = true;
            }
        }
        if out.blocking_send(Input::Decoded(decoded)).is_err() {
            return;
        }
    }
}
