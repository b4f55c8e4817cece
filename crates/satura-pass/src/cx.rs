//! What a running pass works with: its options, its counts, and the driver of rules.

use crate::editor::{ApplyError, Editor};
use crate::error::describe;
use crate::manager::VerifyLevel;
use crate::patch::{Patch, Skip, View};
use crate::{Options, PassError, PassInfo};
use satura_ir::{Graph, NodeId, OpErrorKind, infer_one, verify};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A rewrite rule: reads the graph at a node and gives a patch, or the reason for none.
pub type Rule<'a> = &'a dyn Fn(&View<'_>, NodeId) -> Result<Patch, Skip>;

/// How often a rule left nodes alone for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkipCount {
    /// The rule.
    pub rule: &'static str,
    /// The reason.
    pub reason: String,
    /// How often.
    pub count: usize,
    /// The first node it happened at.
    pub example: String,
}

/// Graphs of more nodes are verified after each pass only, not after each patch: verifying is linear in them.
const VERIFY_EACH_PATCH_BELOW: usize = 400;

/// The context of one run of one pass.
pub struct PassCx<'a> {
    pass: &'a PassInfo,
    options: &'a Options,
    level: VerifyLevel,
    explain: bool,
    /// Patches that may still be applied.
    budget: Option<u64>,
    patches: u64,
    skips: BTreeMap<(&'static str, String), (usize, String)>,
}

impl<'a> PassCx<'a> {
    pub(crate) fn new(
        pass: &'a PassInfo,
        options: &'a Options,
        level: VerifyLevel,
        explain: bool,
        budget: Option<u64>,
    ) -> Self {
        PassCx { pass, options, level, explain, budget, patches: 0, skips: BTreeMap::new() }
    }

