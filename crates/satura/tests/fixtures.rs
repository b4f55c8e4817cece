//! The committed models on every device, against the outputs that PyTorch recorded.

use satura::tensor::{Tensor, compare, read_npy, tolerances};
use satura::{Device, DeviceKind, Inputs, LoadOptions, Session, load};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(path)
}

/// The tensors of an `.npz` file whose entries are stored, by name. That is what `numpy.savez` writes.
fn read_npz(path: &str) -> BTreeMap<String, Tensor> {
    let bytes = std::fs::read(fixture(path)).expect("the fixture is there");
    let u16_at = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let u32_at = |at: usize| u16_at(at) + (u16_at(at + 2) << 16);
    let end = bytes.windows(4).rposition(|w| w == b"PK\x05\x06").expect("a zip file has an end record");
    let mut tensors = BTreeMap::new();
    let mut at = u32_at(end + 16);
    for _ in 0..u16_at(end + 10) {
        assert_eq!(u16_at(at + 10), 0, "entries of savez are stored, not compressed");
        let (size, name_len, skip, local) =
            (u32_at(at + 24), u16_at(at + 28), u16_at(at + 30) + u16_at(at + 32), u32_at(at + 42));
        let name = String::from_utf8_lossy(&bytes[at + 46..at + 46 + name_len]).into_owned();
        let data = local + 30 + u16_at(local + 26) + u16_at(local + 28);
        let tensor = read_npy(&bytes[data..data + size]).expect("the entry is an array");
        tensors.insert(name.trim_end_matches(".npy").to_owned(), tensor);
        at += 46 + name_len + skip;
    }
    tensors
}

/// Runs a model on one kind of device and compares its outputs by position. Without an adapter the GPU is left out, unless `SATURA_REQUIRE_GPU` is set.
#[track_caller]
fn check(model: &str, kind: DeviceKind, inputs: &[Tensor], expected: &[Tensor]) {
    let device = match Device::open(kind, None) {
        Ok(device) => device,
        Err(error) if kind == DeviceKind::Gpu && std::env::var_os("SATURA_REQUIRE_GPU").is_none() => {
            eprint_skip(&error.to_string());
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let model = load(&fixture(model), &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let names = satura::describe_inputs(&model.graph).into_iter().map(|(name, _)| name);
    let inputs: Inputs = names.zip(inputs.iter().cloned().map(Into::into)).collect();
    let mut session = Session::new(&model, &device, Default::default());
    let outputs = session.run(&inputs).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs.len(), expected.len());
    for ((name, actual), expected) in outputs.iter().zip(expected) {
        let actual = actual.as_tensor().expect("a tensor");
        let comparison = compare(actual, expected, tolerances::RECORDED);
        assert!(comparison.agrees(), "{name} on {kind}: {comparison}");
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn eprint_skip(why: &str) {
    eprintln!("skipped: {why}");
}

fn check_torch(name: &str, kind: DeviceKind) {
    let recorded = read_npz(&format!("torch/{name}.npz"));
    let numbered = |prefix: &str| -> Vec<Tensor> {
        (0..).map_while(|i| recorded.get(&format!("{prefix}{i}")).cloned()).collect()
    };
    check(&format!("torch/{name}.onnx"), kind, &numbered("in"), &numbered("out"));
}

/// The recorded logits are of the first 16 test images.
fn check_digits(name: &str, kind: DeviceKind) {
    use std::io::Read;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(fixture("mnist/test-images.idx3-ubyte.gz")).expect("the fixture is there");
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("the fixture is gzip");
    let pixels =
        bytes[16..16 + 16 * 28 * 28].iter().map(|p| (f32::from(*p) / 255.0 - 0.1307) / 0.3081).collect();
    let logits = std::fs::read(fixture(&format!("mnist/{name}_logits16.npy"))).expect("the fixture is there");
    let expected = read_npy(&logits).expect("the fixture is an array");
    check(&format!("mnist/{name}.onnx"), kind, &[Tensor::from_vec(pixels, &[16, 1, 28, 28])], &[expected]);
}

macro_rules! on_every_device {
    ($($test:ident: $check:ident($name:literal);)*) => {$(
        mod $test {
            use super::*;
            #[test]
            fn reference() {
                $check($name, DeviceKind::Reference);
            }
            #[cfg(feature = "cpu")]
            #[test]
            fn cpu() {
                $check($name, DeviceKind::Cpu);
            }
            #[cfg(feature = "wgpu")]
            #[test]
            fn gpu() {
                $check($name, DeviceKind::Gpu);
            }
        }
    )*};
}

on_every_device! {
    teacher: check_digits("teacher");
    student: check_digits("student");
    lstm: check_torch("lstm");
    gru: check_torch("gru");
    text: check_torch("text");
    vision: check_torch("vision");
}
