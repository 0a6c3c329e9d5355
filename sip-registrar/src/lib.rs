//! SIP registrar, B2BUA and conference focus.
