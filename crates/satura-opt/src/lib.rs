//! The passes that need no search: dead code, folding, dedupe, identities, shape arithmetic, layout. One file each, and the one list, [`all`].
//!
//! Invariants: a pass here always makes the graph simpler, never trades one cost for another, and knows no file format and no device. Passes keep values
//! symbolic where they are: nothing here binds a symbol, except [`prepare`], which is asked to.
//!
//! ```
//! use satura_ir::{OpRegistry, parse_module, print_graph};
//! use satura_pass::RunConfig;
//!
//! let text = "graph @f(%x: f32[N, 4]) { %0 = transpose{perm=[1, 0]} %x  %1 = transpose{perm=[1, 0]} %0  return %1 as \"y\" }";
//! let mut graph = parse_module(text, &Default::default(), &OpRegistry::default())?.graphs.remove(0);
//! let manager = satura_opt::manager(satura_opt::all());
//! manager.run(&manager.parse("default")?, &mut graph, &RunConfig::default())?;
//! assert_eq!(print_graph(&graph), "graph @f(%x: f32[N, 4]) {\n  return %x as \"y\"\n}\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cancel_transpose;
mod dce;
mod decompose;
mod dedupe;
mod fold;
mod fold_conv_bn;
mod fold_if;
mod identity;
mod matching;
mod prepare;
mod resolve_dynamic;
mod shape_chain;
mod sink_constants;
mod strength;

pub use cancel_transpose::CANCEL_TRANSPOSE;
pub use dce::DCE;
pub use decompose::DECOMPOSE;
pub use dedupe::DEDUPE;
pub use fold::FOLD;
pub use fold_conv_bn::FOLD_CONV_BN;
pub use fold_if::FOLD_IF;
pub use identity::IDENTITY;
pub use prepare::{PrepareError, prepare};
pub use resolve_dynamic::RESOLVE_DYNAMIC;
pub use shape_chain::SHAPE_CHAIN;
pub use sink_constants::SINK_CONSTANTS;
pub use strength::STRENGTH;

use satura_pass::{PassInfo, PassManager};

/// Every pass of this crate, in the order in which [`DEFAULT`] first runs it.
pub fn all() -> &'static [PassInfo] {
    &[
        DCE,
        FOLD_IF,
        SINK_CONSTANTS,
        FOLD,
        RESOLVE_DYNAMIC,
        IDENTITY,
        STRENGTH,
        SHAPE_CHAIN,
        FOLD_CONV_BN,
        CANCEL_TRANSPOSE,
        DEDUPE,
        DECOMPOSE,
    ]
}

/// Shape arithmetic: decides conditions and dynamic shapes as far as they are known. Dead code first, so that nothing is spent on it; then decided conditions, since a branch that is never taken need
/// not even be valid for these sizes. Constants go into the remaining regions before folding, which then folds inside them. A resolved shape can decide the next condition, and that the next
/// shape, so the group runs twice.
pub const SHAPES: &str = "dce,fold-if,sink-constants,fold,resolve-dynamic,fold-if,fold,resolve-dynamic";

/// What every model goes through: [`SHAPES`] first, since the other passes match static ops. Identities leave before chains are merged, so that chains are unbroken. Powers are written out once their exponents are folded. Scales fold into
/// convolutions before transposes move, which would part a convolution from its scale. Transposes that meet leave new reshape chains and identities, so these run again. Dedupe comes when
/// equal things look equal; folding and dead code last, to clean up after all others.
pub const DEFAULT: &str =
    "shapes,identity,strength,shape-chain,fold-conv-bn,cancel-transpose,identity,shape-chain,dedupe,fold,dce";

/// A manager of `passes` that also knows the pipelines [`SHAPES`] as `shapes` and [`DEFAULT`] as `default`.
pub fn manager(passes: &[PassInfo]) -> PassManager {
    PassManager::new(passes).with_alias("shapes", SHAPES).with_alias("default", DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use satura_pass::{Contract, RunConfig};
    use satura_tensor::tolerances;
    use satura_testing::{GraphConfig, Rng, Values, check_same_results, random_graph, random_inputs};

    #[test]
    fn names_differ_and_pipelines_parse() {
        let manager = manager(all());
        let mut names: Vec<&str> = all().iter().map(|pass| pass.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().len());
        let steps = manager.parse("default").expect("DEFAULT names known passes").steps.len();
        assert_eq!(steps, SHAPES.split(',').count() + DEFAULT.split(',').count() - 1);
    }

    /// Every pass by itself, and all of them, on random graphs and inputs.
    #[test]
    fn random_graphs_keep_their_results() {
        let manager = manager(all());
        let single = all().iter().map(|pass| (pass.name, pass.contract));
        let pipelines: Vec<_> = single.chain([("default", Contract::Rounding)]).collect();
        for seed in 0..60 {
            let mut rng = Rng::new(seed);
            let before = random_graph(&mut rng, GraphConfig::default());
            let plain = random_inputs(&before, &mut rng, Values::Plain).expect("sizes are known");
            let nasty = random_inputs(&before, &mut rng, Values::Nasty).expect("sizes are known");
            for (text, contract) in &pipelines {
                let mut after = before.clone();
                let pipeline = manager.parse(text).expect("a known name");
                if let Err(error) = manager.run(&pipeline, &mut after, &RunConfig::default()) {
                    panic!("seed {seed}: {error}\n{}", satura_ir::print_graph(&before));
                }
                let exact = *contract == Contract::Exact;
                let tolerance = (!exact).then_some(tolerances::ROUNDING);
                // Rounding contracts say nothing about infinities and NaN.
                let runs = if exact { vec![&plain, &nasty] } else { vec![&plain] };
                for inputs in runs {
                    if let Err(error) = check_same_results(&before, &after, inputs, tolerance) {
                        let print = satura_ir::print_graph;
                        panic!(
                            "seed {seed}, {text}: {error}\nbefore\n{}after\n{}",
                            print(&before),
                            print(&after)
                        );
                    }
                }
            }
        }
    }
}
