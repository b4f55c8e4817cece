//! What the recurrent layers share: directions, activations, shape checks, and pieces of their unrolling.

use super::checks::same_extent;
use super::{
    Abs, Add, Broadcast, Clip, Concat, Div, Elu, HardSigmoid, LeakyRelu, Less, MatMul, Mul, Relu, Reshape,
    Select, Sigmoid, Slice, Softplus, Tanh, Transpose,
};
use crate::attr::{AttrValue, Real};
use crate::{ConstStore, Emit, InferCx, OpError, ValueId};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::attr_enum! {
    /// In which order a recurrent layer reads its sequence.
    pub enum Direction {
        /// From the first step to the last.
        Forward = "forward",
        /// From the last step to the first.
        Reverse = "reverse",
        /// Both, with weights for each: direction 0 is forward, direction 1 reverse.
        Bidirectional = "bidirectional",
    }
}

impl Direction {
    /// The number of directions: 1 or 2.
    pub fn count(self) -> usize {
        match self {
            Direction::Forward | Direction::Reverse => 1,
            Direction::Bidirectional => 2,
        }
    }

    /// Whether direction `index` starts at the last step.
    pub(super) fn reversed(self, index: usize) -> bool {
        self == Direction::Reverse || index == 1
    }
}

crate::attr_enum! {
    /// The activation functions of recurrent layers.
    pub enum RnnActivationKind {
        /// `max(x, 0)`.
        Relu = "relu",
        /// The hyperbolic tangent.
        Tanh = "tanh",
        /// `1 / (1 + e^-x)`.
        Sigmoid = "sigmoid",
        /// `alpha * x + beta`.
        Affine = "affine",
        /// `x` where it is not negative, else `alpha * x`.
        LeakyRelu = "leaky_relu",
        /// `x` where it is `alpha` or more, else 0.
        ThresholdedRelu = "thresholded_relu",
        /// `alpha * tanh(beta * x)`.
        ScaledTanh = "scaled_tanh",
        /// `alpha * x + beta` kept within 0 and 1.
        HardSigmoid = "hard_sigmoid",
        /// `x` where it is not negative, else `alpha * (e^x - 1)`.
        Elu = "elu",
        /// `x / (1 + |x|)`.
        Softsign = "softsign",
        /// `ln(1 + e^x)`.
        Softplus = "softplus",
    }
}

/// An activation of a recurrent layer with its parameters. Text: `tanh`, or `leaky_relu(0.01, 0.0)` where a parameter is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RnnActivation {
    /// Which function.
    pub kind: RnnActivationKind,
    /// The first parameter, where the function has one.
    pub alpha: Real,
    /// The second parameter, where the function has one.
    pub beta: Real,
}

impl From<RnnActivationKind> for RnnActivation {
    /// With parameters 0.
    fn from(kind: RnnActivationKind) -> Self {
        RnnActivation { kind, alpha: Real::from(0.0), beta: Real::from(0.0) }
    }
}

impl AttrValue for RnnActivation {
    fn print(&self) -> String {
        if *self == RnnActivation::from(self.kind) {
            self.kind.print()
        } else {
            format!("{}({}, {})", self.kind.print(), self.alpha.print(), self.beta.print())
        }
    }
    fn parse(text: &str, store: &ConstStore) -> Result<Self, String> {
        let Some((kind, parameters)) = text.split_once('(') else {
            return RnnActivationKind::parse(text, store).map(RnnActivation::from);
        };
        let (alpha, beta) = parameters
            .strip_suffix(')')
            .and_then(|inside| inside.split_once(','))
            .ok_or("expected two parameters in parentheses")?;
        Ok(RnnActivation {
            kind: RnnActivationKind::parse(kind.trim(), store)?,
            alpha: Real::parse(alpha.trim(), store)?,
            beta: Real::parse(beta.trim(), store)?,
        })
    }
}

