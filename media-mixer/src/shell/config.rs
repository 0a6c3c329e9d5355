//! The configuration file: TOML, every key optional, a wrong key is an error that names it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use media_mixer::{Addresses, IceSecret, MAX_VOICES, Settings};
use serde::Deserialize;

use super::addresses::AddressList;
use super::prompts;
use super::turn::Turn;

/// What `--print-config` prints: a file that means exactly the defaults and documents every key.
pub(crate) const TEMPLATE: &str = include_str!("config.toml");

/// Everything the file may say.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) control: Control,
    pub(crate) http: Http,
    pub(crate) media: Media,
    pub(crate) conference: Conference,
    pub(crate) audio: Audio,
    pub(crate) turn: Turn,
}

/// `[control]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Control {
    pub(crate) listen: SocketAddr,
    pub(crate) grace: u64,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
}

/// `[media]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Media {
    pub(crate) address: AddressList,
    pub(crate) advertise: AddressList,
    pub(crate) ports: PortRange,
    pub(crate) quarantine: u64,
    pub(crate) silence: u64,
    pub(crate) ice: IceMode,
    pub(crate) threads: usize,
    pub(crate) realtime: bool,
}

/// What we do of ICE (RFC 8445).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IceMode {
    Lite,
    Off,
}

/// `[conference]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Conference {
    pub(crate) max_conferences: usize,
    pub(crate) max_members: usize,
    pub(crate) max_video_lines: usize,
    pub(crate) voices: usize,
}

/// `[audio]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audio {
    pub(crate) opus_bitrate: u32,
    pub(crate) opus_complexity: u8,
    pub(crate) prompts: PathBuf,
}

/// An inclusive range of UDP ports, written `20000-29999`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct PortRange {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl TryFrom<String> for PortRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || {
            format!(
                "\"{text}\" is no port range: write FIRST-LAST, both 1024 to 65535, with room for a pair"
            )
        };
        let (first, last) = text.split_once('-').ok_or_else(bad)?;
        let first: u16 = first.trim().parse().map_err(|_| bad())?;
        let last: u16 = last.trim().parse().map_err(|_| bad())?;
        if first < 1024 || last.saturating_sub(first.next_multiple_of(2)) < 1 {
            return Err(bad());
        }
        Ok(Self { first, last })
    }
}

impl Default for Control {
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7050), grace: 30 }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7051) }
    }
}

impl Default for Media {
    fn default() -> Self {
        Self {
            address: AddressList::loopback(),
            advertise: AddressList::empty(),
            ports: PortRange { first: 20_000, last: 29_999 },
            quarantine: 30,
            silence: 60,
            ice: IceMode::Lite,
            threads: 0,
            realtime: true,
        }
    }
}

impl Default for Conference {
    fn default() -> Self {
        Self { max_conferences: 1000, max_members: 500, max_video_lines: 32, voices: MAX_VOICES }
    }
}

impl Default for Audio {
    fn default() -> Self {
        Self { opus_bitrate: 32_000, opus_complexity: 5, prompts: PathBuf::new() }
    }
}

