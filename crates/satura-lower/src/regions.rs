//! Fusion: which values are computed together in one kernel, and which pass through memory.
//!
//! Every value that is not in memory has one *home*: the root of the only kernel that computes it. Walking the graph backwards, a value's home is that of its readers if they all
//! have the same and can compute it in place; else it becomes a root itself. Since all readers of a value without memory lie in one kernel, kernels can never wait for each other in a circle.
//!
//! A kernel has at most one core: a contraction or another loop nest, whose result its elementwise epilogue uses at its own position; or reductions that share their rows,
//! with elementwise parts before, between and after them (softmax and the norms are such row programs).

use crate::support::device_op;
use satura_ir::ops::{Reduce, axis_indices};
use satura_ir::{Graph, NodeId, Op, PrimOp, ValueId, elementwise_prims};
use std::collections::BTreeSet;

/// What a kernel computes besides elementwise arithmetic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Core {
    /// Nothing.
    Elements,
    /// One op that is a loop nest of its own.
    Nest(ValueId),
    /// Reductions over the same axes of the same shape.
    Rows(Rows),
}

/// Reductions that share their rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rows {
    /// The shape that is reduced.
    pub(crate) domain: Vec<usize>,
    /// The reduced axes, sorted.
    pub(crate) axes: Vec<usize>,
    /// The reductions, in topological order.
    pub(crate) reductions: Vec<ValueId>,
    /// Whether the root has the shape of the domain; else it has one element a row.
    pub(crate) full: bool,
}

/// Where a value stands in its kernel, as seen from the root's position.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Align {
    /// At the root's own coordinates, in the shape of the domain.
    Domain,
    /// At the root's row-major position, in another shape.
    Flat,
    /// One element for each row.
    Row,
    /// Anywhere.
    Other,
}

/// One kernel: its root, and its core.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    pub(crate) root: ValueId,
    pub(crate) core: Core,
}

/// What runs, in order.
#[derive(Clone, Debug)]
pub(crate) enum Unit {
    Kernel(Region),
    Host(NodeId),
}

/// The result of fusion.
pub(crate) struct Fusion {
    /// Kernels and host nodes, in an order in which everything is ready.
    pub(crate) units: Vec<Unit>,
    /// By value id: whether the value is in memory.
    pub(crate) in_memory: Vec<bool>,
}

/// How an op takes part in fusion.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    Constant,
    Elementwise,
    Movement,
    /// Computed at any coordinates, but more than a move.
    Indexing,
    Reduce,
    Contraction,
    Nest,
    Host,
}

fn class(op: &Op) -> Class {
    match op.prim() {
        None => Class::Host,
        Some(op) => match op {
            PrimOp::Const(_) => Class::Constant,
            PrimOp::Reshape(_) | PrimOp::Transpose(_) | PrimOp::Broadcast(_) | PrimOp::Slice(_) => {
                Class::Movement
            }
            PrimOp::Pad(_)
            | PrimOp::Concat(_)
            | PrimOp::Iota(_)
            | PrimOp::Gather(_)
            | PrimOp::GatherElements(_)
            | PrimOp::GatherNd(_) => Class::Indexing,
            PrimOp::Reduce(_) => Class::Reduce,
            PrimOp::MatMul(_) | PrimOp::Conv(_) => Class::Contraction,
            PrimOp::ConvTranspose(_)
            | PrimOp::MaxPool(_)
            | PrimOp::AvgPool(_)
            | PrimOp::Resize(_)
            | PrimOp::Scan(_)
            | PrimOp::ArgReduce(_)
            | PrimOp::ScatterElements(_)
            | PrimOp::ScatterNd(_) => Class::Nest,
            PrimOp::ShapeOf(_) | PrimOp::If(_) | PrimOp::Loop(_) => Class::Host,
            elementwise_prims!() => Class::Elementwise,
        },
    }
}

struct Search<'a> {
    graph: &'a Graph,
    host: &'a dyn Fn(NodeId) -> bool,
    users: Vec<Vec<NodeId>>,
    outputs: BTreeSet<ValueId>,
    home: Vec<Option<ValueId>>,
    align: Vec<Align>,
    /// Whether the value, if computed in place, is computed again and again: an operand of a contraction or a window.
    hot: Vec<bool>,
    /// By root.
    cores: Vec<Core>,
    forced: &'a BTreeSet<ValueId>,
}

/// Finds the kernels of a graph of primitives with constant shapes. `host` tells which nodes run on the host; no kernel binds more than `max_bindings` buffers.
pub(crate) fn fuse(
    graph: &Graph,
    order: &[NodeId],
    host: &dyn Fn(NodeId) -> bool,
    max_bindings: usize,
) -> Fusion {
    let mut forced = BTreeSet::new();
    loop {
        let search = Search::run(graph, order, host, &forced);
        let fusion = search.fusion(order);
        let Some(value) = search.over_limit(&fusion, max_bindings) else { return fusion };
        forced.insert(value);
    }
}