impl RnnActivation {
    pub(super) fn eval(&self, x: f64) -> f64 {
        let (alpha, beta) = (self.alpha.get(), self.beta.get());
        match self.kind {
            RnnActivationKind::Relu if x < 0.0 => 0.0,
            RnnActivationKind::Relu => x,
            RnnActivationKind::Tanh => x.tanh(),
            RnnActivationKind::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            RnnActivationKind::Affine => alpha * x + beta,
            RnnActivationKind::LeakyRelu if x < 0.0 => alpha * x,
            RnnActivationKind::LeakyRelu => x,
            RnnActivationKind::ThresholdedRelu if x < alpha => 0.0,
            RnnActivationKind::ThresholdedRelu => x,
            RnnActivationKind::ScaledTanh => alpha * (beta * x).tanh(),
            RnnActivationKind::HardSigmoid => (alpha * x + beta).clamp(0.0, 1.0),
            RnnActivationKind::Elu if x < 0.0 => alpha * x.exp_m1(),
            RnnActivationKind::Elu => x,
            RnnActivationKind::Softsign => x / (1.0 + x.abs()),
            RnnActivationKind::Softplus if x.is_nan() => x,
            RnnActivationKind::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        }
    }

    pub(super) fn emit(&self, cx: &mut dyn Emit, x: ValueId) -> Result<ValueId, OpError> {
        let (alpha, beta) = (self.alpha, self.beta);
        match self.kind {
            RnnActivationKind::Relu => cx.one(Relu {}, &[x]),
            RnnActivationKind::Tanh => cx.one(Tanh {}, &[x]),
            RnnActivationKind::Sigmoid => cx.one(Sigmoid {}, &[x]),
            RnnActivationKind::Affine => {
                let scaled = scaled(cx, x, alpha)?;
                let beta = cx.scalar_like(x, beta.get())?;
                cx.one(Add {}, &[scaled, beta])
            }
            RnnActivationKind::LeakyRelu => cx.one(LeakyRelu { alpha }, &[x]),
            RnnActivationKind::ThresholdedRelu => {
                let threshold = cx.scalar_like(x, alpha.get())?;
                let zero = cx.scalar_like(x, 0.0)?;
                let below = cx.one(Less {}, &[x, threshold])?;
                cx.one(Select {}, &[below, zero, x])
            }
            RnnActivationKind::ScaledTanh => {
                let inner = scaled(cx, x, beta)?;
                let bent = cx.one(Tanh {}, &[inner])?;
                scaled(cx, bent, alpha)
            }
            RnnActivationKind::HardSigmoid => cx.one(HardSigmoid { alpha, beta }, &[x]),
            RnnActivationKind::Elu => cx.one(Elu { alpha }, &[x]),
            RnnActivationKind::Softsign => {
                let one = cx.scalar_like(x, 1.0)?;
                let size = cx.one(Abs {}, &[x])?;
                let below = cx.one(Add {}, &[size, one])?;
                cx.one(Div {}, &[x, below])
            }
            RnnActivationKind::Softplus => cx.one(Softplus {}, &[x]),
        }
    }
}

fn scaled(cx: &mut dyn Emit, x: ValueId, factor: Real) -> Result<ValueId, OpError> {
    let factor = cx.scalar_like(x, factor.get())?;
    cx.one(Mul {}, &[x, factor])
}

/// What is fixed for a recurrent layer of `gates` gates.
pub(super) struct Layer<'a> {
    pub(super) direction: Direction,
    pub(super) gates: usize,
    pub(super) hidden: usize,
    pub(super) activations: &'a [RnnActivation],
    /// Activations of one direction.
    pub(super) functions: usize,
    pub(super) clip: Option<Real>,
    /// Inputs without the lengths.
    pub(super) inputs: usize,
    /// Tensors that go from step to step.
    pub(super) states: usize,
}