    /// The options of this run.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T, PassError> {
        self.options.read().map_err(|message| PassError::Options { pass: self.pass.name, message })
    }

    /// Whether `--stop-after` ends the pass here: no patch may be applied any more.
    pub fn stopped(&self) -> bool {
        self.budget == Some(0)
    }

    /// How many patches were applied.
    pub fn patches(&self) -> u64 {
        self.patches
    }

    pub(crate) fn skips(self) -> Vec<SkipCount> {
        let row = |((rule, reason), (count, example))| SkipCount { rule, reason, count, example };
        self.skips.into_iter().map(row).collect()
    }

    /// Counts one change that a pass makes without a patch, if one is left before `--stop-after`. A pass must not change the graph on `false`.
    pub fn take_change(&mut self) -> bool {
        if self.stopped() {
            return false;
        }
        self.patches += 1;
        if let Some(left) = &mut self.budget {
            *left -= 1;
        }
        true
    }

    /// Records why a pass left something alone, for `--explain`.
    pub fn note_skip(&mut self, rule: &'static str, reason: &str, graph: &Graph, at: NodeId) {
        if self.explain {
            let entry =
                self.skips.entry((rule, reason.to_owned())).or_insert_with(|| (0, describe(graph, at)));
            entry.0 += 1;
        }
    }

    /// An error of this pass at a node.
    pub fn error(
        &self,
        rule: &'static str,
        graph: &Graph,
        at: NodeId,
        message: impl Into<String>,
    ) -> PassError {
        PassError::Node { pass: self.pass.name, rule, node: describe(graph, at), message: message.into() }
    }

    /// Runs `f` on every region of the graph, to any depth, innermost first, and then on the graph itself.
    pub fn each_graph(
        &mut self,
        graph: &mut Graph,
        f: &mut dyn FnMut(&mut PassCx<'a>, &mut Graph) -> Result<(), PassError>,
    ) -> Result<(), PassError> {
        let with_regions: Vec<NodeId> =
            graph.nodes().filter(|(_, node)| !node.regions.is_empty()).map(|(id, _)| id).collect();
        for id in with_regions {
            let before = self.patches;
            let mut regions = std::mem::take(&mut graph.node_mut(id).regions);
            let result = regions.iter_mut().try_for_each(|region| self.each_graph(region, f));
            graph.node_mut(id).regions = regions;
            result?;
            if self.patches > before {
                infer_one(graph, id).map_err(|error| self.error("regions", graph, id, error.to_string()))?;
            }
        }
        f(self, graph)
    }

    /// Applies a rule to all nodes of the graph and its regions until it fits nowhere, and gives the number of patches.
    pub fn rewrite(
        &mut self,
        graph: &mut Graph,
        name: &'static str,
        rule: Rule<'_>,
    ) -> Result<u64, PassError> {
        let before = self.patches;
        self.each_graph(graph, &mut |cx, graph| {
            cx.rewrite_graph(graph, name, &mut |view, id| rule(view, id)).map(|_| ())
        })?;
        Ok(self.patches - before)
    }

    /// [`rewrite`](Self::rewrite) for this graph without its regions. The rule may keep a state. Nodes come in topological order first; then those that a patch added or
    /// gave other inputs; when none is left, all again, until a whole round changes nothing.
    pub fn rewrite_graph(
        &mut self,
        graph: &mut Graph,
        name: &'static str,
        rule: &mut dyn FnMut(&View<'_>, NodeId) -> Result<Patch, Skip>,
    ) -> Result<u64, PassError> {
        let before = self.patches;
        let bound = 1000 + 50 * graph.node_count() as u64;
        let mut editor = Editor::new(graph);
        loop {
            let round = self.patches;
            let order = editor.graph().order().map_err(|cycle| {
                self.error(name, editor.graph(), cycle[0], "the nodes depend on each other in a cycle")
            })?;
            let mut queued: BTreeSet<NodeId> = order.iter().copied().collect();
            let mut queue: VecDeque<NodeId> = order.into();
            while let Some(id) = queue.pop_front() {
                queued.remove(&id);
                if self.stopped() {
                    return Ok(self.patches - before);
                }
                if editor.graph().get_node(id).is_none() {
                    continue;
                }
                let patch = match rule(&editor.view(), id) {
                    Ok(patch) => patch,
                    Err(skip) => {
                        self.skip(name, skip, editor.graph(), id)?;
                        continue;
                    }
                };
                if self.patches - before >= bound {
                    return Err(PassError::NoFixpoint { pass: self.pass.name, rule: name, patches: bound });
                }
                self.take_change();
                let at = describe(editor.graph(), id);
                let again = editor.apply(patch).map_err(|error| match error {
                    ApplyError::Patch(message) => {
                        PassError::Node { pass: self.pass.name, rule: name, node: at.clone(), message }
                    }
                    ApplyError::Infer(error) => PassError::Broken {
                        pass: self.pass.name,
                        patch: Some((name, at.clone())),
                        error: Box::new(error),
                    },
                })?;
                self.verify_patch(editor.graph(), name, at)?;
                queue.extend(again.into_iter().filter(|id| queued.insert(*id)));
            }
            if self.patches == round {
                return Ok(self.patches - before);
            }
        }
    }

    fn skip(&mut self, rule: &'static str, skip: Skip, graph: &Graph, id: NodeId) -> Result<(), PassError> {
        match skip {
            Skip::NoMatch => {}
            Skip::NoEffect => self.note_skip(rule, "no effect", graph, id),
            Skip::CheckFailed(check) => self.note_skip(rule, check, graph, id),
            Skip::Failed(error) => match error.kind {
                OpErrorKind::Unknown | OpErrorKind::Limit | OpErrorKind::Unsupported => {
                    self.note_skip(rule, &error.message, graph, id);
                }
                _ => return Err(self.error(rule, graph, id, error.message)),
            },
        }
        Ok(())
    }

    fn verify_patch(&self, graph: &Graph, rule: &'static str, at: String) -> Result<(), PassError> {
        if self.level != VerifyLevel::Patch || graph.node_count() > VERIFY_EACH_PATCH_BELOW {
            return Ok(());
        }
        verify(graph).map_err(|mut errors| PassError::Broken {
            pass: self.pass.name,
            patch: Some((rule, at)),
            error: Box::new(errors.remove(0)),
        })
    }
}