impl<'a> Search<'a> {
    fn run(
        graph: &'a Graph,
        order: &[NodeId],
        host: &'a dyn Fn(NodeId) -> bool,
        forced: &'a BTreeSet<ValueId>,
    ) -> Self {
        let count = graph.value_count();
        let mut search = Search {
            graph,
            host,
            users: graph.users(),
            outputs: graph.outputs().iter().map(|o| o.value).collect(),
            home: vec![None; count],
            align: vec![Align::Other; count],
            hot: vec![false; count],
            cores: vec![Core::Elements; count],
            forced,
        };
        for id in order.iter().rev() {
            let node = graph.node(*id);
            if node.outputs.len() == 1 && !host(*id) && class(&node.op) != Class::Constant {
                search.place(*id, node.outputs[0]);
            }
        }
        search
    }

    fn sizes(&self, value: ValueId) -> Vec<usize> {
        self.graph.ty(value).sizes().unwrap_or_default()
    }

    fn elements(&self, value: ValueId) -> usize {
        self.sizes(value).iter().product()
    }

    fn place(&mut self, id: NodeId, value: ValueId) {
        let class = class(&self.graph.node(id).op);
        let home = self.common_home(value, class);
        self.hot[value.0 as usize] = self.read_again(value);
        match home {
            Some((root, align)) => {
                self.home[value.0 as usize] = Some(root);
                self.align[value.0 as usize] = align;
                match class {
                    Class::Contraction | Class::Nest => self.cores[root.0 as usize] = Core::Nest(value),
                    Class::Reduce => self.join_rows(value, root, align),
                    _ => {}
                }
            }
            None => {
                self.home[value.0 as usize] = Some(value);
                self.align[value.0 as usize] = Align::Domain;
                self.hot[value.0 as usize] = false;
                match class {
                    Class::Contraction | Class::Nest => self.cores[value.0 as usize] = Core::Nest(value),
                    Class::Reduce => self.join_rows(value, value, Align::Domain),
                    _ => {}
                }
            }
        }
    }

    /// The home that all readers of a value share, if the value may be computed there, and where it stands.
    fn common_home(&self, value: ValueId, class: Class) -> Option<(ValueId, Align)> {
        if self.outputs.contains(&value) || self.forced.contains(&value) {
            return None;
        }
        let users = &self.users[value.0 as usize];
        let mut found: Option<(ValueId, Align)> = None;
        for user in users {
            let (root, align) = self.home_at(*user, value, class)?;
            found = match found {
                None => Some((root, align)),
                Some((other, _)) if other != root => return None,
                Some((_, before)) if before == align => Some((root, align)),
                Some(_) => Some((root, Align::Other)),
            };
        }
        let (root, align) = found?;
        let core = &self.cores[root.0 as usize];
        match class {
            Class::Contraction | Class::Nest => {
                let joins = matches!(align, Align::Domain | Align::Flat) && *core == Core::Elements;
                return joins.then_some((root, align));
            }
            Class::Reduce => return self.rows_fit(value, root, align).then_some((root, align)),
            Class::Movement => {}
            Class::Elementwise | Class::Indexing => {
                if self.read_again(value) {
                    return None;
                }
                // What several readers need at different places would be computed for each of them.
                if users.len() > 1 && align == Align::Other {
                    return None;
                }
                let times = self.evaluations(root);
                let shared_row = align == Align::Row && self.follows_reduction(value, root);
                if times >= 2 * self.elements(value).max(1) && !shared_row {
                    return None;
                }
            }
            Class::Constant | Class::Host => return None,
        }
        Some((root, align))
    }

    /// How often a value in this kernel is computed if it is at the domain's position.
    fn evaluations(&self, root: ValueId) -> usize {
        match &self.cores[root.0 as usize] {
            Core::Rows(rows) => rows.domain.iter().product(),
            Core::Elements | Core::Nest(_) => self.elements(root),
        }
    }

    fn read_again(&self, value: ValueId) -> bool {
        self.users[value.0 as usize].iter().any(|user| {
            let node = self.graph.node(*user);
            matches!(class(&node.op), Class::Contraction | Class::Nest)
                || node.outputs.iter().any(|o| self.home[o.0 as usize] != Some(*o) && self.hot[o.0 as usize])
                || (class(&node.op) == Class::Movement && node.outputs.iter().any(|o| self.hot[o.0 as usize]))
        })
    }

