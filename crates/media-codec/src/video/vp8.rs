//! VP8 by libvpx (RFC 6386), set up for conversation: no look-ahead, constant bitrate, and
//! frames that can be lost without spoiling the entropy coder's state.
//!
//! The only file with `unsafe`: it calls C. What makes the calls sound is said at each block; in
//! general, contexts live in a [`Context`] that is never moved while libvpx knows it, is used
//! through `&mut` only, and pictures are [`I420View`]s, whose planes are as long as they promise.
#![allow(unsafe_code, reason = "calls libvpx, which has no safe binding with a key frame request")]

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ptr;
use std::slice;

use vpx_sys::vp8_dec_control_id::VP8D_GET_FRAME_CORRUPTED;
use vpx_sys::vp8e_enc_control_id as control;
use vpx_sys::vpx_codec_err_t::VPX_CODEC_OK;

use super::{DecodedPicture, EncodedPicture, VideoDecoder, VideoEncoder, VideoEncoderConfig};
use crate::{CodecError, I420View};

/// Ticks per second of the timestamps.
const TICKS: u64 = 90_000;
/// Bit/s; below this the picture is not worth sending.
const LOWEST_BITRATE: u32 = 10_000;

/// A libvpx context, destroyed with this value. Boxed, so that its address stays.
struct Context {
    raw: Box<vpx_sys::vpx_codec_ctx_t>,
}

// SAFETY: a libvpx context is plain heap memory without ties to the thread that made it; `&mut`
// everywhere means one thread at a time.
unsafe impl Send for Context {}

impl Context {
    /// Gives zeroed memory to `init` and takes it over if that succeeds.
    fn new(
        init: impl FnOnce(*mut vpx_sys::vpx_codec_ctx_t) -> vpx_sys::vpx_codec_err_t,
    ) -> Result<Self, CodecError> {
        // SAFETY: the struct consists of integers, nullable pointers and an enum with a zero
        // variant; libvpx itself clears it with memset first.
        let mut raw: Box<vpx_sys::vpx_codec_ctx_t> =
            Box::new(unsafe { MaybeUninit::zeroed().assume_init() });
        match init(&mut *raw) {
            VPX_CODEC_OK => Ok(Self { raw }),
            // libvpx has released everything itself when an init fails.
            error => Err(CodecError::Library(text(error))),
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by a successful init and destroyed only here.
        unsafe { vpx_sys::vpx_codec_destroy(&mut *self.raw) };
    }
}

fn text(error: vpx_sys::vpx_codec_err_t) -> String {
    // SAFETY: returns a pointer to a static C string for every value.
    let text = unsafe { CStr::from_ptr(vpx_sys::vpx_codec_err_to_string(error)) };
    text.to_string_lossy().into_owned()
}

fn checked(result: vpx_sys::vpx_codec_err_t) -> Result<(), CodecError> {
    if result == VPX_CODEC_OK { Ok(()) } else { Err(CodecError::Library(text(result))) }
}

/// What exists once the picture size is known.
struct Running {
    context: Context,
    settings: vpx_sys::vpx_codec_enc_cfg_t,
}

// SAFETY: the pointer that hinders the derivation is the settings' two-pass statistics: null here.
unsafe impl Send for Running {}

/// A VP8 encoder.
pub(super) struct Vp8Encoder {
    config: VideoEncoderConfig,
    running: Option<Running>,
    /// The caller's last timestamp and ours, which never goes back.
    last: Option<(u64, i64)>,
    key_frame_wanted: bool,
}

impl Vp8Encoder {
    pub(super) fn new(config: VideoEncoderConfig) -> Self {
        let config = VideoEncoderConfig {
            bitrate: config.bitrate.max(LOWEST_BITRATE),
            frame_rate: config.frame_rate.clamp(1, 120),
            speed: config.speed.clamp(1, 16),
        };
        Self { config, running: None, last: None, key_frame_wanted: false }
    }

