//! The text form: what is printed reads back as the same graph, and no text makes the parser panic.

use satura_ir::ops::{Add, Const, If, Neg};
use satura_ir::{
    ConstStore, Emit, Graph, Module, OpRegistry, ParseError, Type, parse_module, print_graph, print_module,
};
use satura_tensor::{DType, Dim, Shape, Tensor};

fn parse_with(text: &str, store: &ConstStore) -> Result<Module, ParseError> {
    parse_module(text, store, &OpRegistry::default())
}

fn parse(text: &str) -> Result<Module, ParseError> {
    parse_with(text, &ConstStore::default())
}

/// A graph reads back as itself with ids counted anew, and prints the same again.
#[track_caller]
fn check_round_trip(graph: &Graph) {
    let mut store = ConstStore::default();
    store.insert_graph(graph);
    let text = print_graph(graph);
    let module = parse_with(&text, &store).unwrap_or_else(|error| panic!("{error} in\n{text}"));
    assert_eq!(print_module(&module), text);
    assert_eq!(module.graphs, [graph.compacted()], "from\n{text}");
}

fn vector(graph: &mut Graph, name: &str) -> satura_ir::ValueId {
    graph.add_input(name, Type::of(DType::F32, &[2]))
}

fn emit(graph: &mut Graph) -> &mut dyn Emit {
    graph
}

#[test]
fn names_of_any_kind() {
    for name in [
        "plain",
        "with space",
        "7",
        "a.b",
        "9lives",
        "quote\"d",
        "back\\slash",
        "line\nbreak",
        "ünï",
        "",
        "as",
        "%",
        "}",
    ] {
        let mut graph = Graph::new(name);
        let x = vector(&mut graph, name);
        let y = emit(&mut graph).one(Neg {}, &[x]).expect("floats can be negated");
        graph.add_output(name, y);
        graph.add_output(&format!("{name}2"), x);
        check_round_trip(&graph);
    }
}

