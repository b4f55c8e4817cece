//! Models whose weights lie in other files: any location, offset, length and checksum, beside files that are shorter, longer or not there.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use satura_onnx_fuzz::{Message, check, model, options, value_info};
use std::sync::OnceLock;

#[derive(Arbitrary, Debug)]
struct Weight {
    location: Location,
    offset: Number,
    length: Number,
    checksum: Option<String>,
    dims: Vec<u8>,
    dtype: u8,
    /// Inline data too, which is an error.
    both: bool,
}

#[derive(Arbitrary, Debug)]
enum Location {
    Small,
    Large,
    Missing,
    Folder,
    Link,
    Up,
    Absolute,
    Absent,
    Any(String),
}

#[derive(Arbitrary, Debug)]
enum Number {
    Absent,
    Of(u16),
    Big(u64),
    Negative(i64),
    Text(String),
}

impl Number {
    fn text(&self) -> Option<String> {
        match self {
            Number::Absent => None,
            Number::Of(n) => Some(n.to_string()),
            Number::Big(n) => Some(n.to_string()),
            Number::Negative(n) => Some(n.to_string()),
            Number::Text(text) => Some(text.clone()),
        }
    }
}

/// The model's folder, with the files that weights may name.
fn folder() -> &'static std::path::Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("small.bin"), [1u8; 24]).expect("a file");
        std::fs::write(folder.path().join("large.bin"), vec![0u8; 1 << 16]).expect("a file");
        std::fs::create_dir(folder.path().join("sub")).expect("a folder");
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.bin")).expect("a link");
        folder
    });
    made.path()
}

fn tensor(name: &str, weight: &Weight) -> Message {
    let location = match &weight.location {
        Location::Small => Some("small.bin"),
        Location::Large => Some("large.bin"),
        Location::Missing => Some("missing.bin"),
        Location::Folder => Some("sub"),
        Location::Link => Some("link.bin"),
        Location::Up => Some("../small.bin"),
        Location::Absolute => Some("/etc/hostname"),
        Location::Absent => None,
        Location::Any(text) => Some(text.as_str()),
    };
    let entry =
        |key: &str, value: &str| Message::default().bytes(1, key.as_bytes()).bytes(2, value.as_bytes());
    let entries = [
        location.map(|text| entry("location", text)),
        weight.offset.text().map(|text| entry("offset", &text)),
        weight.length.text().map(|text| entry("length", &text)),
        weight.checksum.as_ref().map(|text| entry("checksum", text)),
    ];
    let mut tensor = Message::default()
        .each(weight.dims.iter().take(4), |t, dim| t.int(1, i64::from(*dim)))
        .int(2, i64::from(weight.dtype % 28))
        .bytes(8, name.as_bytes())
        .each(entries.into_iter().flatten(), |t, entry| t.message(13, &entry))
        .int(14, 1);
    if weight.both {
        tensor = tensor.bytes(9, &[0; 4]);
    }
    tensor
}

fuzz_target!(|data: &[u8]| {
    let mut input = Unstructured::new(data);
    let Ok(weights) = (0..3).map(|_| Weight::arbitrary(&mut input)).collect::<Result<Vec<_>, _>>() else {
        return;
    };
    let names: Vec<String> = (0..weights.len()).map(|i| format!("w{i}")).collect();
    let mut graph = Message::default().bytes(2, b"main");
    for (i, (name, weight)) in names.iter().zip(&weights).enumerate() {
        let output = format!("y{i}");
        let node =
            Message::default().bytes(1, name.as_bytes()).bytes(2, output.as_bytes()).bytes(4, b"Identity");
        graph = graph
            .message(1, &node)
            .message(5, &tensor(name, weight))
            .message(12, &value_info(&output, i64::from(weight.dtype % 28), None));
    }
    let path = folder().join("model.onnx");
    std::fs::write(&path, model(&graph, &[("", 21)]).0).expect("the folder can be written");
    check(satura_onnx::read_file(&path, &options()));
});
