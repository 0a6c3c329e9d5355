//! Media mixer: mixes audio and forwards video for conferences.
