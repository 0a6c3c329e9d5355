//! RTP and RTCP streams, jitter buffer, feedback and VP8 payload as plain values (RFC 3550).
