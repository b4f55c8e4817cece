//! Pipelines: reading their text and running them.

use crate::cx::{PassCx, SkipCount};
use crate::{Contract, Options, PassError, PassInfo, PipelineError};
use satura_ir::{Graph, split_top_level, verify};
use std::fmt;
use std::time::{Duration, Instant};

/// One pass of a pipeline with its options.
#[derive(Clone, Debug)]
pub struct Step {
    /// The pass.
    pub pass: PassInfo,
    /// Its options.
    pub options: Options,
}

/// Passes in the order they run.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    /// In order.
    pub steps: Vec<Step>,
}

impl fmt::Display for Pipeline {
    /// The text that parses to this pipeline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { "," } else { "" }, step.pass.name)?;
            if !step.options.is_empty() {
                write!(f, "{{{}}}", step.options.print())?;
            }
        }
        Ok(())
    }
}

/// When the graph is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyLevel {
    /// After each pass.
    Pass,
    /// After each patch too, in graphs of some hundred nodes at most.
    Patch,
}

impl Default for VerifyLevel {
    /// After each patch in debug builds, after each pass else.
    fn default() -> Self {
        if cfg!(debug_assertions) { VerifyLevel::Patch } else { VerifyLevel::Pass }
    }
}

/// How a pipeline runs.
#[derive(Clone, Copy, Default)]
pub struct RunConfig<'a> {
    /// Stop after so many patches, counted over the whole pipeline: to find by bisection the patch that breaks a model.
    pub stop_after: Option<u64>,
    /// Called after each pass with the graph as it is then: for `--print-after-all`.
    pub after_pass: Option<&'a dyn Fn(&PassReport, &Graph)>,
    /// Whether the reasons of skips are collected.
    pub explain: bool,
    /// When the graph is verified.
    pub verify: VerifyLevel,
}

/// What one pass did.
#[derive(Clone, Debug)]
pub struct PassReport {
    /// The pass.
    pub pass: &'static str,
    /// Patches applied.
    pub patches: u64,
    /// Nodes before, regions included.
    pub nodes_before: usize,
    /// Nodes after, regions included.
    pub nodes_after: usize,
    /// Wall-clock time without verification.
    pub time: Duration,
    /// Why rules left nodes alone, by rule and reason; empty unless asked for.
    pub skips: Vec<SkipCount>,
}

/// What a pipeline did.
#[derive(Clone, Debug)]
pub struct Report {
    /// One entry for each pass that ran.
    pub passes: Vec<PassReport>,
    /// The weakest contract among the passes that changed something.
    pub contract: Contract,
    /// Whether `stop_after` ended it.
    pub stopped: bool,
}

impl Report {
    /// Patches of all passes.
    pub fn patches(&self) -> u64 {
        self.passes.iter().map(|pass| pass.patches).sum()
    }
}

impl fmt::Display for Report {
    /// A table: pass, patches, nodes before and after, milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<18} {:>8} {:>8} {:>8} {:>9}", "pass", "patches", "nodes", "-> nodes", "ms")?;
        for pass in &self.passes {
            let ms = pass.time.as_secs_f64() * 1e3;
            writeln!(
                f,
                "{:<18} {:>8} {:>8} {:>8} {ms:>9.2}",
                pass.pass, pass.patches, pass.nodes_before, pass.nodes_after
            )?;
            for skip in &pass.skips {
                writeln!(
                    f,
                    "  skipped {} x by {}: {} (first at {})",
                    skip.count, skip.rule, skip.reason, skip.example
                )?;
            }
        }
        Ok(())
    }
}

/// The passes that pipelines may name, and short names for pipelines.
#[derive(Clone, Debug, Default)]
pub struct PassManager {
    passes: Vec<PassInfo>,
    aliases: Vec<(String, String)>,
}