    fn home_at(&self, user: NodeId, value: ValueId, of: Class) -> Option<(ValueId, Align)> {
        let node = self.graph.node(user);
        if (self.host)(user) {
            return None;
        }
        let out = node.outputs[0];
        let root = self.home[out.0 as usize]?;
        match class(&node.op) {
            Class::Elementwise => Some((root, self.align_through(value, out, root))),
            Class::Movement => {
                let flat = matches!(node.op.prim(), Some(PrimOp::Reshape(_)));
                let align = match self.align[out.0 as usize] {
                    Align::Domain | Align::Flat if flat => {
                        if matches!(self.cores[root.0 as usize], Core::Rows(_)) {
                            Align::Other
                        } else {
                            Align::Flat
                        }
                    }
                    Align::Row if flat => Align::Row,
                    _ => Align::Other,
                };
                Some((root, align))
            }
            Class::Indexing => (of != Class::Reduce).then_some((root, Align::Other)),
            Class::Reduce => {
                let in_rows = matches!(&self.cores[root.0 as usize], Core::Rows(rows) if rows.reductions.contains(&out));
                match &self.cores[root.0 as usize] {
                    Core::Rows(rows) if in_rows && rows.domain == self.sizes(value) => {
                        Some((root, Align::Domain))
                    }
                    _ => None,
                }
            }
            Class::Contraction => (of == Class::Movement).then_some((root, Align::Other)),
            Class::Constant | Class::Nest | Class::Host => None,
        }
    }

    /// Where an operand of an elementwise op stands, from where its result `out` stands.
    fn align_through(&self, value: ValueId, out: ValueId, root: ValueId) -> Align {
        let (own, result) = (self.sizes(value), self.sizes(out));
        match self.align[out.0 as usize] {
            Align::Domain | Align::Flat if own == result => self.align[out.0 as usize],
            Align::Domain => match &self.cores[root.0 as usize] {
                Core::Rows(rows) if own == kept(&rows.domain, &rows.axes) && result == rows.domain => {
                    Align::Row
                }
                Core::Elements if is_row_shape(&own, &result) => Align::Row,
                _ => Align::Other,
            },
            Align::Row if own.iter().product::<usize>() == result.iter().product::<usize>() => Align::Row,
            Align::Row | Align::Flat | Align::Other => Align::Other,
        }
    }

    fn reduce_of(&self, value: ValueId) -> Option<(&Reduce, ValueId)> {
        let (_, node) = self.graph.producer(value)?;
        match node.op.prim()? {
            PrimOp::Reduce(op) => Some((op, node.inputs[0])),
            _ => None,
        }
    }

    fn rows_of(&self, value: ValueId, full: bool) -> Option<Rows> {
        let (op, x) = self.reduce_of(value)?;
        let domain = self.sizes(x);
        let axes = axis_indices(op.axes.as_deref(), domain.len()).ok()?;
        Some(Rows { domain, axes, reductions: vec![value], full })
    }

    /// Whether a reduction may join the kernel of `root`.
    fn rows_fit(&self, value: ValueId, root: ValueId, align: Align) -> bool {
        let Some(own) = self.rows_of(value, true) else { return false };
        match (&self.cores[root.0 as usize], align) {
            (Core::Elements, Align::Row) => self.sizes(root) == own.domain && self.rows_are(root, &own),
            (Core::Elements, Align::Domain | Align::Flat) => true,
            (Core::Rows(rows), Align::Row) => rows.domain == own.domain && rows.axes == own.axes,
            _ => false,
        }
    }

    /// Whether everything that stands as a row in the kernel so far is a row of these.
    fn rows_are(&self, root: ValueId, rows: &Rows) -> bool {
        let count: usize = kept(&rows.domain, &rows.axes).iter().product();
        (0..self.home.len()).filter(|v| self.home[*v] == Some(root) && self.align[*v] == Align::Row).all(
            |v| {
                let sizes = self.sizes(ValueId(v as u32));
                sizes.iter().product::<usize>() == count
                    && (sizes.len() != rows.domain.len() || sizes == kept(&rows.domain, &rows.axes))
            },
        )
    }

    fn join_rows(&mut self, value: ValueId, root: ValueId, align: Align) {
        if let Core::Rows(rows) = &mut self.cores[root.0 as usize] {
            // Walking backwards meets the last reduction first.
            rows.reductions.insert(0, value);
            self.align[value.0 as usize] = Align::Row;
            return;
        }
        let full = align == Align::Row;
        let Some(rows) = self.rows_of(value, full) else { return };
        if !full {
            // The root has one element a row: whatever stood at its position stands at a row now.
            for v in 0..self.home.len() {
                if self.home[v] == Some(root) {
                    self.align[v] = match self.align[v] {
                        Align::Domain | Align::Flat => Align::Row,
                        Align::Row | Align::Other => Align::Other,
                    };
                }
            }
        }
        self.align[value.0 as usize] = Align::Row;
        self.cores[root.0 as usize] = Core::Rows(rows);
    }

