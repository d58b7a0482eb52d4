//! libFuzzer calls `mainstay_fuzz::json_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mainstay_fuzz::json_body(input));