impl PassManager {
    /// A manager of these passes. Of two with one name the first is taken.
    pub fn new(passes: &[PassInfo]) -> Self {
        PassManager { passes: passes.to_vec(), aliases: Vec::new() }
    }

    /// Lets pipeline text say `name` for the pipeline `text`.
    #[must_use]
    pub fn with_alias(mut self, name: &str, text: &str) -> Self {
        self.aliases.push((name.to_owned(), text.to_owned()));
        self
    }

    /// The passes, in order.
    pub fn passes(&self) -> &[PassInfo] {
        &self.passes
    }

    /// Reads pipeline text: `name` or `name{key=value, ..}`, separated by commas. Options are checked here, so that a typo is found before anything runs.
    pub fn parse(&self, text: &str) -> Result<Pipeline, PipelineError> {
        let mut steps = Vec::new();
        for item in split_top_level(text, ',') {
            let (name, options) = match item.split_once('{') {
                None => (item, ""),
                Some((name, rest)) => match rest.strip_suffix('}') {
                    Some(options) => (name.trim(), options),
                    None => return Err(PipelineError::Syntax(format!("`{item}` lacks its closing brace"))),
                },
            };
            if name.is_empty() {
                return Err(PipelineError::Syntax("a pass name is missing".to_owned()));
            }
            let fail = |message| PipelineError::Options { pass: name.to_owned(), message };
            let options = Options::parse(options).map_err(fail)?;
            let Some(pass) = self.passes.iter().find(|pass| pass.name == name) else {
                let alias = self.aliases.iter().position(|(alias, _)| alias == name);
                let (Some(alias), true) = (alias, options.is_empty()) else {
                    let known = self.passes.iter().map(|pass| pass.name).collect();
                    return Err(PipelineError::UnknownPass { name: name.to_owned(), known });
                };
                // An alias sees only those before it, so none contains itself.
                let earlier =
                    PassManager { passes: self.passes.clone(), aliases: self.aliases[..alias].to_vec() };
                steps.extend(earlier.parse(&self.aliases[alias].1)?.steps);
                continue;
            };
            pass.options.check(&options).map_err(fail)?;
            steps.push(Step { pass: *pass, options });
        }
        Ok(Pipeline { steps })
    }

    /// Runs a pipeline. On an error the graph is as the failing pass left it.
    pub fn run(
        &self,
        pipeline: &Pipeline,
        graph: &mut Graph,
        config: &RunConfig<'_>,
    ) -> Result<Report, PassError> {
        verify(graph).map_err(|mut errors| PassError::NotVerified(Box::new(errors.remove(0))))?;
        let mut report = Report { passes: Vec::new(), contract: Contract::Exact, stopped: false };
        let mut budget = config.stop_after;
        for Step { pass, options } in &pipeline.steps {
            if budget == Some(0) {
                report.stopped = true;
                break;
            }
            let nodes_before = count_nodes(graph);
            let mut cx = PassCx::new(pass, options, config.verify, config.explain, budget);
            let start = Instant::now();
            (pass.run)(graph, &mut cx)?;
            let time = start.elapsed();
            let patches = cx.patches();
            verify(graph).map_err(|mut errors| PassError::Broken {
                pass: pass.name,
                patch: None,
                error: Box::new(errors.remove(0)),
            })?;
            if patches > 0 {
                *graph = graph.compacted();
                report.contract = report.contract.max(pass.contract);
            }
            budget = budget.map(|left| left - patches);
            let nodes_after = count_nodes(graph);
            let skips = cx.skips();
            let row = PassReport { pass: pass.name, patches, nodes_before, nodes_after, time, skips };
            if let Some(after_pass) = config.after_pass {
                after_pass(&row, graph);
            }
            report.passes.push(row);
        }
        Ok(report)
    }
}

/// The number of nodes, regions included.
pub fn count_nodes(graph: &Graph) -> usize {
    graph.nodes().map(|(_, node)| 1 + node.regions.iter().map(count_nodes).sum::<usize>()).sum()
}
