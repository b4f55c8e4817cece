//! External data: nothing outside the model's folder is read, and every range is checked.

use crate::common::{
    FLOAT, ModelProto, SparseTensorProto, StringStringEntryProto, TensorProto, folder, graph, int64s, model,
    node,
};
use prost::Message;
use satura_import::Code;
use satura_onnx::{Imported, Options, read_bytes, read_file};
use std::path::{Path, PathBuf};

fn entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: key.to_owned(), value: value.to_owned() }
}

/// `w`: 3 floats in a file.
fn external(entries: &[(&str, &str)]) -> TensorProto {
    TensorProto {
        name: "w".to_owned(),
        data_type: FLOAT,
        dims: vec![3],
        data_location: 1,
        external_data: entries.iter().map(|(k, v)| entry(k, v)).collect(),
        ..TensorProto::default()
    }
}

fn with(tensor: TensorProto) -> ModelProto {
    let mut graph = graph(vec![node("Add", &["x", "w"], &["y"])]);
    graph.initializer = vec![tensor];
    model(graph)
}

/// A folder with a secret beside it: `<test>/secret`, `<test>/model/` with `data` of 16 bytes.
fn place(test: &str) -> PathBuf {
    let outer = folder(test);
    std::fs::write(outer.join("secret"), [1u8; 64]).expect("the folder can be written");
    let inner = outer.join("model");
    std::fs::create_dir(&inner).expect("the folder can be written");
    let floats: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(inner.join("data"), floats).expect("the folder can be written");
    inner
}

fn read(
    folder: &Path,
    model: &ModelProto,
    options: &Options,
) -> Result<Imported, satura_import::ImportError> {
    let path = folder.join("model.onnx");
    std::fs::write(&path, model.encode_to_vec()).expect("the folder can be written");
    read_file(&path, options)
}

#[track_caller]
fn refused_entries(folder: &Path, entries: &[(&str, &str)], code: Code) {
    let error = read(folder, &with(external(entries)), &Options::default()).expect_err("must be refused");
    assert_eq!(error.code(), Some(code), "{error}");
}

#[test]
fn data_within_the_folder_is_read_without_copying() {
    let folder = place("external_good");
    let entries = [("location", "data"), ("offset", "4"), ("length", "12")];
    let imported = read(&folder, &with(external(&entries)), &Options::default()).expect("valid");
    let graph = &imported.graph;
    let tensor = graph.nodes().find_map(|(_, n)| graph.constant(*n.outputs.first()?)).expect("a constant");
    assert_eq!(tensor.as_slice::<f32>().as_deref(), Some(&[2.0, 3.0, 4.0][..]));
    // The offset is 0 and the length that of the tensor where they are not given.
    read(&folder, &with(external(&[("location", "./data")])), &Options::default()).expect("valid");
}

#[test]
fn locations_that_leave_the_folder() {
    let folder = place("external_escape");
    let secret = folder.parent().expect("it has one").join("secret");
    let absolute = secret.to_string_lossy().into_owned();
    let long = "a/".repeat(2500);
    let locations = [
        "../secret",
        "a/../../secret",
        "./../secret",
        "data/../../secret",
        &absolute,
        "C:\\x",
        "C:x",
        "\\\\server\\x",
        "file:///etc/passwd",
        "https://example.org/x",
        "",
        ".",
        "./",
        "a\0b",
        "..",
        "/",
        &long,
    ];
    for location in locations {
        refused_entries(&folder, &[("location", location)], Code::PathEscape);
    }
}

#[cfg(unix)]
#[test]
fn links_that_leave_the_folder() {
    use std::os::unix::fs::symlink;
    let folder = place("external_links");
    symlink("../secret", folder.join("link")).expect("links can be made");
    symlink("..", folder.join("up")).expect("links can be made");
    symlink("loop", folder.join("loop")).expect("links can be made");
    symlink("nowhere", folder.join("dangling")).expect("links can be made");
    for location in ["link", "up/secret", "loop", "loop/x", "dangling"] {
        refused_entries(&folder, &[("location", location)], Code::PathEscape);
    }
    // A link that stays in the folder is as good as the file.
    symlink("data", folder.join("inside")).expect("links can be made");
    read(&folder, &with(external(&[("location", "inside")])), &Options::default()).expect("valid");
    std::fs::hard_link(folder.join("../secret"), folder.join("hard")).expect("links can be made");
    refused_entries(&folder, &[("location", "hard")], Code::PathEscape);
    let options = Options { allow_hard_links: true, ..Options::default() };
    read(&folder, &with(external(&[("location", "hard")])), &options).expect("allowed");
}

