//! The element emitter: code for one element, or one vector of elements, of any value at given coordinates.
//!
//! Coordinates are [`Index`] expressions, one per axis. Values in memory are loaded; all others are computed in place from their operands, movement ops by
//! mapping the coordinates. So every fusion is a matter of which values stay out of memory, and every index map composes and simplifies.
//!
//! With a lane variable in the coordinates the result is a vector of 4: component `l` is the element at the coordinates with the variable set to `l`.

mod contraction;
mod indexing;
mod movement;
mod reduction;
mod resample;
mod rounding;
mod scalar;
mod small_float;
mod window;

use crate::LowerError;
use satura_ir::{Graph, PrimOp, ValueId};
use satura_kernel::{Access, BinaryOp, BufferId, Builder, Index, IndexVar, Reg, Scalar, Storage, VarId};
use satura_tensor::{DType, SmallFloat, contiguous_strides};
use std::collections::HashMap;

pub(crate) use contraction::Contraction;
pub(crate) use movement::unflatten;
pub(crate) use reduction::subgroup_op;
pub(crate) use scalar::scalar_of;

type Memo = HashMap<(ValueId, Vec<Index>), Reg>;

/// Emits elements of values of one graph into one kernel.
pub(crate) struct Emitter<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) b: Builder,
    storages: &'a dyn Fn(ValueId) -> Option<Storage>,
    /// Elements that are bound before the first of a value, because bindings start at aligned addresses only.
    skews: &'a dyn Fn(ValueId) -> usize,
    /// The buffers bound so far, in binding order.
    pub(crate) bound: Vec<ValueId>,
    buffers: HashMap<ValueId, BufferId>,
    /// For each buffer, whether every access so far was of 4 elements at a multiple of 4.
    aligned: HashMap<BufferId, bool>,
    vars: HashMap<u32, Reg>,
    next_var: u32,
    memo: Vec<Memo>,
    /// Values that are in registers already, whatever the coordinates: accumulators and statistics of the row.
    given: HashMap<ValueId, Reg>,
    /// The lane variable, if vectors are being emitted.
    pub(crate) lane: Option<IndexVar>,
    in_memory: &'a dyn Fn(ValueId) -> bool,
}

impl<'a> Emitter<'a> {
    pub(crate) fn new(
        graph: &'a Graph,
        b: Builder,
        in_memory: &'a dyn Fn(ValueId) -> bool,
        storages: &'a dyn Fn(ValueId) -> Option<Storage>,
        skews: &'a dyn Fn(ValueId) -> usize,
    ) -> Self {
        Emitter {
            graph,
            b,
            storages,
            skews,
            bound: Vec::new(),
            buffers: HashMap::new(),
            aligned: HashMap::new(),
            vars: HashMap::new(),
            next_var: 0,
            memo: vec![Memo::new()],
            given: HashMap::new(),
            lane: None,
            in_memory,
        }
    }

    /// The sizes of a value; the graph was checked to have constant shapes.
    pub(crate) fn sizes(&self, value: ValueId) -> Vec<usize> {
        self.graph.ty(value).sizes().expect("shapes were checked to be constant")
    }

    pub(crate) fn dtype(&self, value: ValueId) -> DType {
        self.graph.ty(value).dtype().expect("values were checked to be tensors")
    }

    /// A new variable that `reg` holds, in `0..extent`.
    pub(crate) fn var(&mut self, reg: Reg, extent: usize) -> IndexVar {
        let var = IndexVar { id: self.next_var, extent: extent as i64 };
        self.next_var += 1;
        self.vars.insert(var.id, reg);
        var
    }

    /// A new lane variable, which no register holds: it stands for 0 to 3.
    pub(crate) fn lane_var(&mut self) -> IndexVar {
        let var = IndexVar { id: self.next_var, extent: 4 };
        self.next_var += 1;
        var
    }

    /// Index arithmetic as code. The expression must not mention the lane variable.
    pub(crate) fn index(&mut self, index: &Index) -> Reg {
        let vars = &self.vars;
        index.emit(&mut self.b, &|var| vars[&var.id])
    }

