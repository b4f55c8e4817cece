//! `satura convert`: what it writes, and what it leaves alone when it cannot.

use crate::common::{Folder, report, satura};
use crate::onnx::{Message, model, node, tensor};
use std::process::Command;

/// Elements of the weights: enough for a file of their own to be worth it.
const ELEMENTS: usize = 20_000;

/// `y = relu(x + sum(w))`, its weights in the file.
fn inside() -> Vec<u8> {
    model(&nodes(), &[tensor("w", &[ELEMENTS as i64]).bytes(9, weights())])
}

/// The same, its weights in a file of that name.
fn outside(location: &str) -> Vec<u8> {
    let entry = Message::new().bytes(1, "location").bytes(2, location);
    model(&nodes(), &[tensor("w", &[ELEMENTS as i64]).message(13, &entry).int(14, 1)])
}

fn nodes() -> [Message; 3] {
    let sum = node("ReduceSum", "sum", &["w"], &["s"]);
    [sum, node("Add", "add", &["x", "s"], &["a"]), node("Relu", "relu", &["a"], &["y"])]
}

fn weights() -> Vec<u8> {
    (0..ELEMENTS).flat_map(|i| (i as f32 / 256.0).to_le_bytes()).collect()
}

#[track_caller]
fn check_same(folder: &Folder, a: &str, b: &str) {
    let report = satura(
        folder,
        &["verify", a, b, "--device-a", "reference", "--device-b", "reference", "--rtol", "0", "--atol", "0"],
    );
    assert!(report.starts_with("exit code 0\n"), "{report}");
}

#[test]
fn a_model_comes_back() {
    let folder = Folder::new("convert");
    folder.write("a.onnx", &inside());
    let done = satura(&folder, &["convert", "a.onnx", "-o", "b.onnx", "--opset", "13"]);
    insta::assert_snapshot!("convert", done);
    check_same(&folder, "b.onnx", "a.onnx");
    // In its own place, with the weights beside it, with them inside again.
    let done = satura(&folder, &["convert", "b.onnx", "-o", "b.onnx", "--value-info"]);
    assert!(done.starts_with("exit code 0\n"), "{done}");
    check_same(&folder, "b.onnx", "a.onnx");
    let done = satura(&folder, &["convert", "b.onnx", "-o", "c.onnx", "--external-data-above", "80000"]);
    insta::assert_snapshot!("convert_external", done);
    check_same(&folder, "c.onnx", "a.onnx");
    assert_eq!(folder.read("c.onnx.data"), weights());
    let done = satura(&folder, &["convert", "c.onnx", "-o", "d.onnx"]);
    assert!(done.starts_with("exit code 0\n"), "{done}");
    check_same(&folder, "d.onnx", "a.onnx");
    assert_eq!(folder.list("."), ["a.onnx", "b.onnx", "c.onnx", "c.onnx.data", "d.onnx"]);
}

/// Models of the repository come back at every operator set, bit for bit unless ops had to be taken apart.
#[test]
fn fixtures_come_back() {
    let folder = Folder::new("convert_fixtures");
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");
    for name in ["mnist/student", "torch/gru", "torch/lstm", "torch/text", "torch/vision"] {
        let model = format!("{fixtures}/{name}.onnx");
        for opset in 13..=28 {
            let opset = opset.to_string();
            let done = satura(&folder, &["convert", &model, "-o", "written.onnx", "--opset", &opset]);
            assert!(done.starts_with("exit code 0\n"), "{name}, operator set {opset}: {done}");
            let exact = !done.contains("in terms of");
            let tolerance: &[&str] = if exact { &["--rtol", "0", "--atol", "0"] } else { &[] };
            let compare = ["verify", "written.onnx", &model, "--random", "1", "--device-a", "reference"];
            let verdict = satura(&folder, &[&compare[..], tolerance].concat());
            assert!(verdict.starts_with("exit code 0\n"), "{name}, operator set {opset}: {verdict}");
        }
    }
}

