//! Compiles the trimmed ONNX schema. Needs no `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/onnx.proto");
    let descriptors = protox::compile(["proto/onnx.proto"], ["proto"])?;
    // Byte fields as `bytes::Bytes`: decoding from a mapped file then slices it instead of copying weights.
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    Ok(())
}
