//! Opus, G.711 and VP8 behind small traits; the only crate that names codec libraries.