impl Config {
    /// Reads a file; the error names the file, the line and the wrong key.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Reads the text of a file.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        let bound = self.media.address.written()?;
        self.media.advertise.instead_of(bound)?;
        if !self.media.advertise.all_of(bound) {
            bail!("media.advertise: has an address of a family that media.address has none of");
        }
        if !(1..=MAX_VOICES).contains(&self.conference.voices) {
            bail!("conference.voices: must be 1 to {MAX_VOICES}, it is {}", self.conference.voices);
        }
        if self.conference.max_members == 0 || self.conference.max_conferences == 0 {
            bail!("conference.max_members and conference.max_conferences: must be at least 1");
        }
        if !(6_000..=128_000).contains(&self.audio.opus_bitrate) {
            bail!("audio.opus_bitrate: must be 6000 to 128000, it is {}", self.audio.opus_bitrate);
        }
        if self.audio.opus_complexity > 10 {
            bail!("audio.opus_complexity: must be 0 to 10, it is {}", self.audio.opus_complexity);
        }
        if self.media.silence < 5 {
            bail!(
                "media.silence: below 5 s a member that only reports would be taken for dead, it is {}",
                self.media.silence
            );
        }
        self.turn.check()
    }

    /// What a conference needs to know, when these addresses are bound.
    pub(crate) fn settings(&self, bound: Addresses) -> anyhow::Result<Settings> {
        Ok(Settings {
            addresses: self.media.advertise.instead_of(bound)?,
            max_legs: self.conference.max_members,
            max_video_lines: self.conference.max_video_lines,
            voices: self.conference.voices,
            opus_bitrate: self.audio.opus_bitrate,
            opus_complexity: self.audio.opus_complexity,
            silence: Duration::from_secs(self.media.silence),
            ice: (self.media.ice == IceMode::Lite).then(|| IceSecret::new(rand::random())),
            prompts: prompts::load(&self.audio.prompts)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_configuration_means_the_defaults() {
        assert_eq!(Config::parse(TEMPLATE).unwrap(), Config::default());
        assert_eq!(Config::parse("").unwrap(), Config::default());
        let config = Config::default();
        config.settings(config.media.address.written().unwrap()).unwrap();
    }

    #[test]
    fn the_printed_configuration_documents_every_key() {
        let mut lines = TEMPLATE.lines().peekable();
        let mut keys = 0;
        while let Some(line) = lines.next() {
            let next_is_key =
                lines.peek().is_some_and(|next| next.contains(" = ") && !next.starts_with('#'));
            if next_is_key {
                assert!(line.starts_with('#'), "no comment above: {:?}", lines.peek());
                keys += 1;
            }
        }
        // Each field of each section once: the default printed by serde would not hold comments.
        assert_eq!(keys, 2 + 1 + 8 + 4 + 3 + 14);
    }

    #[test]
    fn a_wrong_key_is_named() {
        for (text, key) in [
            ("[media]\nport = \"1-2\"\n", "port"),
            ("[medai]\n", "medai"),
            ("[control]\nlisten = \"localhost\"\n", "listen"),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(key), "{text}: {error}");
        }
    }

    #[test]
    fn senseless_values_are_refused_with_their_key() {
        for (text, key) in [
            ("[media]\naddress = \"0.0.0.0\"", "media.advertise"),
            ("[media]\nadvertise = \"mixer.example\"", "mixer.example"),
            ("[media]\naddress = [\"0.0.0.0\", \"::1\"]", "media.advertise"),
            ("[media]\naddress = \"192.0.2.1\"\nadvertise = \"2001:db8::1\"", "media.advertise"),
            ("[media]\naddress = \"\"", "media.address"),
            ("[media]\naddress = [\"192.0.2.1\", \"192.0.2.2\"]", "at most one"),
            ("[media]\nports = \"30000-20000\"", "ports"),
            ("[media]\nports = \"20001-20002\"", "ports"),
            ("[media]\nports = \"all\"", "ports"),
            ("[media]\nsilence = 1", "media.silence"),
            ("[media]\nice = \"full\"", "ice"),
            ("[conference]\nvoices = 16", "conference.voices"),
            ("[conference]\nmax_members = 0", "conference.max_members"),
            ("[audio]\nopus_bitrate = 1", "audio.opus_bitrate"),
            ("[audio]\nopus_complexity = 11", "audio.opus_complexity"),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(key), "{text}: {error}");
        }
    }

    #[test]
    fn addresses_are_one_or_one_of_each_family() {
        let told = |media: &str| {
            let config = Config::parse(&format!("[media]\n{media}")).unwrap();
            let settings = config.settings(config.media.address.written().unwrap()).unwrap();
            settings.addresses.iter().map(|ip| ip.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(told("address = \"192.0.2.1\""), ["192.0.2.1"]);
        assert_eq!(
            told("address = [\"2001:db8::1\", \"192.0.2.1\"]"),
            ["2001:db8::1", "192.0.2.1"]
        );
        assert_eq!(
            told("address = [\"0.0.0.0\", \"2001:db8::1\"]\nadvertise = \"198.51.100.1\""),
            ["198.51.100.1", "2001:db8::1"]
        );
    }

    /// An address of a documentation network is no host's: it stands for `::1` where IPv6 is off.
    #[test]
    fn an_address_that_the_host_has_not_is_left_out() {
        let usable = |media: &str| {
            Config::parse(&format!("[media]\naddress = {media}")).unwrap().media.address.usable()
        };
        let left = usable("[\"127.0.0.1\", \"2001:db8::1\"]").unwrap();
        assert_eq!(left, Addresses::one(Ipv4Addr::LOCALHOST.into()));
        assert!(usable("[\"192.0.2.1\", \"2001:db8::1\"]").is_err());
    }

    #[test]
    fn a_port_range_is_two_numbers() {
        assert_eq!(
            PortRange::try_from("30000-31999".to_owned()),
            Ok(PortRange { first: 30_000, last: 31_999 })
        );
        assert!(PortRange::try_from("30000-30001".to_owned()).is_ok(), "one pair is enough");
    }
}
