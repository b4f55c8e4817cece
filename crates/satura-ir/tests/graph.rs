//! Graphs: order and cycles, binding of symbols, decomposition.

use satura_ir::ops::{Add, Neg, PadDyn, PadMode, Silu};
use satura_ir::{
    ConstStore, Emit, Graph, OpErrorKind, OpRegistry, Type, evaluate, infer_graph, legalize, parse_module,
    print_graph, verify,
};
use satura_tensor::{Bindings, DType, Dim, Symbol, Tensor};

#[track_caller]
fn parse(text: &str) -> Graph {
    let module = parse_module(text, &ConstStore::default(), &OpRegistry::default());
    module.unwrap_or_else(|error| panic!("{error} in\n{text}")).graphs.remove(0)
}

fn two_nodes() -> Graph {
    parse("graph @f(%x: f32[2]) {\n %a = neg %x\n %b = add %a, %x\n return %b\n}")
}

#[test]
fn a_cycle_is_named() {
    let mut graph = two_nodes();
    let ids: Vec<_> = graph.nodes().map(|(id, _)| id).collect();
    let last = graph.node(ids[1]).outputs[0];
    graph.node_mut(ids[0]).inputs[0] = last;
    graph.node_mut(ids[0]).label = Some("first".into());
    let mut cycle = graph.order().expect_err("a cycle");
    cycle.sort();
    assert_eq!(cycle, ids);
    let errors = verify(&graph).expect_err("a cycle");
    let text = errors[0].to_string();
    assert!(
        text.contains("cycle") && text.contains("neg \"first\"") && text.contains("add (node 1)"),
        "{text}"
    );
    assert!(infer_graph(&mut graph).is_err());
    assert!(legalize(&mut graph, &|_| false).is_err());
}

#[test]
fn a_node_that_reads_itself_is_a_cycle() {
    let mut graph = two_nodes();
    let (id, output) = graph.nodes().map(|(id, node)| (id, node.outputs[0])).next().expect("two nodes");
    graph.node_mut(id).inputs[0] = output;
    assert_eq!(graph.order(), Err(vec![id]));
}

#[test]
fn readers_come_after_what_they_read() {
    let mut graph = two_nodes();
    let x = graph.inputs()[0];
    // The new node has the greatest id, and the first one reads it.
    let new = (&mut graph as &mut dyn Emit).one(Neg {}, &[x]).expect("floats can be negated");
    let first = graph.nodes().map(|(id, _)| id).next().expect("nodes");
    graph.node_mut(first).inputs[0] = new;
    let order: Vec<u32> = graph.order().expect("no cycle").into_iter().map(|id| id.0).collect();
    assert_eq!(order, [2, 0, 1]);
    let outputs = evaluate(&graph, &[Tensor::from_vec(vec![1.0f32, 2.0], &[2])]).expect("no op fails");
    assert_eq!(outputs, [Tensor::from_vec(vec![2.0f32, 4.0], &[2])]);
}

#[test]
fn a_value_of_a_removed_node_is_found() {
    let mut graph = two_nodes();
    let first = graph.nodes().map(|(id, _)| id).next().expect("nodes");
    graph.remove_node(first);
    let errors = verify(&graph).expect_err("a value is gone");
    assert!(errors[0].to_string().contains("input 0 (value 1) is not defined"), "{}", errors[0]);
}

#[test]
fn binding_reaches_attributes_and_values() {
    let graph = parse(
        "graph @f(%x: f32[N, 2*N]) {
           %s = shape_of{start=0, end=none} %x
           %half = slice{starts=[0, N], sizes=[N, N], steps=[1, 1]} %x
           %i = iota{dtype=f32, shape=[N], axis=0}
           %y = add %half, %i
           return %s, %y
         }",
    );
    let bound = graph.bind(&Bindings::from([(Symbol::new("N"), 2)])).expect("the sizes fit");
    assert!(bound.symbols().is_empty());
    let [s, y] = [bound.outputs()[0].value, bound.outputs()[1].value];
    assert_eq!(bound.value(s).known.as_ref().and_then(|k| k.constants()), Some(vec![2, 4]));
    assert_eq!(*bound.ty(y), Type::of(DType::F32, &[2, 2]));
    let x = Tensor::from_vec((0..8).map(|i| i as f32).collect(), &[2, 4]);
    let outputs = evaluate(&bound, &[x]).expect("no op fails");
    assert_eq!(outputs[1], Tensor::from_vec(vec![2.0f32, 4.0, 6.0, 8.0], &[2, 2]));
}

