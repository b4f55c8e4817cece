//! The messages of the format, generated from `proto/onnx.proto`.
#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code")]

include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