impl Layer<'_> {
    /// The shapes of the outputs: of the state at all steps, then of each last state.
    pub(super) fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>, OpError> {
        let [steps, batch] = self.check(inputs)?;
        let state = Shape(vec![Dim::from(self.direction.count()), batch, Dim::from(self.hidden)]);
        let all = Shape(std::iter::once(steps).chain(state.iter().cloned()).collect());
        Ok(std::iter::once(all).chain(vec![state; self.states]).collect())
    }

    /// The dtype of the layer: that of all inputs but the lengths, which are i32.
    pub(super) fn dtype(&self, name: &str, cx: &InferCx<'_>) -> Result<DType, OpError> {
        let dtype = cx.dtype(0)?;
        if !dtype.is_float() {
            return Err(OpError::dtype(format!("{name} does not take {dtype}")));
        }
        for i in 1..cx.len() {
            let (given, expected) = (cx.dtype(i)?, if i < self.inputs { dtype } else { DType::I32 });
            if given != expected {
                return Err(OpError::dtype(format!("input {i} is {given}, {expected} is expected")));
            }
        }
        Ok(dtype)
    }

    /// Checks the inputs x, w, r, b, h0, where the layer has them c0 and p, and the lengths if they are given. Gives the extents T and N.
    fn check(&self, shapes: &[Shape]) -> Result<[Dim; 2], OpError> {
        let directions = self.direction.count();
        if self.activations.len() != directions * self.functions {
            return Err(OpError::attribute(format!(
                "activations has {} entries, {} are expected",
                self.activations.len(),
                directions * self.functions
            )));
        }
        if self.hidden == 0 {
            return Err(OpError::attribute("hidden is 0"));
        }
        if let Some(clip) = self.clip.filter(|clip| clip.get().is_nan() || clip.get() < 0.0) {
            return Err(OpError::attribute(format!("clip is {}", clip.get())));
        }
        let [steps, batch, features] = &shapes[0][..] else {
            return Err(OpError::shape(format!(
                "input 0 is {}, [steps, batch, features] is expected",
                shapes[0]
            )));
        };
        let (d, h) = (Dim::from(directions), Dim::from(self.hidden));
        let rows = Dim::from(self.gates) * h.clone();
        let state = vec![d.clone(), batch.clone(), h.clone()];
        let mut expected = vec![
            vec![d.clone(), rows.clone(), features.clone()],
            vec![d.clone(), rows.clone(), h.clone()],
            vec![d.clone(), rows * Dim::from(2)],
            state.clone(),
            state,
            vec![d, h * Dim::from(3)],
        ];
        expected.truncate(self.inputs - 1);
        expected.push(vec![batch.clone()]);
        for (i, (shape, expected)) in shapes[1..].iter().zip(expected).enumerate() {
            let message = || format!("input {} is {shape}, {} is expected", i + 1, Shape(expected.clone()));
            if shape.len() != expected.len() {
                return Err(OpError::shape(message()));
            }
            shape.iter().zip(&expected).try_for_each(|(a, b)| same_extent(a, b, message))?;
        }
        Ok([steps.clone(), batch.clone()])
    }

    pub(super) fn clipped(&self, x: f64) -> f64 {
        self.clip.map_or(x, |clip| if x.is_nan() { x } else { x.clamp(-clip.get(), clip.get()) })
    }

    pub(super) fn emit_clipped(&self, cx: &mut dyn Emit, x: ValueId) -> Result<ValueId, OpError> {
        let Some(clip) = self.clip else { return Ok(x) };
        let (low, high) = (cx.scalar_like(x, -clip.get())?, cx.scalar_like(x, clip.get())?);
        cx.one(Clip {}, &[x, low, high])
    }

    /// The order of steps in a direction.
    pub(super) fn steps(&self, direction: usize, steps: usize) -> Vec<usize> {
        if self.direction.reversed(direction) { (0..steps).rev().collect() } else { (0..steps).collect() }
    }

    /// The lengths of N sequences, as evaluation counts steps: T for each where none are given.
    pub(super) fn lengths(
        &self,
        inputs: &[Tensor],
        [steps, batch]: [usize; 2],
    ) -> Result<Vec<usize>, OpError> {
        match inputs.get(self.inputs).map(Tensor::to_elements) {
            None => Ok(vec![steps; batch]),
            Some(Elements::Int(lengths)) if lengths.len() == batch => {
                Ok(lengths.iter().map(|l| usize::try_from(*l).unwrap_or(0).min(steps)).collect())
            }
            Some(_) => Err(OpError::dtype("one integer is expected for each sequence, its length")),
        }
    }

    /// Emits the weights of a direction as `[inputs, rows]`.
    pub(super) fn emit_matrix(
        &self,
        cx: &mut dyn Emit,
        weights: ValueId,
        direction: usize,
    ) -> Result<ValueId, OpError> {
        let matrix = emit_item(cx, weights, direction)?;
        cx.one(Transpose { perm: vec![1, 0] }, &[matrix])
    }

    /// Emits the products of every step's input with the weights of a direction, plus `bias`: `[T, N, rows]`.
    pub(super) fn emit_projection(
        &self,
        cx: &mut dyn Emit,
        [x, weights, bias]: [ValueId; 3],
        direction: usize,
    ) -> Result<ValueId, OpError> {
        let matrix = self.emit_matrix(cx, weights, direction)?;
        let products = cx.one(MatMul {}, &[x, matrix])?;
        cx.one(Add {}, &[products, bias])
    }

    /// Emits gate `index` of values `[.., gates * H]`.
    pub(super) fn emit_gate(
        &self,
        cx: &mut dyn Emit,
        values: ValueId,
        index: usize,
    ) -> Result<ValueId, OpError> {
        let axis = cx.shape(values)?.len() - 1;
        emit_part(cx, values, axis, index * self.hidden, self.hidden)
    }
}

