//! What a path can lead to.

use crate::common::{folder, valid};
use prost::Message;
use satura_import::{Code, Limits};
use satura_onnx::{Options, read_file};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

#[track_caller]
fn refused_file(path: &Path, code: Code) -> String {
    let error = read_file(path, &Options::default()).expect_err("the file must be refused");
    assert_eq!(error.code(), Some(code), "{error}");
    assert!(
        error.to_string().contains(&*path.file_name().unwrap_or_default().to_string_lossy()),
        "names the file: {error}"
    );
    error.to_string()
}

#[test]
fn files_of_other_formats_are_named() {
    let folder = folder("formats");
    let cases: &[(&str, &[u8], &str)] = &[
        ("text.onnx", b"just some words\nand more\n", "a text file"),
        ("page.onnx", b"\n<!DOCTYPE html><html>404</html>", "an HTML page"),
        (
            "pointer.onnx",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
            "a Git LFS pointer",
        ),
        ("archive.onnx", b"PK\x03\x04\x14\0\0\0", "a zip archive"),
        ("packed.onnx", b"\x1f\x8b\x08\0", "a gzip file"),
        ("packed2.onnx", b"\x28\xb5\x2f\xfd\0", "a zstd file"),
        ("lite.onnx", b"\x1c\0\0\0TFL3\0\0", "a TensorFlow Lite model"),
        ("pickle.onnx", b"\x80\x02}q\0.", "a Python pickle"),
        ("weights.onnx", b"\x10\0\0\0\0\0\0\0{\"a\":1}", "a safetensors file"),
        ("list.onnx", b"{\"a\": 1}", "a JSON file"),
    ];
    for (name, bytes, what) in cases {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("the folder can be written");
        let error = refused_file(&path, Code::LooksLike);
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn only_regular_files() {
    let folder = folder("special");
    let error = refused_file(&folder, Code::NotAFile);
    assert!(error.contains("folder"), "{error}");
    refused_file(&folder.join("absent.onnx"), Code::Io);
    std::fs::write(folder.join("empty.onnx"), b"").expect("the folder can be written");
    refused_file(&folder.join("empty.onnx"), Code::NoGraph);
}

#[cfg(target_os = "linux")]
#[test]
fn devices_and_pipes_are_refused() {
    let folder = folder("devices");
    refused_file(Path::new("/dev/zero"), Code::NotAFile);
    let pipe = folder.join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .expect("mkfifo is part of every Linux system");
    assert!(made.success());
    refused_file(&pipe, Code::NotAFile);
}

#[test]
fn files_beyond_two_gigabytes() {
    let folder = folder("large");
    let path = folder.join("large.onnx");
    let mut file = File::create(&path).expect("the folder can be written");
    file.write_all(&valid().encode_to_vec()).expect("the file can be written");
    // Field 1000, 3 GiB long: a hole in the file.
    let length = 3usize << 30;
    let mut tag = vec![0xc2, 0x3e];
    prost::encode_length_delimiter(length, &mut tag).expect("a vector grows");
    file.write_all(&tag).expect("the file can be written");
    let end = file.stream_position().expect("a file has a position") + u64::try_from(length).expect("small");
    file.set_len(end).expect("the file can have a hole");
    file.seek(SeekFrom::Start(0)).expect("a file can be rewound");
    let read = read_file(&path, &Options::default()).expect("the padding is skipped");
    assert_eq!(read.graph.outputs().len(), 1);
    let limits = Limits { file_bytes: 1 << 30, ..Limits::default() };
    let error = read_file(&path, &Options { limits, ..Options::default() }).expect_err("beyond the limit");
    assert_eq!(error.code(), Some(Code::ResourceLimit));
    std::fs::remove_file(&path).expect("the file can be removed");
}

#[test]
fn mapped_and_read_files_give_the_same() {
    let folder = folder("mapped");
    let path = folder.join("model.onnx");
    let mut model = valid();
    let count = 600_000;
    let weights = vec![0x3f; count * 4];
    let mut tensor =
        crate::common::raw("w", crate::common::FLOAT, &[i64::try_from(count).expect("small")], &weights);
    tensor.name = "w".to_owned();
    let graph = model.graph.as_mut().expect("has one");
    graph.initializer = vec![tensor];
    graph.input = vec![crate::common::info("x", crate::common::FLOAT, &[1])];
    std::fs::write(&path, model.encode_to_vec()).expect("the folder can be written");
    let mapped = read_file(&path, &Options::default()).expect("valid");
    let read = read_file(&path, &Options { map_files: false, ..Options::default() }).expect("valid");
    assert_eq!(satura_ir::print_graph(&mapped.graph), satura_ir::print_graph(&read.graph));
}
