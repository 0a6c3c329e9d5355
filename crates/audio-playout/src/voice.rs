//! Decoders, one for each codec of a stream, and the way of their sound to the rate of the listener.

use media_codec::{AudioCodec, AudioDecoder, CodecError, MAX_DECODED_SAMPLES};

use crate::resample::{Decimator, Interpolator};

enum Convert {
    Same,
    Up(Interpolator),
    Down(Decimator),
}

/// A codec's decoder and what it last made.
struct Decoder {
    codec: AudioCodec,
    decoder: Box<dyn AudioDecoder>,
    convert: Convert,
}

/// All decoders of one stream. At most one for each codec: a stream may change between them.
pub(crate) struct Voice {
    rate: u32,
    decoders: Vec<Decoder>,
    /// The decoder that spoke last.
    current: usize,
    decoded: Vec<i16>,
    converted: Vec<i16>,
}

impl Voice {
    /// Makes sound of `rate` Hz, starting with a decoder for `codec`.
    ///
    /// # Errors
    /// When the codec library gives no decoder.
    pub(crate) fn new(rate: u32, codec: AudioCodec) -> Result<Self, CodecError> {
        let mut voice = Self {
            rate,
            decoders: Vec::with_capacity(AudioCodec::ALL.len()),
            current: 0,
            decoded: vec![0; MAX_DECODED_SAMPLES],
            converted: Vec::new(),
        };
        voice.choose(codec)?;
        Ok(voice)
    }

    /// The codec of the last sound.
    pub(crate) fn codec(&self) -> Option<AudioCodec> {
        self.decoders.get(self.current).map(|decoder| decoder.codec)
    }

    fn choose(&mut self, codec: AudioCodec) -> Result<(), CodecError> {
        self.current = match self.decoders.iter().position(|decoder| decoder.codec == codec) {
            Some(index) => index,
            None => {
                let convert = Convert::new(codec.sample_rate(), self.rate);
                self.decoders.push(Decoder { codec, decoder: codec.decoder()?, convert });
                self.decoders.len() - 1
            }
        };
        Ok(())
    }

    /// Decodes a payload.
    ///
    /// # Errors
    /// When there is no such decoder, or it refuses the payload.
    pub(crate) fn decode(
        &mut self,
        codec: AudioCodec,
        payload: &[u8],
    ) -> Result<&[i16], CodecError> {
        if self.codec() != Some(codec) {
            self.choose(codec)?;
        }
        let Some(current) = self.decoders.get_mut(self.current) else { return Ok(&[]) };
        let count = current.decoder.decode(payload, &mut self.decoded)?;
        let decoded = &self.decoded[..count.min(MAX_DECODED_SAMPLES)];
        Ok(current.convert.run(decoded, &mut self.converted))
    }

    /// The lost `milliseconds / 2.5` before `next`, out of the redundancy in it; `None` when there is none
    /// that helps.
    pub(crate) fn recover(
        &mut self,
        codec: AudioCodec,
        next: &[u8],
        grains: usize,
    ) -> Option<&[i16]> {
        if self.codec() != Some(codec) {
            return None;
        }
        let current = self.decoders.get_mut(self.current)?;
        let gap = self.decoded.get_mut(..grains * current.grain())?;
        current.decoder.decode_fec(next, gap).ok()?;
        Some(current.convert.run(gap, &mut self.converted))
    }

    /// `grains` of 2.5 ms that continue the last sound.
    pub(crate) fn conceal(&mut self, grains: usize) -> &[i16] {
        let Some(current) = self.decoders.get_mut(self.current) else { return &[] };
        let count = (grains * current.grain()).min(MAX_DECODED_SAMPLES);
        let gap = &mut self.decoded[..count];
        current.decoder.conceal(gap);
        current.convert.run(gap, &mut self.converted)
    }

    /// What comes next belongs to another stream.
    pub(crate) fn reset(&mut self) {
        for decoder in &mut self.decoders {
            decoder.decoder.reset();
        }
    }
}

impl Decoder {
    /// Samples of 2.5 ms.
    fn grain(&self) -> usize {
        self.codec.sample_rate() as usize / 400
    }
}

impl Convert {
    fn new(from: u32, to: u32) -> Self {
        match (from, to) {
            _ if from < to => Self::Up(Interpolator::new((to / from) as usize)),
            _ if from > to => Self::Down(Decimator::new((from / to) as usize)),
            _ => Self::Same,
        }
    }

    fn run<'a>(&mut self, sound: &'a [i16], out: &'a mut Vec<i16>) -> &'a [i16] {
        out.clear();
        match self {
            Self::Same => return sound,
            Self::Up(up) => up.process(sound, out),
            Self::Down(down) => down.process(sound, out),
        }
        out
    }
}
