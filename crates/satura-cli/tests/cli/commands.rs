//! The binary's output and errors as snapshots. `INSTA_UPDATE=always cargo test -p satura-cli` rewrites them.

use crate::common::{Folder, satura};

const MLP: &str = r#"graph @mlp(%image: f32[N, 4], %mask: i64[N, 2*H]) {
  %w = const{value=f32[4, 2](1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)}
  %h = matmul %image, %w
  %0 = relu %h
  return %0 as "logits/out:0", %mask as "mask"
}
"#;

#[test]
fn inspect() {
    let folder = Folder::new("inspect");
    let model = folder.write("mlp.sat", MLP.as_bytes());
    insta::assert_snapshot!("inspect", satura(&folder, &["inspect", &model]));
    insta::assert_snapshot!("inspect_json", satura(&folder, &["inspect", &model, "--json", "--dim", "N=3"]));
}

#[test]
fn inputs_that_do_not_fit() {
    let folder = Folder::new("inputs");
    let model = folder.write("mlp.sat", MLP.as_bytes());
    let run = |flags: &[&str]| satura(&folder, &[&["run", &model, "--device", "reference"], flags].concat());
    insta::assert_snapshot!("missing", run(&[]));
    insta::assert_snapshot!("unknown_input", run(&["--random", "1", "--shape", "imag=1,4"]));
    insta::assert_snapshot!("unknown_symbol", run(&["--random", "1", "--dim", "M=3"]));
    insta::assert_snapshot!("conflict", run(&["--random", "1", "--dim", "N=3", "--shape", "image=4,4"]));
    insta::assert_snapshot!("no_whole_size", run(&["--random", "1", "--shape", "mask=1,3"]));
    insta::assert_snapshot!("bad_dim", run(&["--dim", "N=x"]));
    insta::assert_snapshot!("no_such_file", run(&["--input", "image=nowhere.npy"]));
}

#[test]
fn a_run_writes_its_outputs() {
    let folder = Folder::new("run");
    let model = folder.write("mlp.sat", MLP.as_bytes());
    let flags =
        ["--device", "reference", "--random", "7", "--dim", "N=2", "--dim", "H=1", "--output-dir", "out"];
    let report = satura(&folder, &[&["run", &model], &flags[..]].concat());
    assert!(
        report.starts_with("exit code 0\n") && report.contains("logits/out:0: f32[2, 2] min "),
        "{report}"
    );
    assert_eq!(folder.list("out"), ["logits_out_0.npy", "mask.npy"]);
    let mask = satura::tensor::read_npy(&folder.read("out/mask.npy")).expect("a .npy file");
    assert_eq!((mask.dtype(), mask.shape()), (satura::tensor::DType::I64, &[2, 2][..]));

    // What was written is read back as an input, and the outputs stay the same.
    let image =
        satura::tensor::write_npy(&satura::tensor::Tensor::from_vec(vec![1.0f32, -1.0, 0.5, 0.0], &[1, 4]));
    folder.write("image.npy", &image.expect("f32 is written"));
    let again = satura(
        &folder,
        &[
            "run",
            &model,
            "--device",
            "reference",
            "--random",
            "7",
            "--shape",
            "mask=1,2",
            "--input",
            "image=image.npy",
            "--output-dir",
            "two",
        ],
    );
    assert!(again.starts_with("exit code 0\n"), "{again}");
    let logits = satura::tensor::read_npy(&folder.read("two/logits_out_0.npy")).expect("a .npy file");
    assert_eq!(logits.as_slice::<f32>().as_deref(), Some(&[0.5f32, 1.0][..]));
}

#[test]
fn verify_finds_the_first_difference() {
    let folder = Folder::new("verify");
    let a = folder.write("a.sat", MLP.as_bytes());
    let b = folder.write("b.sat", MLP.replace("relu", "tanh").as_bytes());
    let c = folder.write("c.sat", MLP.replace("8.0", "9.0").as_bytes());
    let verify = |flags: &[&str]| satura(&folder, &[&["verify", "--device-a", "reference"], flags].concat());
    assert!(verify(&[&a]).starts_with("exit code 0\n"));
    assert!(verify(&[&a, &b, "--rtol", "10", "--atol", "10"]).starts_with("exit code 0\n"));
    let late = verify(&[&a, &b]);
    assert!(late.starts_with("exit code 1\n") && late.contains("first that differs: logits/out:0"), "{late}");
    let early = verify(&[&a, &c]);
    assert!(
        early.starts_with("exit code 1\n") && early.contains("first that differs: h: f32[1, 2]"),
        "{early}"
    );
}

#[test]
fn opt() {
    let folder = Folder::new("opt");
    let model = folder.write("mlp.sat", MLP.as_bytes());
    insta::assert_snapshot!(
        "opt",
        satura(&folder, &["opt", &model, "--passes", "decompose,dce", "--print-after-all"])
    );
    insta::assert_snapshot!(
        "opt_stopped",
        satura(&folder, &["opt", &model, "--passes", "decompose", "--stop-after", "0"])
    );
    let unknown = satura(&folder, &["opt", &model, "--passes", "fold,no-such-pass"]);
    assert!(
        unknown.starts_with(
            "exit code 2
"
        ) && unknown.contains("there is no pass `no-such-pass`"),
        "{unknown}"
    );
    insta::assert_snapshot!(
        "opt_bad_option",
        satura(&folder, &["opt", &model, "--passes", "decompose{keeps=[relu]}"])
    );
    let bad = folder.write("bad.sat", MLP.replace("matmul", "matmol").as_bytes());
    insta::assert_snapshot!("opt_bad_text", satura(&folder, &["opt", &bad, "--passes", "fold"]));
}

#[test]
fn bench_as_json_has_the_promised_keys() {
    let folder = Folder::new("bench");
    let model = folder.write("mlp.sat", MLP.as_bytes());
    let report = satura(&folder, &["bench", &model, "--device", "reference", "--runs", "2", "--json"]);
    for key in
        ["median_ms", "min_ms", "load_ms", "compile_ms", "first_run_ms", "kernels", "peak_bytes", "device"]
    {
        assert!(report.contains(&format!("\"{key}\":")), "{key} in {report}");
    }
}