/// `y = squeeze(x, axes)` with `x: f32[N, 1, 2]`: which axes must be known before anything is known about `y`.
fn open() -> Vec<u8> {
    let dim = |size| Message::new().int(1, size);
    let shape =
        Message::new().message(1, &Message::new().bytes(2, "N")).message(1, &dim(1)).message(1, &dim(2));
    let ty = Message::new().message(1, &Message::new().int(1, 1).message(2, &shape));
    let x = Message::new().bytes(1, "x").message(2, &ty);
    let ty = Message::new().int(1, 7).message(2, &Message::new().message(1, &dim(1)));
    let axes = Message::new().bytes(1, "axes").message(2, &Message::new().message(1, &ty));
    let y = Message::new().bytes(1, "y").message(2, &Message::new().message(1, &Message::new().int(1, 1)));
    let graph =
        Message::new().message(1, &node("Squeeze", "squeeze", &["x", "axes"], &["y"])).bytes(2, "main");
    let graph = graph.message(11, &x).message(11, &axes).message(12, &y);
    Message::new().int(1, 8).message(7, &graph).message(8, &Message::new().int(2, 17)).finish()
}

#[test]
fn values_and_sizes_of_inputs() {
    let folder = Folder::new("convert_open");
    folder.write("a.onnx", &open());
    let tensor = |dims: &[i64], dtype: i64, data: &[u8]| {
        let message = dims.iter().fold(Message::new(), |message, dim| message.int(1, *dim));
        message.int(2, dtype).bytes(9, data).finish()
    };
    folder.write("axes.pb", &tensor(&[1], 7, &1i64.to_le_bytes()));
    folder.write("x.pb", &tensor(&[3, 1, 2], 1, &weights()[..24]));
    insta::assert_snapshot!("convert_open", satura(&folder, &["convert", "a.onnx", "-o", "b.onnx"]));
    let given = ["--input", "axes=axes.pb", "--input", "x=x.pb"];
    let done = satura(&folder, &[&["convert", "a.onnx", "-o", "b.onnx"][..], &given].concat());
    assert!(done.starts_with("exit code 0\n"), "{done}");
    insta::assert_snapshot!("convert_fixed", satura(&folder, &["inspect", "b.onnx"]));
    // What looks into a model takes values in the same way.
    let looked = satura(&folder, &[&["inspect", "a.onnx"][..], &given].concat());
    assert!(looked.contains("y: f32[3, 2]") && !looked.contains("axes"), "{looked}");
    // Other sizes than those that are fixed now.
    let done = satura(&folder, &["convert", "b.onnx", "-o", "d.onnx", "--shape", "x=4,1,2"]);
    assert!(done.starts_with("exit code 2\n"), "{done}");
}

/// Converts to `out.onnx` with `out.onnx.data`, both there already, and checks that nothing changed.
#[track_caller]
fn refused(name: &str, bytes: &[u8], flags: &[&str]) -> String {
    let folder = Folder::new(&format!("convert_{name}"));
    folder.write("model.onnx", bytes);
    folder.write("out.onnx", b"old model");
    folder.write("out.onnx.data", &weights());
    folder.write("file", b"");
    let before = folder.list(".");
    let mut args = vec!["convert", "model.onnx", "-o", "out.onnx"];
    if let ["-o", output, rest @ ..] = flags {
        args[3] = output;
        args.extend(rest);
    } else {
        args.extend(flags);
    }
    let report = satura(&folder, &args);
    assert!(report.starts_with("exit code 2\n") && !report.contains("panicked"), "{report}");
    assert_eq!(folder.list("."), before);
    assert_eq!(folder.read("out.onnx"), b"old model");
    assert_eq!(folder.read("out.onnx.data"), weights());
    report
}

#[test]
fn what_cannot_be_asked_for() {
    insta::assert_snapshot!("convert_opset", refused("opset", &inside(), &["--opset", "12"]));
    insta::assert_snapshot!("convert_ending", refused("ending", &inside(), &["-o", "out.pt"]));
    insta::assert_snapshot!("convert_no_folder", refused("no_folder", &inside(), &["-o", "no/out.onnx"]));
    insta::assert_snapshot!("convert_file_as_folder", refused("file", &inside(), &["-o", "file/out.onnx"]));
}

