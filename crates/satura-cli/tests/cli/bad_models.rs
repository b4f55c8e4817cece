//! Models that must be refused: one screen, exit code 2, no panic, nothing written.

use crate::common::{Folder, satura};
use crate::onnx::{Message, model, node, tensor};

/// Lines that fit on a screen.
const SCREEN: usize = 24;

/// Gives the report of `satura run` after checking what every refusal must keep.
#[track_caller]
fn refused(name: &str, bytes: &[u8]) -> String {
    let folder = Folder::new(&format!("bad_{name}"));
    let file = folder.write("model.onnx", bytes);
    for command in
        [&["inspect"][..], &["compile", "--target", "wgsl", "-o", "out"], &["convert", "-o", "out.onnx"]]
    {
        let report = satura(&folder, &[command, &[&file]].concat());
        assert!(report.starts_with("exit code 2\n"), "{report}");
    }
    let report =
        satura(&folder, &["run", &file, "--device", "reference", "--random", "1", "--output-dir", "out"]);
    assert!(report.starts_with("exit code 2\n") && !report.contains("panicked"), "{report}");
    assert!(report.lines().count() <= SCREEN, "{report}");
    assert_eq!(folder.list("."), ["model.onnx"], "something was written");
    report
}

fn add() -> Message {
    node("Add", "sum", &["x", "w"], &["y"])
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn what_is_good_runs() {
    let folder = Folder::new("good");
    let file =
        folder.write("model.onnx", &model(&[add()], &[tensor("w", &[2]).bytes(9, floats(&[1.0, 2.0]))]));
    let report = satura(&folder, &["run", &file, "--device", "reference", "--random", "1"]);
    assert!(report.starts_with("exit code 0\n"), "{report}");
}

#[test]
fn files_that_are_no_models() {
    insta::assert_snapshot!("empty", refused("empty", b""));
    insta::assert_snapshot!("text", refused("text", b"# A model\n\nSee the release page for the file.\n"));
    insta::assert_snapshot!("zip", refused("zip", b"PK\x03\x04\x14\x00\x00\x00\x08\x00rest"));
    let whole = model(&[add()], &[tensor("w", &[2]).bytes(9, floats(&[1.0, 2.0]))]);
    insta::assert_snapshot!("truncated", refused("truncated", &whole[..whole.len() / 2]));
    for cut in 1..whole.len() - 4 {
        refused_or_good(&whole[..cut]);
    }
}

/// A cut at the border of a field may leave a valid model; whatever it is, it is no crash.
#[track_caller]
fn refused_or_good(bytes: &[u8]) {
    let folder = Folder::new("cut");
    let file = folder.write("model.onnx", bytes);
    let report = satura(&folder, &["inspect", &file]);
    assert!(
        report.starts_with("exit code 2\n") || report.starts_with("exit code 0\n"),
        "{} bytes: {report}",
        bytes.len()
    );
    assert!(!report.contains("panicked"), "{report}");
}

#[test]
fn graphs_that_cannot_be() {
    let cycle = [
        node("Add", "first", &["x", "b"], &["a"]),
        node("Relu", "second", &["a"], &["b"]),
        node("Relu", "last", &["b"], &["y"]),
    ];
    insta::assert_snapshot!("cycle", refused("cycle", &model(&cycle, &[])));
    let unknown = [
        node("Frobnicate", "f", &["x"], &["a"]),
        node("Twiddle", "t", &["a"], &["b"]),
        node("Frobnicate", "g", &["b"], &["y"]),
    ];
    insta::assert_snapshot!("unknown_ops", refused("unknown_ops", &model(&unknown, &[])));
    insta::assert_snapshot!(
        "undefined",
        refused("undefined", &model(&[node("Relu", "r", &["nowhere"], &["y"])], &[]))
    );
    let shapes = [tensor("w", &[3]).bytes(9, floats(&[1.0, 2.0, 3.0]))];
    insta::assert_snapshot!("shapes", refused("shapes", &model(&[add()], &shapes)));
}

#[test]
fn tensors_that_lie() {
    let short = [tensor("w", &[2]).bytes(9, floats(&[1.0, 2.0, 3.0]))];
    insta::assert_snapshot!("wrong_length", refused("wrong_length", &model(&[add()], &short)));
    let huge = [tensor("w", &[1 << 33, 1 << 33]).bytes(9, floats(&[1.0, 2.0]))];
    insta::assert_snapshot!("huge", refused("huge", &model(&[add()], &huge)));
    let external = |location: &str| {
        let entry = Message::new().bytes(1, "location").bytes(2, location);
        [tensor("w", &[2]).message(13, &entry).int(14, 1)]
    };
    insta::assert_snapshot!("escape", refused("escape", &model(&[add()], &external("../x"))));
    insta::assert_snapshot!("absolute", refused("absolute", &model(&[add()], &external("/etc/passwd"))));
    insta::assert_snapshot!(
        "missing_data",
        refused("missing_data", &model(&[add()], &external("weights.bin")))
    );
}

#[test]
fn names_are_harmless_on_a_terminal() {
    let report =
        refused("names", &model(&[node("Bad\u{1b}[31mOp", "n\u{202e}\n\u{7}", &["x"], &["y"])], &[]));
    assert!(!report.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{report:?}");
}
