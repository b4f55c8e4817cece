//! The driver and the pipeline text.

use satura_ir::{Graph, NodeId, Op, OpRegistry, Type, ops, parse_module, print_graph};
use satura_pass::{
    Contract, OptionHelp, PassError, PassInfo, PassManager, PassOptions, Patch, PipelineError, RunConfig,
    Skip, View,
};
use satura_tensor::DType;

const NO_NEG: PassInfo = PassInfo {
    name: "no-neg",
    summary: "Replaces neg by abs.",
    contract: Contract::Lossy { metric: "none: a test" },
    options: PassOptions::NONE,
    run: |graph, cx| cx.rewrite(graph, "neg", &neg_to_abs).map(|_| ()),
};

fn neg_to_abs(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let Op::Neg(_) = node.op else { return Err(Skip::NoMatch) };
    let mut patch = g.patch(n);
    let value = patch.emit().one(ops::Abs {}, &node.inputs)?;
    patch.replace(node.outputs[0], value);
    Ok(patch.finish())
}

const ENDLESS: PassInfo = PassInfo {
    name: "endless",
    summary: "Wraps every neg in two more.",
    contract: Contract::Exact,
    options: PassOptions::NONE,
    run: |graph, cx| {
        cx.rewrite(graph, "grow", &|g, n| {
            let node = g.node(n);
            let Op::Neg(_) = node.op else { return Err(Skip::NoMatch) };
            let mut patch = g.patch(n);
            let mut value = node.inputs[0];
            for _ in 0..3 {
                value = patch.emit().one(ops::Neg {}, &[value])?;
            }
            patch.replace(node.outputs[0], value);
            Ok(patch.finish())
        })
        .map(|_| ())
    },
};

const RETYPE: PassInfo = PassInfo {
    name: "retype",
    summary: "Replaces neg by a cast to f64, which is wrong.",
    contract: Contract::Exact,
    options: PassOptions::NONE,
    run: |graph, cx| {
        cx.rewrite(graph, "cast", &|g, n| {
            let node = g.node(n);
            let Op::Neg(_) = node.op else { return Err(Skip::NoMatch) };
            let mut patch = g.patch(n);
            let value = patch.emit().one(ops::Cast { to: DType::F64 }, &node.inputs)?;
            patch.replace(node.outputs[0], value);
            Ok(patch.finish())
        })
        .map(|_| ())
    },
};

const BREAK: PassInfo = PassInfo {
    name: "break",
    summary: "Renames an output, behind the driver's back.",
    contract: Contract::Exact,
    options: PassOptions::NONE,
    run: |graph, cx| {
        let value = graph.outputs()[0].value;
        let name = graph.outputs()[0].name.to_string();
        graph.add_output(&name, value);
        cx.take_change();
        Ok(())
    },
};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    times: u32,
    names: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options { times: 1, names: Vec::new() }
    }
}

const OPTIONED: PassInfo = PassInfo {
    name: "optioned",
    summary: "Names the graph by its options.",
    contract: Contract::Exact,
    options: PassOptions::of::<Options>(&[
        OptionHelp { name: "times", summary: "a number; 1 by default" },
        OptionHelp { name: "names", summary: "a list of words" },
    ]),
    run: |graph, cx| {
        let options: Options = cx.options()?;
        graph.name = format!("{}_{}", options.names.join("_"), options.times);
        Ok(())
    },
};

fn manager() -> PassManager {
    PassManager::new(&[NO_NEG, ENDLESS, RETYPE, BREAK, OPTIONED])
        .with_alias("one", "no-neg")
        .with_alias("two", "one,optioned{times=2}")
}

fn parse(text: &str) -> Graph {
    parse_module(text, &Default::default(), &OpRegistry::default())
        .expect("the text of a test is valid")
        .graphs
        .remove(0)
}

fn three() -> Graph {
    parse("graph @f(%x: f32[2]) {\n  %0 = neg %x\n  %1 = neg %0\n  %2 = neg %1\n  return %2 as \"y\"\n}\n")
}

fn run(text: &str, graph: &mut Graph, config: &RunConfig<'_>) -> Result<satura_pass::Report, PassError> {
    let manager = manager();
    let pipeline = manager.parse(text).expect("the pipeline of a test is valid");
    manager.run(&pipeline, graph, config)
}

#[test]
fn stop_after_counts_patches_over_the_pipeline() {
    for (stop, negs, patches, stopped) in
        [(0, 3, 0, true), (1, 2, 1, true), (2, 1, 2, true), (3, 0, 3, true), (4, 0, 3, false)]
    {
        let mut graph = three();
        let config = RunConfig { stop_after: Some(stop), ..RunConfig::default() };
        let report = run("no-neg,optioned", &mut graph, &config).expect("the passes are valid");
        let left = graph.nodes().filter(|(_, node)| matches!(node.op, Op::Neg(_))).count();
        assert_eq!((left, report.patches(), report.stopped), (negs, patches, stopped), "stop after {stop}");
    }
}