#[test]
fn a_binding_that_does_not_fit_is_refused() {
    let graph = parse("graph @f(%x: f32[N], %y: f32[3]) {\n %0 = add %x, %y\n return %0\n}");
    let error = graph.bind(&Bindings::from([(Symbol::new("N"), 2)])).expect_err("2 and 3 do not broadcast");
    assert!(error.to_string().contains("extents 2 and 3"), "{error}");
}

#[test]
fn composites_decompose_to_any_depth_and_keep_names() {
    let mut graph = Graph::new("f");
    let x = graph.add_input("x", Type::tensor(DType::F32, vec![Dim::symbol("N")]));
    let y = (&mut graph as &mut dyn Emit).one(satura_ir::ops::HardSwish {}, &[x]).expect("floats");
    let (id, _) = graph.producer(y).expect("a node");
    graph.node_mut(id).label = Some("activation".into());
    graph.value_mut(y).name = Some("y".into());
    graph.add_output("y", y);
    assert_eq!(legalize(&mut graph, &|_| false), Ok(2));
    verify(&graph).expect("still valid");
    assert!(
        graph
            .nodes()
            .all(|(_, node)| node.op.prim().is_some() && node.label.as_deref() == Some("activation"))
    );
    assert_eq!(graph.value(graph.outputs()[0].value).name.as_deref(), Some("y"));
}

#[test]
fn what_needs_unknown_values_stays() {
    let mut graph = parse(
        "graph @f(%x: f32[4], %p: i64[2], %v: f32[]) {
           %0 = pad_dyn{mode=constant, axes=none} %x, %p, %v
           return %0
         }",
    );
    assert_eq!(legalize(&mut graph, &|_| false), Ok(0));
    assert_eq!(graph.node_count(), 1);
    let run = |p: [i64; 2]| {
        let amounts = Tensor::from_vec(p.to_vec(), &[2]);
        evaluate(&graph, &[Tensor::from_vec(vec![1f32, 2., 3., 4.], &[4]), amounts, Tensor::scalar(0f32)])
    };
    assert_eq!(run([1, -2]).expect("a valid pad"), [Tensor::from_vec(vec![0f32, 1., 2.], &[3])]);
    assert!(run([-3, -3]).is_err());
}

#[test]
fn kept_composites_stay() {
    let mut graph =
        parse("graph @f(%x: f32[4]) {\n %a = silu %x\n %b = gelu{approximate=false} %a\n return %b\n}");
    assert_eq!(legalize(&mut graph, &|op| op.name() == "silu"), Ok(1));
    let text = print_graph(&graph);
    assert!(text.contains("silu") && text.contains("erf") && !text.contains("gelu"), "{text}");
}

#[test]
fn a_failed_emission_leaves_no_node() {
    let mut graph = Graph::new("f");
    let x = graph.add_input("x", Type::of(DType::F32, &[2]));
    let y = graph.add_input("y", Type::of(DType::F32, &[3]));
    let emit: &mut dyn Emit = &mut graph;
    assert_eq!(emit.one(Add {}, &[x, y]).map_err(|e| e.kind), Err(OpErrorKind::Shape));
    assert_eq!(emit.one(Silu {}, &[x, y]).map_err(|e| e.kind), Err(OpErrorKind::Arity));
    assert_eq!(
        emit.one(PadDyn { mode: PadMode::Edge, axes: None }, &[x, x, x]).map_err(|e| e.kind),
        Err(OpErrorKind::DType)
    );
    assert_eq!(graph.node_count(), 0);
}

/// Each node squares the extent: without a bound the expression would have more than 2^20 terms.
#[test]
fn expressions_do_not_grow_without_bound() {
    let mut text = "graph @f(%x: f32[N + M + 1]) {\n %0 = shape_of{start=0, end=none} %x\n".to_owned();
    for i in 0..40 {
        text += &format!(" %{} = mul %{i}, %{i}\n", i + 1);
    }
    let graph = parse(&(text + " return %40\n}"));
    assert_eq!(graph.value(graph.outputs()[0].value).known, None);
}