#[test]
fn ops_that_the_operator_set_cannot_say() {
    let image = |name: &str, input: &str, output: &str| {
        let format = Message::new().bytes(1, "pixel_format").bytes(4, "RGB").int(20, 3);
        node("ImageDecoder", name, &[input], &[output]).message(5, &format)
    };
    let bytes = {
        let cast = |name: &str, output: &str| {
            let to = Message::new().bytes(1, "to").int(3, 2).int(20, 2);
            node("Cast", name, &["x"], &[output]).message(5, &to)
        };
        let scalar = Message::new().bytes(1, "keepdims").int(3, 0).int(20, 2);
        let nodes = [
            cast("bytes", "b"),
            image("first", "b", "i"),
            image("second", "b", "j"),
            node("Add", "both", &["i", "j"], &["k"]),
            node("CastLike", "floats", &["k", "x"], &["f"]),
            node("ReduceSum", "sum", &["f"], &["s"]).message(5, &scalar),
            node("Add", "last", &["s", "x"], &["y"]),
        ];
        crate::onnx::model_of(20, &nodes, &[])
    };
    insta::assert_snapshot!("convert_op", refused("op", &bytes, &["--opset", "13"]));
}

#[test]
fn files_that_the_model_is_read_from_stay() {
    let report = refused("kept", &outside("out.onnx.data"), &["--external-data-above", "1"]);
    insta::assert_snapshot!("convert_kept", report);
    // In the model's own place just as well: another model may read the same weights.
    let folder = Folder::new("convert_own");
    folder.write("m.onnx", &outside("m.onnx.data"));
    folder.write("m.onnx.data", &weights());
    let report = satura(&folder, &["convert", "m.onnx", "-o", "m.onnx", "--external-data-above", "1"]);
    assert!(report.starts_with("exit code 2\n") && report.contains("kept-file"), "{report}");
    assert_eq!((folder.read("m.onnx"), folder.read("m.onnx.data")), (outside("m.onnx.data"), weights()));
    // Where the weights go into the model nothing is in the way.
    let report = satura(&folder, &["convert", "m.onnx", "-o", "m.onnx"]);
    assert!(report.starts_with("exit code 0\n"), "{report}");
    folder.write("a.onnx", &outside("m.onnx.data"));
    check_same(&folder, "m.onnx", "a.onnx");
}

/// A limit on the size of files stands for a disk that is full; the shell turns the signal into an error.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_what_was_there() {
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$@\"";
    for flags in [&[][..], &["--external-data-above", "1"]] {
        let folder = Folder::new("convert_full");
        folder.write("model.onnx", &inside());
        folder.write("out.onnx", b"old model");
        folder.write("out.onnx.data", b"old weights");
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_satura"), "convert", "model.onnx"]);
        let report = report(&folder, command.args(["-o", "out.onnx"]).args(flags));
        assert!(report.starts_with("exit code 2\n") && report.contains("error[io]"), "{report}");
        assert_eq!(folder.list("."), ["model.onnx", "out.onnx", "out.onnx.data"]);
        assert_eq!(folder.read("out.onnx"), b"old model");
        assert_eq!(folder.read("out.onnx.data"), b"old weights");
    }
}

/// A folder in which nothing may be made; the superuser may all the same.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("convert_unwritable");
    folder.write("model.onnx", &inside());
    let locked = folder.path().join("locked");
    std::fs::create_dir(&locked).expect("the folder is this test's own");
    let allow = |mode| std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(mode));
    allow(0o555).expect("the folder is this test's own");
    let report = satura(&folder, &["convert", "model.onnx", "-o", "locked/out.onnx"]);
    let written = folder.list("locked");
    allow(0o755).expect("the folder is this test's own");
    if written == ["out.onnx"] {
        assert!(report.starts_with("exit code 0\n"), "{report}");
    } else {
        assert!(report.starts_with("exit code 2\n") && report.contains("error[io]"), "{report}");
        assert!(written.is_empty(), "{written:?}");
    }
}
