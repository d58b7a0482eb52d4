//! libFuzzer calls `mainstay_fuzz::token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mainstay_fuzz::token(input));
