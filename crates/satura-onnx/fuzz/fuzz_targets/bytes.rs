//! Any bytes as a model file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let result = satura_onnx::read_bytes(data.to_vec(), None, &satura_onnx_fuzz::options());
    satura_onnx_fuzz::check(result);
});