    /// Runs `f` in a block of its own: what it computes is forgotten afterwards.
    pub(crate) fn scoped<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        self.memo.push(Memo::new());
        let result = f(self);
        self.memo.pop();
        result
    }

    /// A loop over `0..extent`; unrolled if `unroll` or if it runs once.
    pub(crate) fn each(
        &mut self,
        extent: usize,
        unroll: bool,
        f: &mut dyn FnMut(&mut Self, &Index) -> Result<(), LowerError>,
    ) -> Result<(), LowerError> {
        if unroll || extent <= 1 {
            return (0..extent).try_for_each(|i| f(self, &Index::constant(i as i64)));
        }
        let (start, end) = (self.b.u32(0), self.b.u32(extent as u32));
        let counter = self.b.open_for();
        let var = self.var(counter, extent);
        let result = self.scoped(|em| f(em, &Index::var(var)));
        self.b.close_for(counter, start, end, 1);
        result
    }

    /// A block that runs where `condition` holds.
    pub(crate) fn when(
        &mut self,
        condition: Reg,
        f: impl FnOnce(&mut Self) -> Result<(), LowerError>,
    ) -> Result<(), LowerError> {
        if !self.b.open_if(condition) {
            return Ok(());
        }
        let result = self.scoped(f);
        self.b.close_if(condition);
        result
    }

    /// [`when`](Self::when), or at once without a condition.
    pub(crate) fn when_some(
        &mut self,
        condition: Option<Reg>,
        f: impl FnOnce(&mut Self) -> Result<(), LowerError>,
    ) -> Result<(), LowerError> {
        match condition {
            Some(condition) => self.when(condition, f),
            None => f(self),
        }
    }

    /// The index, or the last one of the extent where it lies beyond.
    pub(crate) fn at_most(&mut self, index: &Index, extent: usize) -> Index {
        if index.within(extent as i64) {
            return index.clone();
        }
        if let Some(lane) = self.lane.filter(|lane| index.mentions(*lane)) {
            // Vectors of the depth never straddle its end.
            if let Some((step, rest)) = index.linear_in(lane) {
                return self
                    .at_most(&rest, extent)
                    .add(&Index::var(lane).mul(step))
                    .assume_within(extent as i64);
            }
        }
        let (raw, last) = (self.index(index), self.b.u32(extent.saturating_sub(1) as u32));
        let clamped = self.b.binary(BinaryOp::Min, raw, last);
        Index::var(self.var(clamped, extent))
    }

    /// The root of a kernel: what was given for it, else computed.
    pub(crate) fn compute_given(&mut self, root: ValueId, coords: &[Index]) -> Result<Reg, LowerError> {
        match self.given.get(&root) {
            Some(reg) => Ok(*reg),
            None => self.scoped(|em| em.compute(root, coords)),
        }
    }

    /// Whether any coordinate mentions the lane variable.
    pub(crate) fn varies(&self, coords: &[Index]) -> bool {
        self.lane.is_some_and(|lane| coords.iter().any(|c| c.mentions(lane)))
    }

    /// The value at coordinates that may mention the lane variable, put together from the four scalars.
    pub(crate) fn per_lane(
        &mut self,
        coords: &[Index],
        mut f: impl FnMut(&mut Self, &[Index]) -> Result<Reg, LowerError>,
    ) -> Result<Reg, LowerError> {
        let Some(lane) = self.lane.filter(|_| self.varies(coords)) else { return f(self, coords) };
        let saved = self.lane.take();
        let mut parts = Vec::with_capacity(4);
        for l in 0..4 {
            let at: Vec<Index> = coords.iter().map(|c| c.at(lane, l)).collect();
            parts.push(f(self, &at)?);
        }
        self.lane = saved;
        Ok(self.b.compose(&parts))
    }

    /// A condition that an index lies in `0..extent`; `None` if it always does. The index must not mention the lane variable.
    pub(crate) fn inside(&mut self, index: &Index, extent: usize) -> Option<Reg> {
        if index.within(extent as i64) {
            return None;
        }
        let (reg, bound) = (self.index(index), self.b.u32(extent as u32));
        // A negative index has wrapped to a great one, so one comparison serves both ends.
        Some(self.b.binary(BinaryOp::Lt, reg, bound))
    }

    pub(crate) fn all(&mut self, conditions: Vec<Reg>) -> Option<Reg> {
        conditions.into_iter().reduce(|a, b| self.b.binary(BinaryOp::And, a, b))
    }

    /// An element of `value`.
    pub(crate) fn value(&mut self, value: ValueId, coords: &[Index]) -> Result<Reg, LowerError> {
        if let Some(reg) = self.given.get(&value) {
            return Ok(*reg);
        }
        let key = (value, coords.to_vec());
        if let Some(reg) = self.memo.iter().rev().find_map(|memo| memo.get(&key)) {
            return Ok(*reg);
        }
        let reg = self.fresh(value, coords)?;
        self.memo.last_mut().expect("the outermost scope is never left").insert(key, reg);
        Ok(reg)
    }

    fn fresh(&mut self, value: ValueId, coords: &[Index]) -> Result<Reg, LowerError> {
        if let Some(constant) = self.graph.constant(value)
            && constant.elements() == 1
            && let Some(reg) = self.literal(constant)
        {
            return Ok(reg);
        }
        if (self.in_memory)(value) {
            return self.load(value, coords);
        }
        let computed = self.compute(value, coords)?;
        Ok(self.rounded(value, computed))
    }

    /// Gives a value for all coordinates, as it would be read from memory.
    pub(crate) fn give(&mut self, value: ValueId, reg: Reg) {
        let kept = self.rounded(value, reg);
        self.given.insert(value, kept);
    }

    /// Computes an element from the operands of the value's op, even if the value is in memory for others.
    pub(crate) fn compute(&mut self, value: ValueId, coords: &[Index]) -> Result<Reg, LowerError> {
        let Some((id, node)) = self.graph.producer(value) else {
            return Err(LowerError::internal("an input is not in memory"));
        };
        let Some(op) = node.op.prim() else {
            return Err(LowerError::unsupported(
                self.graph,
                id,
                "it is a composite, which must be decomposed first",
            ));
        };
        let x = &node.inputs;
        match op {
            PrimOp::Const(_) => Err(LowerError::internal("a constant is not in memory")),
            PrimOp::Reshape(_) => self.reshape(x[0], &self.sizes(value), coords),
            PrimOp::Transpose(op) => self.transpose(x[0], &op.perm, coords),
            PrimOp::Broadcast(_) => self.broadcast(x[0], coords),
            PrimOp::Slice(op) => self.slice(x[0], op, coords),
            PrimOp::Pad(op) => self.pad(x[0], x[1], op, coords),
            PrimOp::Concat(op) => self.concat(x, op.axis, coords),
            PrimOp::Iota(op) => self.iota(op, coords),
            PrimOp::Gather(op) => self.gather(x[0], x[1], op.axis, coords),
            PrimOp::GatherElements(op) => self.gather_elements(x[0], x[1], op.axis, coords),
            PrimOp::GatherNd(op) => self.gather_nd(x[0], x[1], op.batch_dims, coords),
            PrimOp::Reduce(op) => self.reduce(x[0], op, coords),
            PrimOp::ArgReduce(op) => self.arg_reduce(x[0], op, coords),
            PrimOp::Scan(op) => self.scan(x[0], op, coords),
            PrimOp::MatMul(_) | PrimOp::Conv(_) => self.contract(value, coords),
            PrimOp::ConvTranspose(op) => self.conv_transpose(x[0], x[1], op, coords),
            PrimOp::MaxPool(op) => self.max_pool(x[0], op, coords),
            PrimOp::AvgPool(op) => self.avg_pool(x[0], op, coords),
            PrimOp::Resize(op) => self.resize(x[0], op, coords),
            PrimOp::ScatterElements(op) => self.scatter_elements([x[0], x[1], x[2]], op, coords),
            PrimOp::ScatterNd(op) => self.scatter_nd([x[0], x[1], x[2]], op, coords),
            PrimOp::ShapeOf(_) | PrimOp::If(_) | PrimOp::Loop(_) => {
                Err(LowerError::unsupported(self.graph, id, "it is not arithmetic on elements"))
            }
            op => self.elementwise(op, value, x, coords),
        }
    }

    /// The buffer that holds a value, bound when first asked for.
    pub(crate) fn buffer(&mut self, value: ValueId, access: Access) -> Result<BufferId, LowerError> {
        if let Some(id) = self.buffers.get(&value) {
            return Ok(*id);
        }
        let storage = (self.storages)(value)
            .ok_or_else(|| LowerError::internal(&format!("{} has no storage", self.graph.ty(value))))?;
        // An empty tensor still has a buffer; no access reaches it.
        let count = self.sizes(value).iter().product::<usize>().max(1);
        let elements = ((self.skews)(value) + count).next_multiple_of(storage.per_word());
        let name = if access == Access::Read {
            format!("x{}", self.bound.len())
        } else {
            format!("y{}", self.bound.len())
        };
        let id = self.b.buffer(&name, storage, elements, access, 1);
        self.buffers.insert(value, id);
        self.bound.push(value);
        self.aligned.insert(id, true);
        Ok(id)
    }

    fn linear(&self, value: ValueId, coords: &[Index]) -> Index {
        let strides = contiguous_strides(&self.sizes(value));
        coords.iter().zip(strides).fold(Index::constant(0), |sum, (c, s)| sum.add(&c.mul(s as i64)))
    }

    /// Loads an element, or a vector along the lanes.
    pub(crate) fn load(&mut self, value: ValueId, coords: &[Index]) -> Result<Reg, LowerError> {
        let buffer = self.buffer(value, Access::Read)?;
        let index = self.linear(value, coords).offset((self.skews)(value) as i64);
        let loaded = self.load_at(buffer, &index)?;
        Ok(match SmallFloat::of(self.dtype(value)) {
            Some(format) => self.decode_small(loaded, format),
            None => loaded,
        })
    }

    /// Loads an element that this kernel stored before, in the same invocation. The index must not mention the lane variable.
    pub(crate) fn load_stored(&mut self, value: ValueId, index: &Index) -> Result<Reg, LowerError> {
        let buffer = self.buffer(value, Access::ReadWrite)?;
        self.note(buffer, false);
        let at = self.index(index);
        Ok(self.b.load(buffer, at, 1))
    }

    /// Loads at an element index, which may mention the lane variable.
    fn load_at(&mut self, buffer: BufferId, index: &Index) -> Result<Reg, LowerError> {
        if let Some(lane) = self.lane.filter(|lane| index.mentions(*lane)) {
            if let Some((1, rest)) = index.linear_in(lane) {
                self.note(buffer, rest.is_multiple_of(4));
                let at = self.index(&rest);
                return Ok(self.b.load(buffer, at, 4));
            }
            self.note(buffer, false);
            let parts: Vec<Reg> = (0..4)
                .map(|l| {
                    let at = self.index(&index.at(lane, l));
                    self.b.load(buffer, at, 1)
                })
                .collect();
            return Ok(self.b.compose(&parts));
        }
        self.note(buffer, false);
        let at = self.index(index);
        Ok(self.b.load(buffer, at, 1))
    }

    fn note(&mut self, buffer: BufferId, aligned: bool) {
        self.aligned.entry(buffer).and_modify(|a| *a &= aligned).or_insert(aligned);
    }

    /// Stores an element, or a vector along the lanes, of an output.
    pub(crate) fn store(&mut self, value: ValueId, index: &Index, element: Reg) -> Result<(), LowerError> {
        let buffer = self.buffer(value, Access::ReadWrite)?;
        let index = &index.offset((self.skews)(value) as i64);
        let element = match SmallFloat::of(self.dtype(value)) {
            Some(format) => self.encode_small(element, format),
            None => element,
        };
        match self.lane.filter(|lane| index.mentions(*lane)).map(|lane| (lane, index.linear_in(lane))) {
            Some((_, Some((1, rest)))) => {
                self.note(buffer, rest.is_multiple_of(4));
                let at = self.index(&rest);
                let element = self.b.widen(element, 4);
                self.b.store(buffer, at, element);
            }
            Some((lane, _)) => {
                self.note(buffer, false);
                for l in 0..4u8 {
                    let at = self.index(&index.at(lane, i64::from(l)));
                    let part = self.b.extract(element, l);
                    self.b.store(buffer, at, part);
                }
            }
            None => {
                self.note(buffer, false);
                let at = self.index(index);
                self.b.store(buffer, at, element);
            }
        }
        Ok(())
    }

    /// The kernel and the values bound to it, in order. Buffers that are only accessed by aligned vectors are declared so.
    pub(crate) fn finish(mut self, groups: u32) -> (satura_kernel::Kernel, Vec<ValueId>) {
        for (id, aligned) in &self.aligned {
            if *aligned {
                self.b.declare_vectors(*id);
            }
        }
        (self.b.finish(groups), self.bound)
    }

    /// A variable that starts with `init`.
    pub(crate) fn accumulator(&mut self, init: Reg) -> VarId {
        self.b.declare(init)
    }

    pub(crate) fn literal(&mut self, tensor: &satura_tensor::Tensor) -> Option<Reg> {
        let reg = match (tensor.to_elements(), scalar_of(tensor.dtype())?) {
            (satura_tensor::Elements::Float(v), Scalar::F32) => self.b.f32(v[0] as f32),
            (satura_tensor::Elements::Int(v), Scalar::I32) => {
                let value = i32::try_from(v[0]).ok()?;
                self.b.i32(value)
            }
            (satura_tensor::Elements::Int(v), Scalar::U32) => {
                let value = u32::try_from(v[0]).ok()?;
                self.b.u32(value)
            }
            (satura_tensor::Elements::Bool(v), Scalar::Bool) => self.b.bool(v[0]),
            _ => return None,
        };
        Some(reg)
    }

    /// The zero of a dtype.
    pub(crate) fn zero(&mut self, dtype: DType) -> Result<Reg, LowerError> {
        match scalar_of(dtype) {
            Some(Scalar::F32) => Ok(self.b.f32(0.0)),
            Some(Scalar::I32) => Ok(self.b.i32(0)),
            Some(Scalar::U32) => Ok(self.b.u32(0)),
            Some(Scalar::Bool) => Ok(self.b.bool(false)),
            None => Err(LowerError::internal(&format!("{dtype} has no registers"))),
        }
    }
}
