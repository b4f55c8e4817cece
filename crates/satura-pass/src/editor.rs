//! Applying patches to one graph, keeping readers, use counts and inferred types current.

use crate::patch::{Patch, View};
use satura_ir::{Def, Graph, NodeId, ValueId, VerifyError, infer_one};
use std::collections::BTreeSet;

/// A graph under change, with an index of who reads what.
pub(crate) struct Editor<'g> {
    graph: &'g mut Graph,
    /// Nodes that read a value, each once, by value id.
    users: Vec<Vec<NodeId>>,
    /// How often a value is read, graph outputs included.
    uses: Vec<u32>,
}

/// Why a patch does not fit the graph.
pub(crate) enum ApplyError {
    /// The patch itself is wrong.
    Patch(String),
    /// A node no longer infers.
    Infer(VerifyError),
}

impl<'g> Editor<'g> {
    pub(crate) fn new(graph: &'g mut Graph) -> Self {
        let (users, uses) = (graph.users(), graph.use_counts());
        Editor { graph, users, uses }
    }

    pub(crate) fn graph(&self) -> &Graph {
        self.graph
    }

    pub(crate) fn view(&self) -> View<'_> {
        View::new(self.graph, &self.uses)
    }

    /// Applies a patch, removes what nothing reads any more, infers anew what changed type, and gives the nodes worth another look.
    pub(crate) fn apply(&mut self, patch: Patch) -> Result<Vec<NodeId>, ApplyError> {
        self.check(&patch)?;
        let mut again = BTreeSet::new();
        let mut stale = BTreeSet::new();
        let mut dead: Vec<ValueId> = Vec::new();
        for node in patch.nodes {
            let id = NodeId(self.graph.node_bound());
            let outputs = self.graph.add_node_unchecked(
                node.op,
                node.inputs.clone(),
                node.regions,
                node.types,
                node.known,
            );
            self.graph.node_mut(id).label = node.label;
            for (output, name) in outputs.iter().zip(node.names) {
                self.graph.value_mut(*output).name = name;
                self.users.push(Vec::new());
                self.uses.push(0);
            }
            again.insert(id);
            dead.extend(outputs);
            // Readers move only after all nodes are in, so a new node keeps reading a value that is replaced.
            for input in &node.inputs {
                self.uses[input.0 as usize] += 1;
            }
        }
        let new_nodes = again.clone();
        for (old, new) in &patch.replaced {
            self.take_over(*old, *new);
            for user in std::mem::take(&mut self.users[old.0 as usize]) {
                let node = self.graph.node_mut(user);
                for input in node.inputs.iter_mut().filter(|input| *input == old) {
                    *input = *new;
                    self.uses[old.0 as usize] -= 1;
                    self.uses[new.0 as usize] += 1;
                }
                let list = &mut self.users[new.0 as usize];
                if !list.contains(&user) {
                    list.push(user);
                }
                again.insert(user);
                stale.insert(user);
            }
            for index in 0..self.graph.outputs().len() {
                if self.graph.outputs()[index].value == *old {
                    self.graph.set_output(index, *new);
                    self.uses[old.0 as usize] -= 1;
                    self.uses[new.0 as usize] += 1;
                }
            }
            dead.push(*old);
        }
        for id in new_nodes {
            for input in self.graph.node(id).inputs.clone() {
                let list = &mut self.users[input.0 as usize];
                if !list.contains(&id) {
                    list.push(id);
                }
            }
        }
        self.remove_dead(dead);
        self.infer(stale, &mut again)?;
        again.retain(|id| self.graph.get_node(*id).is_some());
        Ok(again.into_iter().collect())
    }

    fn check(&self, patch: &Patch) -> Result<(), ApplyError> {
        let fail = |message: String| Err(ApplyError::Patch(message));
        if patch.base != self.graph.value_count() {
            return fail("the patch was made for another state of the graph".to_owned());
        }
        let new_types: Vec<_> = patch.nodes.iter().flat_map(|node| &node.types).collect();
        for (old, new) in &patch.replaced {
            if old.0 as usize >= patch.base {
                return fail(format!("{old} is not a value of the graph, so it cannot be replaced"));
            }
            let ty = match (new.0 as usize).checked_sub(patch.base) {
                Some(index) => match new_types.get(index) {
                    Some(ty) => *ty,
                    None => return fail(format!("{new} is not a value of the patch")),
                },
                None => self.graph.ty(*new),
            };
            if old == new || patch.replaced.iter().any(|(other, _)| other == new) {
                return fail(format!("{new} replaces itself or a value that is replaced too"));
            }
            if !self.graph.ty(*old).accepts(ty) {
                return fail(format!(
                    "a value of type {} would be replaced by one of type {ty}",
                    self.graph.ty(*old)
                ));
            }
        }
        Ok(())
    }

    /// Gives `new` the name and the finer type of `old`, unless it is an input of the graph.
    fn take_over(&mut self, old: ValueId, new: ValueId) {
        if matches!(self.graph.value(new).def, Def::Input(_)) {
            return;
        }
        let source = self.graph.value(old).clone();
        let target = self.graph.value_mut(new);
        target.ty = target.ty.refined_by(&source.ty);
        if target.known.is_none() {
            target.known = source.known;
        }
        if target.name.is_none() && !matches!(source.def, Def::Input(_)) {
            target.name = source.name;
        }
    }

    /// Removes the producers of values that nothing reads, and what only they read.
    fn remove_dead(&mut self, mut candidates: Vec<ValueId>) {
        while let Some(value) = candidates.pop() {
            let Some((id, node)) = self.graph.producer(value) else { continue };
            if node.outputs.iter().any(|v| self.uses[v.0 as usize] > 0) {
                continue;
            }
            for input in node.inputs.clone() {
                self.uses[input.0 as usize] -= 1;
                self.users[input.0 as usize].retain(|user| *user != id);
                candidates.push(input);
            }
            self.graph.remove_node(id);
        }
    }

    /// Infers `stale` nodes anew, and on from each whose outputs change.
    fn infer(&mut self, mut stale: BTreeSet<NodeId>, again: &mut BTreeSet<NodeId>) -> Result<(), ApplyError> {
        // A verified graph has no cycle, so this ends; the bound holds where a broken patch made one.
        let mut left = 64 + 16 * u64::from(self.graph.node_bound());
        while let Some(id) = stale.pop_first() {
            let Some(node) = self.graph.get_node(id) else { continue };
            let outputs = node.outputs.clone();
            let before: Vec<_> = outputs.iter().map(|v| self.graph.value(*v).clone()).collect();
            infer_one(self.graph, id).map_err(ApplyError::Infer)?;
            for (output, before) in outputs.iter().zip(before) {
                if *self.graph.value(*output) != before {
                    again.insert(id);
                    let users = &self.users[output.0 as usize];
                    stale.extend(users);
                    again.extend(users);
                }
            }
            left -= 1;
            if left == 0 {
                return Err(ApplyError::Patch("types do not settle: the patch made a cycle".to_owned()));
            }
        }
        Ok(())
    }
}
