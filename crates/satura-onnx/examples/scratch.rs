//! scratch
#![allow(clippy::print_stdout, reason = "scratch")]
use std::collections::BTreeMap;
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let t = std::time::Instant::now();
    let m = match satura_onnx::read_file(a[0].as_ref(), &Default::default()) {
        Ok(m) => m,
        Err(e) => {
            println!("{e}");
            std::process::exit(2)
        }
    };
    println!(
        "read {:?} nodes {} producer {} warnings {}",
        t.elapsed(),
        m.graph.node_count(),
        m.producer,
        m.warnings.len()
    );
    for w in &m.warnings {
        println!("{w}");
    }
    for i in m.graph.inputs() {
        println!("  in {:?} {}", m.graph.value(*i).name, m.graph.ty(*i));
    }
    for o in m.graph.outputs() {
        println!("  out {} {}", o.name, m.graph.ty(o.value));
    }
    if a.len() < 2 {
        return;
    }
    let dir = std::path::Path::new(&a[1]);
    let mut inputs = vec![];
    let mut b = BTreeMap::new();
    for (k, i) in m.graph.inputs().iter().enumerate() {
        let t = satura_tensor::read_npy(&std::fs::read(dir.join(format!("in{k}.npy"))).unwrap()).unwrap();
        for (d, s) in m.graph.ty(*i).shape().unwrap().iter().zip(t.shape()) {
            if let Some((sym, v)) = d.solve(*s as i64) {
                b.insert(sym, v);
            }
        }
        inputs.push(t);
    }
    let t = std::time::Instant::now();
    let g = match m.graph.bind(&b) {
        Ok(g) => g,
        Err(e) => {
            println!("bind: {e}");
            std::process::exit(3)
        }
    };
    println!("bind {:?}", t.elapsed());
    satura_ir::verify(&g).map_err(|e| println!("{}", e[0])).ok();
    let unk = g.nodes().filter(|(_, n)| n.outputs.iter().any(|o| g.ty(*o).sizes().is_none())).count();
    println!("nodes without sizes after bind: {unk}");
    let t = std::time::Instant::now();
    let out = match satura_ir::evaluate(&g, &inputs) {
        Ok(o) => o,
        Err(e) => {
            println!("eval: {e}");
            std::process::exit(4)
        }
    };
    println!("eval {:?}", t.elapsed());
    for (k, o) in out.iter().enumerate() {
        let e = satura_tensor::read_npy(&std::fs::read(dir.join(format!("out{k}.npy"))).unwrap()).unwrap();
        println!(
            "  out{k} {:?}: {} {}",
            o.shape(),
            satura_tensor::compare(o, &e, satura_tensor::tolerances::MODEL).agrees(),
            satura_tensor::compare(o, &e, satura_tensor::tolerances::MODEL)
        );
    }
}