    /// libvpx cannot grow a running encoder, so that every new size gets a new one.
    fn prepare(&mut self, width: u32, height: u32) -> Result<&mut Running, CodecError> {
        let fits = self
            .running
            .as_ref()
            .is_some_and(|running| (running.settings.g_w, running.settings.g_h) == (width, height));
        if !fits {
            self.running = None;
        }
        match &mut self.running {
            Some(running) => Ok(running),
            none => Ok(none.insert(start(&self.config, width, height)?)),
        }
    }
}

fn start(config: &VideoEncoderConfig, width: u32, height: u32) -> Result<Running, CodecError> {
    // SAFETY: returns the address of a static.
    let interface = unsafe { vpx_sys::vpx_codec_vp8_cx() };
    let mut settings = MaybeUninit::zeroed();
    // SAFETY: the call fills the struct it is given, and only then is it read.
    let mut settings: vpx_sys::vpx_codec_enc_cfg_t = unsafe {
        checked(vpx_sys::vpx_codec_enc_config_default(interface, settings.as_mut_ptr(), 0))?;
        settings.assume_init()
    };
    settings.g_w = width;
    settings.g_h = height;
    settings.g_timebase = vpx_sys::vpx_rational { num: 1, den: TICKS as i32 };
    // More threads spin while they wait and made frames late on a busy machine.
    settings.g_threads = 1;
    settings.g_error_resilient = vpx_sys::VPX_ERROR_RESILIENT_DEFAULT;
    settings.g_lag_in_frames = 0;
    settings.rc_end_usage = vpx_sys::vpx_rc_mode::VPX_CBR;
    settings.rc_target_bitrate = config.bitrate / 1000;
    settings.rc_min_quantizer = 2;
    settings.rc_max_quantizer = 58;
    settings.rc_undershoot_pct = 100;
    settings.rc_overshoot_pct = 15;
    settings.rc_buf_sz = 1000;
    settings.rc_buf_initial_sz = 500;
    settings.rc_buf_optimal_sz = 600;
    // Skips a picture rather than let the delay grow when the buffer runs dry.
    settings.rc_dropframe_thresh = 25;
    settings.kf_mode = vpx_sys::vpx_kf_mode::VPX_KF_AUTO;
    // Key frames come on request; this is a backstop.
    settings.kf_max_dist = 3000;

    let mut context = Context::new(|raw| {
        // SAFETY: `raw` is zeroed memory of its type, `settings` is copied by libvpx, and the
        // version is the one the bindings were made for.
        unsafe {
            vpx_sys::vpx_codec_enc_init_ver(
                raw,
                interface,
                &settings,
                0,
                vpx_sys::VPX_ENCODER_ABI_VERSION as i32,
            )
        }
    })?;
    // A key frame may fill half of the 600 ms buffer; the unit is percent of an average frame.
    let intra_percent = (30 * config.frame_rate).max(300);
    for (name, value) in [
        (control::VP8E_SET_CPUUSED, -i32::from(config.speed)),
        (control::VP8E_SET_STATIC_THRESHOLD, 1),
        (control::VP8E_SET_TOKEN_PARTITIONS, 0),
        (control::VP8E_SET_MAX_INTRA_BITRATE_PCT, intra_percent as i32),
    ] {
        // SAFETY: each of these controls takes one C int by value.
        checked(unsafe { vpx_sys::vpx_codec_control_(&mut *context.raw, name as i32, value) })?;
    }
    Ok(Running { context, settings })
}

impl VideoEncoder for Vp8Encoder {
    fn encode(
        &mut self,
        picture: I420View<'_>,
        timestamp: u64,
    ) -> Result<Option<EncodedPicture>, CodecError> {
        let usual = TICKS / u64::from(self.config.frame_rate);
        let (step, time) = match self.last {
            None => (usual, 0),
            Some((before, ours)) => {
                let step = timestamp.saturating_sub(before).clamp(1, 10 * TICKS);
                (step, ours + step as i64)
            }
        };
        self.last = Some((timestamp, time));
        let flags = if self.key_frame_wanted { vpx_sys::VPX_EFLAG_FORCE_KF } else { 0 };
        let running = self.prepare(picture.width(), picture.height())?;
        let context = &mut *running.context.raw;
        let (planes, strides) = picture.planes();

        let mut image = MaybeUninit::zeroed();
        // SAFETY: `vpx_img_wrap` fills `image` and does not touch the pixels it is pointed to.
        // libvpx only reads the planes, within width, height and stride, which `I420View` has
        // checked (a stride fits a C int), and copies them before `vpx_codec_encode` returns.
        unsafe {
            let wrapped = vpx_sys::vpx_img_wrap(
                image.as_mut_ptr(),
                vpx_sys::vpx_img_fmt::VPX_IMG_FMT_I420,
                picture.width(),
                picture.height(),
                1,
                planes[0].as_ptr().cast_mut(),
            );
            if wrapped.is_null() {
                return Err(CodecError::Library("vpx_img_wrap".to_owned()));
            }
            let mut image: vpx_sys::vpx_image_t = image.assume_init();
            for n in 0..3 {
                image.planes[n] = planes[n].as_ptr().cast_mut();
                image.stride[n] = strides[n] as i32;
            }
            checked(vpx_sys::vpx_codec_encode(
                context,
                &image,
                time,
                step as _,
                i64::from(flags) as _,
                u64::from(vpx_sys::VPX_DL_REALTIME) as _,
            ))?;
        }

        let mut encoded: Option<EncodedPicture> = None;
        let mut iterator = ptr::null();
        loop {
            // SAFETY: `iterator` starts as null and is only changed by libvpx; a returned packet
            // is valid until the next call with this context, and is copied before.
            let packet = unsafe { vpx_sys::vpx_codec_get_cx_data(context, &mut iterator).as_ref() };
            let Some(packet) = packet else { break };
            if packet.kind != vpx_sys::vpx_codec_cx_pkt_kind::VPX_CODEC_CX_FRAME_PKT {
                continue;
            }
            // SAFETY: for this kind the union holds `frame`, whose `buf` has `sz` bytes.
            let (data, flags) = unsafe {
                let frame = packet.data.frame;
                (slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz as usize), frame.flags)
            };
            let picture = encoded
                .get_or_insert_with(|| EncodedPicture { data: Vec::new(), key_frame: false });
            picture.data.extend_from_slice(data);
            picture.key_frame |= flags & vpx_sys::VPX_FRAME_IS_KEY != 0;
        }
        if encoded.as_ref().is_some_and(|picture| picture.key_frame) {
            self.key_frame_wanted = false;
        }
        Ok(encoded)
    }

