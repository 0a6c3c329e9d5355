//! What microphone and speaker have in common: finding a device and a format.

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{BufferSize, Device, Host, SampleFormat, StreamConfig, SupportedStreamConfigRange};

use crate::device::{DeviceError, RATE};

/// Which way sound goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

impl Direction {
    pub fn what(self) -> &'static str {
        match self {
            Self::In => "microphone",
            Self::Out => "speaker",
        }
    }

    pub fn missing(self, why: impl ToString) -> DeviceError {
        DeviceError::Missing { what: self.what(), why: why.to_string() }
    }
}

/// ALSA writes pages to stderr when there is no card; the errors that matter come back as values.
fn quiet_alsa() {
    #[cfg(target_os = "linux")]
    if let Err(error) = alsa::Output::local_error_handler() {
        tracing::debug!(%error, "ALSA stays noisy");
    }
}

/// Sound cards the kernel knows; without one ALSA's "default" is a promise nobody keeps.
#[cfg(target_os = "linux")]
fn cards() -> bool {
    std::fs::read_dir("/dev/snd").is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(not(target_os = "linux"))]
fn cards() -> bool {
    true
}

/// The sound systems that can be used; a sound server (PulseAudio, PipeWire) before bare ALSA,
/// since it lets programs share a card.
pub(super) fn hosts() -> Vec<Host> {
    quiet_alsa();
    let is_alsa = |id: &cpal::HostId| id.to_string().eq_ignore_ascii_case("alsa");
    let mut ids = cpal::available_hosts();
    ids.retain(|id| !is_alsa(id) || cards());
    ids.sort_by_key(is_alsa);
    ids.into_iter().filter_map(|id| cpal::host_from_id(id).ok()).collect()
}

/// The name people know a device by.
pub(super) fn name_of(device: &Device) -> String {
    device.description().map_or_else(|_| String::new(), |d| d.name().to_owned())
}

/// The devices of one direction.
pub(super) fn devices(host: &Host, direction: Direction) -> Vec<Device> {
    match direction {
        Direction::In => host.input_devices().map(Iterator::collect).unwrap_or_default(),
        Direction::Out => host.output_devices().map(Iterator::collect).unwrap_or_default(),
    }
}

/// The default device, or the first whose name contains `name` whatever its case.
pub(super) fn find(direction: Direction, name: Option<&str>) -> Result<Device, DeviceError> {
    let hosts = hosts();
    let Some(name) = name else {
        return hosts
            .iter()
            .find_map(|host| match direction {
                Direction::In => host.default_input_device(),
                Direction::Out => host.default_output_device(),
            })
            .ok_or_else(|| direction.missing("this machine has none"));
    };
    let wanted = name.to_lowercase();
    hosts
        .iter()
        .flat_map(|host| devices(host, direction))
        .find(|device| name_of(device).to_lowercase().contains(&wanted))
        .ok_or_else(|| DeviceError::Name {
            what: direction.what(),
            name: name.to_owned(),
            why: "there is no such device or file; `softphone devices` lists them".to_owned(),
        })
}

/// The best way to talk to a device: 48 kHz, 16 bits or float, few channels; else its own default.
/// Blocks are 10 ms, since servers default to as much as 2 s.
pub(super) fn format(
    device: &Device,
    direction: Direction,
) -> Result<(StreamConfig, SampleFormat), DeviceError> {
    let ranges: Vec<SupportedStreamConfigRange> = match direction {
        Direction::In => device.supported_input_configs().map(Iterator::collect),
        Direction::Out => device.supported_output_configs().map(Iterator::collect),
    }
    .map_err(|error| direction.missing(error))?;
    let good = ranges
        .iter()
        .filter(|range| range.contains_rate(RATE))
        .filter(|range| matches!(range.sample_format(), SampleFormat::I16 | SampleFormat::F32))
        .min_by_key(|range| (range.channels(), range.sample_format() != SampleFormat::I16))
        .and_then(|range| range.try_with_sample_rate(RATE));
    let chosen = match good {
        Some(config) => config,
        None => match direction {
            Direction::In => device.default_input_config(),
            Direction::Out => device.default_output_config(),
        }
        .map_err(|error| direction.missing(error))?,
    };
    let mut config = chosen.config();
    config.buffer_size = BufferSize::Fixed(config.sample_rate / 100);
    Ok((config, chosen.sample_format()))
}

/// Runs `$build::<T>` with the sample type of a format.
macro_rules! with_sample_type {
    ($format:expr, $build:ident ( $($argument:expr),* )) => {
        match $format {
            cpal::SampleFormat::I16 => $build::<i16>($($argument),*),
            cpal::SampleFormat::F32 => $build::<f32>($($argument),*),
            cpal::SampleFormat::I32 => $build::<i32>($($argument),*),
            cpal::SampleFormat::U16 => $build::<u16>($($argument),*),
            cpal::SampleFormat::U8 => $build::<u8>($($argument),*),
            other => Err(cpal::Error::with_message(
                cpal::ErrorKind::UnsupportedConfig,
                format!("sample format {other}"),
            )),
        }
    };
}
pub(super) use with_sample_type;