/// Which sequences of a batch run, step by step: all of them where the layer has no lengths.
pub(super) struct Running {
    /// `[N, 1]`.
    lengths: Option<ValueId>,
}

impl Running {
    /// Of the inputs of a layer.
    pub(super) fn emit(
        cx: &mut dyn Emit,
        layer: &Layer<'_>,
        inputs: &[ValueId],
        batch: &Dim,
    ) -> Result<Running, OpError> {
        let column = Reshape { shape: vec![batch.clone(), Dim::from(1)].into() };
        let lengths = inputs.get(layer.inputs).map(|lengths| cx.one(column, &[*lengths])).transpose()?;
        Ok(Running { lengths })
    }

    /// Emits the states after step `t`, each `[N, H]`: `fresh` where the sequence runs, the one before elsewhere; and what the layer gives for the step: the
    /// first state where the sequence runs, 0 elsewhere.
    pub(super) fn emit_step<const S: usize>(
        &self,
        cx: &mut dyn Emit,
        t: usize,
        fresh: [ValueId; S],
        before: [ValueId; S],
    ) -> Result<([ValueId; S], ValueId), OpError> {
        let Some(lengths) = self.lengths else { return Ok((fresh, fresh[0])) };
        let step = cx.scalar(DType::I32, t as f64)?;
        let runs = cx.one(Less {}, &[step, lengths])?;
        let zero = cx.scalar_like(fresh[0], 0.0)?;
        let shown = cx.one(Select {}, &[runs, fresh[0], zero])?;
        let mut states = fresh;
        for (state, before) in states.iter_mut().zip(before) {
            *state = cx.one(Select {}, &[runs, *state, before])?;
        }
        Ok((states, shown))
    }
}

/// Emits `size` elements from `start` on along `axis`.
pub(super) fn emit_part(
    cx: &mut dyn Emit,
    x: ValueId,
    axis: usize,
    start: usize,
    size: usize,
) -> Result<ValueId, OpError> {
    let shape = cx.shape(x)?;
    let (mut starts, mut sizes) = (vec![Dim::from(0); shape.len()], shape.to_vec());
    starts[axis] = Dim::from(start);
    sizes[axis] = Dim::from(size);
    cx.one(Slice { starts, sizes, steps: vec![1; shape.len()] }, &[x])
}

/// Emits item `index` of axis 0, without that axis.
pub(super) fn emit_item(cx: &mut dyn Emit, x: ValueId, index: usize) -> Result<ValueId, OpError> {
    let rest: Shape = cx.shape(x)?[1..].to_vec().into();
    let item = emit_part(cx, x, 0, index, 1)?;
    cx.one(Reshape { shape: rest }, &[item])
}

/// Emits values of one shape as the items of a new axis at `axis`; `shape` is that of the result, for the case that there are none.
pub(super) fn emit_stacked(
    cx: &mut dyn Emit,
    items: &[ValueId],
    axis: usize,
    shape: &[Dim],
    like: ValueId,
) -> Result<ValueId, OpError> {
    if items.is_empty() {
        let zero = cx.scalar_like(like, 0.0)?;
        return cx.one(Broadcast { shape: shape.to_vec().into() }, &[zero]);
    }
    let mut with_axis = shape.to_vec();
    with_axis[axis] = Dim::from(1);
    let items = items
        .iter()
        .map(|item| cx.one(Reshape { shape: with_axis.clone().into() }, &[*item]))
        .collect::<Result<Vec<_>, _>>()?;
    cx.one(Concat { axis: axis as i64 }, &items)
}

/// A steps extent as a number; recurrent layers unroll over it.
pub(super) fn constant_steps(steps: &Dim) -> Result<usize, OpError> {
    steps
        .as_const()
        .and_then(|steps| usize::try_from(steps).ok())
        .ok_or_else(|| OpError::unknown(format!("the number of steps, {steps}, is not known")))
}

/// `sum of a[i] * b[i]`.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