    fn request_key_frame(&mut self) {
        self.key_frame_wanted = true;
    }

    fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), CodecError> {
        self.config.bitrate = bits_per_second.max(LOWEST_BITRATE);
        if let Some(running) = &mut self.running {
            running.settings.rc_target_bitrate = self.config.bitrate / 1000;
            // SAFETY: the context is initialised and the settings are copied.
            checked(unsafe {
                vpx_sys::vpx_codec_enc_config_set(&mut *running.context.raw, &running.settings)
            })?;
        }
        Ok(())
    }
}

/// A VP8 decoder.
pub(super) struct Vp8Decoder {
    context: Context,
}

impl Vp8Decoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        let settings = vpx_sys::vpx_codec_dec_cfg_t { threads: 1, w: 0, h: 0 };
        let context = Context::new(|raw| {
            // SAFETY: `raw` is zeroed memory of its type; `settings` is copied by libvpx before
            // this returns, and the version is the one the bindings were made for.
            unsafe {
                vpx_sys::vpx_codec_dec_init_ver(
                    raw,
                    vpx_sys::vpx_codec_vp8_dx(),
                    &settings,
                    0,
                    vpx_sys::VPX_DECODER_ABI_VERSION as i32,
                )
            }
        })?;
        Ok(Self { context })
    }
}

