//! SIP messages, transactions, dialogs and digest as plain values (RFC 3261).