#[test]
fn what_is_not_a_data_file() {
    let folder = place("external_files");
    std::fs::create_dir(folder.join("sub")).expect("the folder can be written");
    refused_entries(&folder, &[("location", "sub")], Code::ExternalData);
    refused_entries(&folder, &[("location", "absent")], Code::ExternalData);
    #[cfg(unix)]
    refused_entries(&folder, &[("location", "model.onnx")], Code::ExternalData);
    #[cfg(target_os = "linux")]
    {
        let made = std::process::Command::new("mkfifo")
            .arg(folder.join("pipe"))
            .status()
            .expect("mkfifo is part of every Linux system");
        assert!(made.success());
        refused_entries(&folder, &[("location", "pipe")], Code::ExternalData);
    }
}

#[test]
fn ranges() {
    let folder = place("external_ranges");
    for offset in [
        "-1",
        "x",
        "0x10",
        " 4",
        "+4",
        "",
        "18446744073709551616",
        "8",
        "17",
        "9223372036854775807",
        "18446744073709551615",
    ] {
        refused_entries(&folder, &[("location", "data"), ("offset", offset)], Code::ExternalData);
    }
    for length in ["-12", "1e1", ""] {
        refused_entries(&folder, &[("location", "data"), ("length", length)], Code::ExternalData);
    }
    for length in ["11", "16", "9223372036854775807"] {
        refused_entries(&folder, &[("location", "data"), ("length", length)], Code::TensorLength);
    }
}

#[test]
fn keys() {
    let folder = place("external_keys");
    let odd = [("location", "data"), ("__class__", "os.system")];
    let imported =
        read(&folder, &with(external(&odd)), &Options::default()).expect("unknown keys do not matter");
    assert!(imported.warnings.iter().any(|w| w.code == Code::Ignored), "{:?}", imported.warnings);
    refused_entries(&folder, &[("location", "data"), ("location", "data")], Code::ExternalData);
    refused_entries(&folder, &[("offset", "0")], Code::ExternalData);
    refused_entries(&folder, &[], Code::ExternalData);
    // SHA-1 of the 16 bytes of `data`.
    let wrong = [("location", "data"), ("checksum", "da39a3ee5e6b4b0d3255bfef95601890afd80709")];
    refused_entries(&folder, &wrong, Code::Checksum);
    let right = [("location", "data"), ("checksum", "c26df9440df999ae7d765499acd5ca855709702f")];
    read(&folder, &with(external(&right)), &Options::default()).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn overlapping_ranges_are_read_with_a_warning() {
    let folder = place("external_overlap");
    let second = TensorProto { name: "v".to_owned(), ..external(&[("location", "data"), ("offset", "4")]) };
    let mut model = with(external(&[("location", "data")]));
    model.graph.as_mut().expect("has one").initializer.push(second);
    let imported = read(&folder, &model, &Options::default()).expect("valid");
    assert!(imported.warnings.iter().any(|w| w.code == Code::ExternalData), "{:?}", imported.warnings);
}

#[test]
fn every_place_of_a_tensor_is_checked() {
    let folder = place("external_places");
    let bad = || external(&[("location", "../secret")]);
    let mut models = vec![model(graph(vec![node("Constant", &[], &["y"]).tensor("value", bad())]))];
    let sparse = |values: TensorProto, indices: TensorProto| SparseTensorProto {
        values: Some(values),
        indices: Some(indices),
        dims: vec![9],
    };
    let bad_indices = TensorProto { data_type: crate::common::INT64, ..bad() };
    for tensor in [
        sparse(bad(), int64s("", &[0, 1, 2])),
        sparse(crate::common::floats("w", &[3], &[1.0; 3]), bad_indices),
    ] {
        let mut as_initializer = graph(vec![node("Add", &["x", "w"], &["y"])]);
        as_initializer.sparse_initializer = vec![tensor.clone()];
        models.push(model(as_initializer));
        let attribute = crate::common::AttributeProto {
            name: "sparse_value".to_owned(),
            r#type: 11,
            sparse_tensor: Some(tensor),
            ..crate::common::AttributeProto::default()
        };
        models.push(model(graph(vec![node("Constant", &[], &["y"]).with(attribute)])));
    }
    let mut branch = graph(vec![node("Identity", &["w"], &["b"])]);
    branch.input.clear();
    branch.output[0].name = "b".to_owned();
    branch.initializer = vec![bad()];
    let choice = node("If", &["c"], &["y"]).graph("then_branch", branch.clone()).graph("else_branch", branch);
    let mut whole = graph(vec![choice]);
    whole.input = vec![crate::common::info("c", crate::common::BOOL, &[])];
    models.push(model(whole));
    for model in models {
        let error = read(&folder, &model, &Options::default()).expect_err("must be refused");
        assert_eq!(error.code(), Some(Code::PathEscape), "{error}");
    }
}

#[test]
fn a_model_in_memory_has_no_folder() {
    let bytes = with(external(&[("location", "data")])).encode_to_vec();
    let error = read_bytes(bytes.clone(), None, &Options::default()).expect_err("there is no folder");
    assert_eq!(error.code(), Some(Code::ExternalData));
    let folder = place("external_memory");
    read_bytes(bytes, Some(&folder), &Options::default()).expect("the folder is given");
}