/// Refuses what would make libvpx allocate for a picture nobody sends (RFC 6386 §9.1).
fn check_header(data: &[u8]) -> Result<(), CodecError> {
    let Some(first) = data.first() else {
        return Err(CodecError::Malformed("empty VP8 frame"));
    };
    let key_frame = first & 1 == 0;
    if !key_frame {
        return Ok(());
    }
    let &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = data else {
        return Err(CodecError::Malformed("VP8 key frame without start code"));
    };
    // The upper two bits are a scaling hint.
    let width = u32::from(u16::from_le_bytes([w0, w1]) & 0x3fff);
    let height = u32::from(u16::from_le_bytes([h0, h1]) & 0x3fff);
    if width == 0 || height == 0 || u64::from(width) * u64::from(height) > super::MAX_PICTURE_PIXELS
    {
        return Err(CodecError::Picture { width, height });
    }
    Ok(())
}

impl VideoDecoder for Vp8Decoder {
    fn decode(&mut self, data: &[u8]) -> Result<Option<DecodedPicture<'_>>, CodecError> {
        check_header(data)?;
        let size =
            u32::try_from(data.len()).map_err(|_| CodecError::Malformed("VP8 frame too long"))?;
        let context = &mut *self.context.raw;
        // SAFETY: libvpx reads `size` bytes of `data` during the call only.
        let result =
            unsafe { vpx_sys::vpx_codec_decode(context, data.as_ptr(), size, ptr::null_mut(), 0) };
        if result != VPX_CODEC_OK {
            return Err(CodecError::Malformed("VP8 frame does not decode"));
        }
        let mut corrupted: std::ffi::c_int = 0;
        // SAFETY: this control writes one C int through the pointer.
        let known = unsafe {
            vpx_sys::vpx_codec_control_(
                context,
                VP8D_GET_FRAME_CORRUPTED as i32,
                &raw mut corrupted,
            )
        };
        let mut iterator = ptr::null();
        // SAFETY: `iterator` starts as null; the image is valid until the next decode, which the
        // borrow of `self` in the result prevents.
        let Some(image) =
            (unsafe { vpx_sys::vpx_codec_get_frame(context, &mut iterator).as_ref() })
        else {
            return Ok(None);
        };
        let (width, height) = (image.d_w, image.d_h);
        let mut planes: [&[u8]; 3] = [&[]; 3];
        let mut strides = [0; 3];
        for n in 0..3 {
            let rows = if n == 0 { height } else { height.div_ceil(2) } as usize;
            let columns = if n == 0 { width } else { width.div_ceil(2) } as usize;
            strides[n] = usize::try_from(image.stride[n]).unwrap_or(0);
            if strides[n] < columns || rows == 0 || image.planes[n].is_null() {
                return Err(CodecError::Picture { width, height });
            }
            // SAFETY: a plane has `rows` rows of at least `columns` bytes, one stride apart.
            planes[n] = unsafe {
                slice::from_raw_parts(image.planes[n], strides[n] * (rows - 1) + columns)
            };
        }
        let picture = I420View::new(width, height, planes, strides)?;
        Ok(Some(DecodedPicture { picture, corrupted: known == VPX_CODEC_OK && corrupted != 0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::I420Frame;
    use proptest::prelude::*;

    /// A moving picture with texture: what `n` shows differs everywhere from `n + 1`.
    fn picture(width: u32, height: u32, n: u32) -> I420Frame {
        let mut frame = I420Frame::black(width, height).unwrap();
        let [y, u, v] = frame.planes_mut();
        for (row, line) in y.chunks_mut(width as usize).enumerate() {
            for (column, pixel) in line.iter_mut().enumerate() {
                let x = column as f32 + 3.0 * n as f32;
                let wave = (x / 9.0).sin() + (row as f32 / 13.0).cos();
                *pixel = (128.0 + 45.0 * wave) as u8;
            }
        }
        u.fill((90 + n % 40) as u8);
        v.fill(150);
        frame
    }

    /// The same with noise that no encoder can predict, so that the target is always needed.
    fn noisy(width: u32, height: u32, n: u32) -> I420Frame {
        let mut frame = picture(width, height, n);
        let mut state = n.wrapping_mul(0x9e37_79b9) | 1;
        for pixel in frame.planes_mut()[0].iter_mut() {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            *pixel = pixel.wrapping_add((state & 31) as u8);
        }
        frame
    }

    fn psnr(a: I420View<'_>, b: I420View<'_>) -> f64 {
        assert_eq!((a.width(), a.height()), (b.width(), b.height()));
        let squares: Vec<f64> = a
            .rows(0)
            .zip(b.rows(0))
            .flat_map(|(a, b)| a.iter().zip(b))
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
            .collect();
        let mean = squares.iter().sum::<f64>() / squares.len() as f64;
        10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
    }

    fn encoder(bitrate: u32) -> Vp8Encoder {
        Vp8Encoder::new(VideoEncoderConfig { bitrate, ..VideoEncoderConfig::default() })
    }

    /// Encodes pictures `range`, 30 a second; the ones the rate control dropped are left out.
    fn encode(
        encoder: &mut Vp8Encoder,
        size: (u32, u32),
        range: std::ops::Range<u32>,
    ) -> Vec<EncodedPicture> {
        range
            .filter_map(|n| {
                let frame = noisy(size.0, size.1, n);
                encoder.encode(frame.view(), u64::from(n) * 3000).unwrap()
            })
            .collect()
    }

    #[test]
    fn pictures_come_back_and_key_frames_come_when_asked() {
        let mut encoder = encoder(800_000);
        let mut decoder = Vp8Decoder::new().unwrap();
        for n in 0..60 {
            if n == 20 || n == 45 {
                encoder.request_key_frame();
            }
            let frame = picture(320, 180, n);
            let encoded = encoder.encode(frame.view(), u64::from(n) * 3000).unwrap().unwrap();
            assert_eq!(encoded.key_frame, [0, 20, 45].contains(&n), "{n}");
            assert_eq!(encoded.data[0] & 1 == 0, encoded.key_frame);
            let decoded = decoder.decode(&encoded.data).unwrap().unwrap();
            assert!(!decoded.corrupted);
            let quality = psnr(decoded.picture, frame.view());
            assert!(quality > 30.0, "picture {n}: {quality} dB");
        }
    }

    #[test]
    fn bitrate_follows_the_target_without_a_key_frame() {
        let mut encoder = encoder(800_000);
        let mut start = 0;
        for target in [800_000, 200_000, 600_000] {
            encoder.set_bitrate(target).unwrap();
            // The first second settles.
            let settling = encode(&mut encoder, (320, 180), start..start + 30);
            let measured = encode(&mut encoder, (320, 180), start + 30..start + 120);
            start += 120;
            assert_eq!(
                settling.iter().chain(&measured).filter(|p| p.key_frame).count(),
                usize::from(start == 120)
            );
            let bits = measured.iter().map(|p| p.data.len()).sum::<usize>() as f64 * 8.0 / 3.0;
            let ratio = bits / f64::from(target);
            assert!((0.5..1.25).contains(&ratio), "{target} became {bits}");
        }
    }

    #[test]
    fn size_may_change_and_may_be_odd() {
        let mut encoder = encoder(800_000);
        let mut decoder = Vp8Decoder::new().unwrap();
        for (n, (width, height)) in
            [(160, 90), (640, 360), (161, 91), (1, 1), (90, 160)].into_iter().enumerate()
        {
            let frame = picture(width, height, 0);
            let encoded = encoder.encode(frame.view(), n as u64 * 3000).unwrap().unwrap();
            assert!(encoded.key_frame);
            let decoded = decoder.decode(&encoded.data).unwrap().unwrap();
            assert_eq!((decoded.picture.width(), decoded.picture.height()), (width, height));
        }
    }

    #[test]
    fn timestamps_that_stand_still_jump_or_go_back_are_survived() {
        let mut encoder = encoder(300_000);
        let frame = picture(160, 90, 0);
        for timestamp in [5, 5, 0, u64::MAX, 7, 1 << 40, (1 << 40) + 3000] {
            encoder.encode(frame.view(), timestamp).unwrap();
        }
    }

    #[test]
    fn a_lost_frame_drifts_a_cut_one_is_noticed_and_a_key_frame_mends_both() {
        let mut encoder = encoder(800_000);
        let mut frames = encode(&mut encoder, (320, 180), 0..20);
        encoder.request_key_frame();
        frames.extend(encode(&mut encoder, (320, 180), 20..22));
        let mut decoder = Vp8Decoder::new().unwrap();
        let mut noticed = false;
        for (n, frame) in frames.iter().enumerate() {
            match n {
                5 => {} // lost
                10 => {
                    let cut = &frame.data[..frame.data.len() / 3];
                    noticed = decoder
                        .decode(cut)
                        .map_or(true, |decoded| decoded.is_none_or(|decoded| decoded.corrupted));
                }
                _ => {
                    let decoded = decoder.decode(&frame.data).unwrap().unwrap();
                    if n >= 20 {
                        assert!(!decoded.corrupted, "{n}");
                    }
                }
            }
        }
        assert!(noticed);
    }

    #[test]
    fn nothing_is_decoded_before_a_key_frame() {
        let frames = encode(&mut encoder(300_000), (160, 90), 0..2);
        let mut decoder = Vp8Decoder::new().unwrap();
        assert!(decoder.decode(&frames[1].data).is_err());
        assert!(decoder.decode(&frames[0].data).unwrap().is_some());
    }

    #[test]
    fn a_header_that_asks_for_too_much_memory_is_refused() {
        let mut decoder = Vp8Decoder::new().unwrap();
        let mut frame = encode(&mut encoder(300_000), (160, 90), 0..1).remove(0).data;
        frame[6..10].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
        assert_eq!(
            decoder.decode(&frame).err(),
            Some(CodecError::Picture { width: 16_383, height: 16_383 })
        );
        assert!(decoder.decode(&[]).is_err());
        assert!(decoder.decode(&[0; 9]).is_err());
    }

    #[test]
    fn the_stream_of_another_encoder_is_understood() {
        let config = vpx_encode::Config {
            width: 320,
            height: 180,
            timebase: [1, 30],
            bitrate: 800,
            codec: vpx_encode::VideoCodecId::VP8,
        };
        let mut reference = vpx_encode::Encoder::new(config).unwrap();
        let mut decoder = Vp8Decoder::new().unwrap();
        let mut decoded = 0;
        for n in 0..10 {
            let frame = picture(320, 180, n);
            let whole: Vec<u8> = frame.view().planes().0.concat();
            for packet in reference.encode(i64::from(n), &whole).unwrap() {
                let result = decoder.decode(packet.data).unwrap().unwrap();
                let shown = picture(320, 180, packet.pts as u32);
                assert!(psnr(result.picture, shown.view()) > 30.0, "{n}");
                decoded += 1;
            }
        }
        assert!(decoded > 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn garbage_never_panics(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        ) {
            let real = encode(&mut encoder(200_000), (64, 48), 0..3);
            let mut decoder = Vp8Decoder::new().unwrap();
            for frame in &frames {
                let _ = decoder.decode(frame);
            }
            for frame in &real {
                let mut data = frame.data.clone();
                for (at, value) in &damage {
                    let at = at.index(data.len());
                    // The size stays, so that the test does not spend its time on 4K.
                    if !(6..10).contains(&at) {
                        data[at] = *value;
                    }
                }
                let _ = decoder.decode(&data);
            }
            for frame in &real {
                decoder.decode(&frame.data).unwrap();
            }
        }
    }
}