#[test]
fn numbers_given_to_nameless_values_do_not_meet_names() {
    let mut graph = Graph::new("f");
    let x = vector(&mut graph, "0");
    let y = emit(&mut graph).one(Neg {}, &[x]).expect("floats can be negated");
    let z = emit(&mut graph).one(Add {}, &[x, y]).expect("shapes agree");
    graph.add_output("0", z);
    graph.value_mut(z).name = Some("0".into());
    let text = print_graph(&graph);
    let module = parse(&text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
    assert_eq!(print_module(&module), text);
    assert_eq!(module.graphs[0].node_count(), 2);
}

#[test]
fn symbols_and_unknown_ranks() {
    let mut graph = Graph::new("f");
    let (n, odd) = (Dim::symbol("N"), Dim::symbol("odd symbol"));
    let shape = Shape(vec![
        n.clone() * n.clone() - Dim::from(1),
        odd.floor_div(&n),
        n.minimum(&odd).modulo(&Dim::from(3)),
    ]);
    let x = graph.add_input("x", Type::tensor(DType::F16, shape));
    let y = graph.add_input("y", Type::unranked(DType::String));
    let z =
        graph.add_input("z", Type::Sequence(Box::new(Type::Optional(Box::new(Type::of(DType::I4, &[]))))));
    let w = graph.add_input("w", Type::Map(DType::I64, Box::new(Type::unranked(DType::F32))));
    for (i, value) in [x, y, z, w].into_iter().enumerate() {
        graph.add_output(&i.to_string(), value);
    }
    check_round_trip(&graph);
}

#[test]
fn constants_of_every_dtype() {
    for dtype in DType::all() {
        let numbers = Tensor::from_vec(vec![0i32, 1, 1], &[3]);
        let value = satura_tensor::cast(&numbers, dtype).expect("every dtype has small numbers");
        let mut graph = Graph::new("f");
        let c = emit(&mut graph).constant(value).expect("a constant has a type");
        graph.add_output("c", c);
        check_round_trip(&graph);
    }
}

#[test]
fn special_elements() {
    let doubles = Tensor::from_vec(
        vec![f64::NAN, f64::INFINITY, -f64::INFINITY, -0.0, 5e-324, 0.1, 1.0 / 3.0, f64::MAX],
        &[2, 4],
    );
    let floats = Tensor::from_vec(vec![f32::MIN_POSITIVE, 0.1, -1e-45, 16_777_217.0], &[4]);
    let longs = Tensor::from_vec(vec![i64::MIN, i64::MAX], &[2]);
    let unsigned = Tensor::from_vec(vec![u64::MAX], &[1]);
    let strings =
        Tensor::from_strings(vec![(*b"a, \"b\")").into(), (*b"; %x").into(), (*b"\n\t\\").into()], &[3]);
    let empty = Tensor::from_vec(Vec::<f32>::new(), &[0, 5]);
    for value in [doubles, floats, longs, unsigned, strings, empty, Tensor::scalar(1.5f32)] {
        let mut graph = Graph::new("f");
        let c = emit(&mut graph).constant(value).expect("a constant has a type");
        graph.add_output("c", c);
        check_round_trip(&graph);
    }
}

#[test]
fn large_constants_are_found_by_hash() {
    let value = Tensor::from_vec((0..100).map(|i| i as f32 / 7.0).collect(), &[10, 10]);
    let mut graph = Graph::new("f");
    let c = emit(&mut graph).constant(value).expect("a constant has a type");
    graph.add_output("c", c);
    check_round_trip(&graph);
    let error = parse(&print_graph(&graph)).expect_err("the store is empty");
    assert!(error.message.contains("no constant with hash"), "{error}");
}

#[test]
fn regions_keep_their_names() {
    let branch = |name: &str, negate: bool| {
        let mut graph = Graph::new(name);
        let x = vector(&mut graph, "inner value");
        let y = if negate { emit(&mut graph).one(Neg {}, &[x]).expect("floats can be negated") } else { x };
        graph.add_output("result of it", y);
        graph
    };
    let mut graph = Graph::new("f");
    let c = graph.add_input("c", Type::of(DType::Bool, &[]));
    let x = vector(&mut graph, "x");
    let regions = vec![branch("then", true), branch("not then", false)];
    let y = graph.add_node(If { results: 1 }.into(), vec![c, x], regions).expect("both regions fit")[0];
    graph.add_output("y", y);
    check_round_trip(&graph);
}

#[test]
fn a_constant_gets_its_seed() {
    let module = parse("graph @f() { %0 = const{value=f32[4]~7} return %0 }").expect("a valid text");
    let Some((_, node)) = module.graphs[0].nodes().next() else { panic!("one node") };
    let satura_ir::Op::Const(Const { value }) = &node.op else { panic!("a constant") };
    assert!(value.as_slice::<f32>().is_some_and(|v| v.iter().all(|x| x.abs() <= 1.0) && v[0] != v[1]));
}

/// Uses every part of the syntax.
const SAMPLE: &str = r#"; a comment
graph @"odd name"(%x: f32[N, 2*N + 1], %"a b": i64[*], %s: seq(f32[*]), %m: map(i64, opt(bool[]))) {
  %0 = const{value=f32[2, 1](1.5, -inf)} : f32[2, 1]
  %c = const{value=string[1]("q\"\\\u{e9}")} ; another
  %1, %2 = split{axis=-1, sizes=[1, 0]} %0 : f32[2, 1], f32[2, 0]
  %k = const{value=c64[1]((1.0, -2.0))}
  %b = const{value=bool[](true)}
  %r = const{value=f32[70]~3}
  %p = slice{starts=[0, 0], sizes=[N, min(3, floordiv(N, 2))], steps=[1, 1]} %x
  %3 = if{results=1} %b, %1 region @then(%a: f32[2, 1]) {
    %0 = leaky_relu{alpha=0.01} %a : f32[2, 1]
    return %0 as "y"
  } region @"else"(%a: f32[2, 1]) { return %a as "y" } : f32[2, 1]
  return %3 as "out, \"put", %"a b"
}
graph @empty() { return }
"#;

#[test]
fn the_sample_is_valid() {
    let module = parse(SAMPLE).expect("a valid text");
    assert_eq!(module.graphs.len(), 2);
    let mut store = ConstStore::default();
    module.graphs.iter().for_each(|graph| store.insert_graph(graph));
    let text = print_module(&module);
    assert_eq!(print_module(&parse_with(&text, &store).expect("what is printed is valid")), text);
}

#[test]
fn every_prefix_is_an_error() {
    let first_graph = SAMPLE.find("graph @empty").expect("the second graph");
    for end in SAMPLE.char_indices().map(|(at, _)| at).filter(|at| *at < SAMPLE.trim_end().len()) {
        let result = parse(&SAMPLE[..end]);
        let whole = SAMPLE[..end].trim_end().len();
        // Nothing, and the whole first graph, are valid texts.
        let valid =
            whole <= SAMPLE.find('\n').expect("lines") || (first_graph - 1..=first_graph).contains(&whole);
        assert_eq!(result.is_ok(), valid, "the first {end} bytes: {result:?}");
    }
}

#[test]
fn damaged_texts_do_not_panic() {
    let pieces = [
        "",
        "%",
        "@",
        "\"",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ",",
        ";",
        "=",
        ":",
        "~",
        "#",
        "-",
        "9999999999999999999999",
        "é",
        "\\",
        "\0",
        "*",
        "N",
    ];
    let mut refused = 0;
    for (at, c) in SAMPLE.char_indices() {
        for piece in pieces {
            let text = format!("{}{piece}{}", &SAMPLE[..at], &SAMPLE[at + c.len_utf8()..]);
            refused += usize::from(parse(&text).is_err());
        }
    }
    assert!(refused > SAMPLE.len());
}

#[track_caller]
fn check_error(text: &str, place: (usize, usize), message: &str) {
    let error = parse(text).expect_err("not a valid text");
    assert_eq!((error.line, error.column), place, "{error}");
    assert!(error.message.contains(message), "{error}");
}

#[test]
fn errors_name_their_place() {
    check_error("graph @f(", (1, 10), "expected");
    check_error(
        "graph @f() {\n  %0 = iota{dtype=f33, shape=[2], axis=0}\n  return %0\n}",
        (2, 8),
        "expected a dtype",
    );
    check_error("graph @f(%x: f32[2]) {\n  %é = neg %x\n}", (2, 4), "expected a name");
    check_error("; one\n; two\nmodule", (3, 1), "expected `graph`");
    check_error(
        "graph @f() {\n  %0 = const{value=f32[99999999999, 99999999999](1.0)}\n}",
        (2, 8),
        "too large",
    );
    check_error("graph @f(%x: f32[2]) { return %y }", (1, 31), "%y is not defined here");
}

#[test]
fn deep_nesting_is_refused() {
    let types =
        format!("graph @f(%x: {}f32[2]{}) {{ return %x }}", "seq(".repeat(100_000), ")".repeat(100_000));
    let dims = format!("graph @f(%x: f32[{}N{}]) {{ return %x }}", "(".repeat(100_000), ")".repeat(100_000));
    let attributes = format!(
        "graph @f(%x: f32[2]) {{ %0 = concat{{axis={}0{}}} %x }}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let region = "%0 = if{results=0} %c region @r(%c: bool[]) { ";
    let regions = format!("graph @f(%c: bool[]) {{ {}", region.repeat(1000));
    let signs = format!("graph @f(%x: f32[{}N]) {{ return %x }}", "-".repeat(100_000));
    let calls = format!("graph @f(%x: f32[{}N]) {{ return %x }}", "min(1, ".repeat(100_000));
    for text in [types, dims, attributes, regions, signs, calls] {
        assert!(parse(&text).is_err());
    }
}
