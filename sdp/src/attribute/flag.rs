//! Names of attributes without a value.

/// RTP and RTCP on one port (RFC 5761 §5.1.1).
pub const RTCP_MUX: &str = "rtcp-mux";
/// RTCP packets need not be compound (RFC 5506 §5).
pub const RTCP_RSIZE: &str = "rtcp-rsize";
