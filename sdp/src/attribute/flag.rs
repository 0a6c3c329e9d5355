//! Names of attributes without a value.

/// RTP and RTCP on one port (RFC 5761 §5.1.1).
pub const RTCP_MUX: &str = "rtcp-mux";
/// One-byte and two-byte header extensions may come in one stream (RFC 8285 §6).
pub const EXTMAP_ALLOW_MIXED: &str = "extmap-allow-mixed";
/// RTCP packets need not be compound (RFC 5506 §5).
pub const RTCP_RSIZE: &str = "rtcp-rsize";