    /// Whether a value that stands as a row comes from a reduction over the kernel's domain, through ops on rows.
    fn follows_reduction(&self, value: ValueId, root: ValueId) -> bool {
        let domain = match &self.cores[root.0 as usize] {
            Core::Rows(rows) => rows.domain.clone(),
            Core::Elements => self.sizes(root),
            Core::Nest(_) => return false,
        };
        let count = self.elements(value);
        let mut pending = vec![value];
        let mut seen = BTreeSet::new();
        while let Some(at) = pending.pop() {
            if !seen.insert(at) || seen.len() > 64 || self.elements(at) != count {
                continue;
            }
            let Some((_, node)) = self.graph.producer(at) else { continue };
            match class(&node.op) {
                Class::Reduce if self.sizes(node.inputs[0]) == domain => return true,
                Class::Elementwise => pending.extend(&node.inputs),
                Class::Movement if matches!(node.op.prim(), Some(PrimOp::Reshape(_))) => {
                    pending.extend(&node.inputs)
                }
                _ => {}
            }
        }
        false
    }

    fn fusion(&self, order: &[NodeId]) -> Fusion {
        let mut in_memory = vec![false; self.graph.value_count()];
        let mut units = Vec::new();
        for input in self.graph.inputs() {
            in_memory[input.0 as usize] = true;
        }
        for id in order {
            let node = self.graph.node(*id);
            if class(&node.op) == Class::Constant {
                in_memory[node.outputs[0].0 as usize] = true;
            } else if (self.host)(*id) {
                node.outputs.iter().for_each(|o| in_memory[o.0 as usize] = true);
                units.push(Unit::Host(*id));
            } else {
                let value = node.outputs[0];
                if self.home[value.0 as usize] == Some(value) {
                    in_memory[value.0 as usize] = true;
                    units.push(Unit::Kernel(Region {
                        root: value,
                        core: self.cores[value.0 as usize].clone(),
                    }));
                }
            }
        }
        Fusion { units, in_memory }
    }

    /// The values in memory that a kernel reads, and the values it computes, nearest to the root first.
    fn operands(&self, root: ValueId, in_memory: &[bool]) -> (BTreeSet<ValueId>, Vec<ValueId>) {
        let (mut read, mut computed) = (BTreeSet::new(), Vec::new());
        let mut pending = std::collections::VecDeque::from([root]);
        let mut seen = BTreeSet::new();
        while let Some(value) = pending.pop_front() {
            if !seen.insert(value) {
                continue;
            }
            if value != root && in_memory[value.0 as usize] {
                if self.graph.constant(value).is_none_or(|t| t.elements() != 1) {
                    read.insert(value);
                }
                continue;
            }
            computed.push(value);
            if let Some((_, node)) = self.graph.producer(value) {
                pending.extend(&node.inputs);
            }
        }
        (read, computed)
    }

    /// A value to put in memory because its kernel binds too many buffers: the one whose operands take most of the surplus away.
    fn over_limit(&self, fusion: &Fusion, max_bindings: usize) -> Option<ValueId> {
        for unit in &fusion.units {
            let Unit::Kernel(region) = unit else { continue };
            let (read, computed) = self.operands(region.root, &fusion.in_memory);
            if read.len() < max_bindings {
                continue;
            }
            let half = computed
                .iter()
                .skip(1)
                .filter(|v| !self.forced.contains(v))
                .max_by_key(|v| {
                    let below = self.operands(**v, &fusion.in_memory).0.len();
                    if below < max_bindings { below } else { 0 }
                })
                .copied();
            if half.is_some() {
                return half;
            }
        }
        None
    }
}

/// A shape with extent 1 at some axes.
pub(crate) fn kept(sizes: &[usize], axes: &[usize]) -> Vec<usize> {
    sizes.iter().enumerate().map(|(a, s)| if axes.contains(&a) { 1 } else { *s }).collect()
}

/// Whether `own` is `full` with some axes at extent 1.
fn is_row_shape(own: &[usize], full: &[usize]) -> bool {
    own.len() == full.len() && own != full && own.iter().zip(full).all(|(a, b)| a == b || *a == 1)
}

/// Whether a node runs on the host, and why.
pub(crate) fn host_reason(graph: &Graph, id: NodeId, storable: &dyn Fn(ValueId) -> bool) -> Option<String> {
    let node = graph.node(id);
    if class(&node.op) == Class::Constant {
        return None;
    }
    device_op(graph, id).or_else(|| {
        let lacking = node.inputs.iter().chain(&node.outputs).find(|v| !storable(**v))?;
        Some(format!("the device has no {}", graph.ty(*lacking)))
    })
}
