#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (fuzz_bodies::Target::named("conference_info").body)(data));
