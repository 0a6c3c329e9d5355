#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (fuzz_bodies::Target::named("rtp_session").body)(data));
