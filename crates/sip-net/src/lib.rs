//! UDP and TCP transports under sip-stack.
