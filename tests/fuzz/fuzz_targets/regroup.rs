#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tufold_tests::fuzz::regroup(data));