#[test]
fn reports_count_and_name() {
    let mut graph = three();
    let dumps = std::cell::RefCell::new(Vec::new());
    let config = RunConfig {
        after_pass: Some(&|report, graph| dumps.borrow_mut().push((report.pass, print_graph(graph)))),
        ..RunConfig::default()
    };
    let report = run("no-neg,no-neg", &mut graph, &config).expect("the pass is valid");
    assert_eq!(report.contract, NO_NEG.contract);
    assert_eq!(report.passes.iter().map(|p| p.patches).collect::<Vec<_>>(), [3, 0]);
    assert_eq!((report.passes[0].nodes_before, report.passes[0].nodes_after), (3, 3));
    assert_eq!(dumps.borrow().len(), 2);
    assert!(dumps.borrow()[0].1.contains("abs") && dumps.borrow()[0].0 == "no-neg");
}

#[test]
fn errors_name_pass_rule_and_node() {
    let text = |pipeline: &str| {
        run(pipeline, &mut three(), &RunConfig::default()).expect_err("the pass is wrong").to_string()
    };
    assert!(text("endless").starts_with("pass `endless`, rule `grow`, does not settle"));
    assert_eq!(
        text("retype"),
        "pass `retype`, rule `cast`, at neg (node 0): a value of type f32[2] would be replaced by one of type f64[2]"
    );
    assert!(text("break").starts_with("pass `break` broke the graph: graph @f: two outputs are named \"y\""));
}

#[test]
fn a_broken_graph_is_refused_before_the_first_pass() {
    let mut graph = three();
    graph.add_output("y", graph.inputs()[0]);
    let error = run("no-neg", &mut graph, &RunConfig::default()).expect_err("two outputs have one name");
    assert!(matches!(error, PassError::NotVerified(_)));
}

#[test]
fn names_labels_and_finer_types_survive() {
    let mut graph = parse("graph @f(%x: f32[N]) {\n  %named = neg %x\n  return %named as \"y\"\n}\n");
    let output = graph.outputs()[0].value;
    // What an importer may know beyond the rule.
    graph.value_mut(output).ty = Type::of(DType::F32, &[4]);
    graph.node_mut(NodeId(0)).label = Some("layer/neg".into());
    run("no-neg", &mut graph, &RunConfig::default()).expect("the pass is valid");
    assert_eq!(
        print_graph(&graph),
        "graph @f(%x: f32[N]) {\n  %named = abs %x : f32[4]\n  return %named as \"y\"\n}\n"
    );
    let (_, node) = graph.nodes().next().expect("one node is left");
    assert_eq!(node.label.as_deref(), Some("layer/neg"));
}

#[test]
fn skips_are_explained_on_request() {
    const PICKY: PassInfo = PassInfo {
        run: |graph, cx| {
            cx.rewrite(graph, "picky", &|g, n| match g.node(n).op {
                Op::Neg(_) if g.use_count(g.node(n).outputs[0]) == 1 => Err(Skip::CheckFailed("read once")),
                _ => Err(Skip::NoMatch),
            })
            .map(|_| ())
        },
        ..NO_NEG
    };
    let manager = PassManager::new(&[PICKY]);
    let pipeline = manager.parse("no-neg").expect("a known pass");
    let config = RunConfig { explain: true, ..RunConfig::default() };
    let report = manager.run(&pipeline, &mut three(), &config).expect("nothing changes");
    let skips = &report.passes[0].skips;
    assert_eq!((skips.len(), skips[0].count, &*skips[0].reason), (1, 3, "read once"));
    assert_eq!(skips[0].example, "neg (node 0)");
    assert!(report.to_string().contains("skipped 3 x by picky: read once"));
}

#[test]
fn pipeline_text() {
    let manager = manager();
    let print = |text: &str| manager.parse(text).map(|pipeline| pipeline.to_string());
    assert_eq!(
        print("no-neg , optioned{times=3, names=[a, \"b c\"]}").as_deref(),
        Ok("no-neg,optioned{names=[\"a\",\"b c\"],times=3}")
    );
    assert_eq!(print("two").as_deref(), Ok("no-neg,optioned{times=2}"));
    assert_eq!(print("").as_deref(), Ok(""));
    let again = print("optioned{names=[a],times=3}").expect("valid");
    assert_eq!(print(&again).as_ref(), Ok(&again));
    assert!(matches!(print("no-such"), Err(PipelineError::UnknownPass { name, .. }) if name == "no-such"));
    for (text, part) in [
        ("optioned{tims=3}", "tims"),
        ("optioned{times=many}", "many"),
        ("optioned{times=-1}", "-1"),
        ("optioned{times=1, times=2}", "given twice"),
        ("optioned{times}", "name=value"),
        ("optioned{times=}", "missing"),
        ("no-neg{times=1}", "times"),
        ("optioned{times=1", "brace"),
        ("no-neg,,no-neg", "missing"),
    ] {
        let message = print(text).expect_err(text).to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
    let mut graph = three();
    run("optioned{names=[a, b]}", &mut graph, &RunConfig::default()).expect("valid");
    assert_eq!(graph.name, "a_b_1");
}
