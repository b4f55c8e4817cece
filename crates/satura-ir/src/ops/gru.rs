//! Gated recurrent unit.

use super::checks::{floats, output_sizes};
use super::recurrent::{
    Direction, Layer, RnnActivation, Running, constant_steps, dot, emit_item, emit_part, emit_stacked,
};
use super::{Add, Broadcast, Concat, MatMul, Mul, Sub};
use crate::attr::Real;
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::op_struct! {
    /// A GRU layer over T steps. Inputs: `x: [T, N, I]`, `w: [D, 3H, I]`, `r: [D, 3H, H]`, `b: [D, 6H]` (of the inputs, then recurrent), initial state `h0: [D, N, H]`, and optionally
    /// the length of each sequence, `[N]`, i32. Gates lie in the order update, reset, hidden. Outputs: `y: [T, D, N, H]` and the last `h: [D, N, H]`. Floats of one dtype; the state stays in
    /// f64 from step to step. Steps beyond the length of a sequence give 0 and leave the state as it is; in reverse the first step is the last one within the length.
    ///
    /// `z = f(x*wz + h*rz + bz)`, `r` alike, `n = g(x*wh + (r*h)*rh + bh)`, `h = (1 - z)*n + z*h` with activations `f, g`.
    pub struct Gru {
        /// Which way the sequence is read.
        pub direction: Direction,
        /// H.
        pub hidden: usize,
        /// `f, g` for each direction.
        pub activations: Vec<RnnActivation>,
        /// Gates are kept within plus and minus this before their activation.
        pub clip: Option<Real>,
        /// Whether the reset gate multiplies `h*rh` with its bias, instead of `h`.
        pub linear_before_reset: bool,
    }
}

impl OpDef for Gru {
    const NAME: &'static str = "gru";

    fn arity(&self) -> Arity {
        5..=6
    }

    fn outputs(&self) -> usize {
        2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![self.layer().dtype(Self::NAME, cx)?; 2])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        self.layer()
            .output_shapes(&(0..cx.len()).map(|i| cx.shape(i).cloned()).collect::<Result<Vec<_>, _>>()?)
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let shapes =
            self.layer().output_shapes(&inputs.iter().map(|t| Shape::of(t.shape())).collect::<Vec<_>>())?;
        let sizes = shapes.iter().map(output_sizes).collect::<Result<Vec<_>, _>>()?;
        let values = inputs.iter().take(5).map(|t| floats(Self::NAME, t)).collect::<Result<Vec<_>, _>>()?;
        let [x, w, r, b, h0] = &values[..] else { return Err(OpError::arity("5 inputs expected")) };
        let [steps, directions, batch, hidden] = sizes[0][..] else {
            return Err(OpError::shape("the output has 4 axes"));
        };
        let features = inputs[0].shape()[2];
        let layer = self.layer();
        let lengths = layer.lengths(inputs, [steps, batch])?;
        let mut y = vec![0.0; steps * directions * batch * hidden];
        let mut h_last = h0.clone();
        for d in 0..directions {
            let [f, g] = [0, 1].map(|i| self.activations[d * 2 + i]);
            let row = |gate: usize, j: usize| (d * 3 + gate) * hidden + j;
            let bias = |half: usize, gate: usize, j: usize| b[(d * 6 + half * 3 + gate) * hidden + j];
            let recurrent = |gate: usize, j: usize, h: &[f64]| dot(h, &r[row(gate, j) * hidden..][..hidden]);
            for n in 0..batch {
                let at = (d * batch + n) * hidden;
                let mut h = h0[at..at + hidden].to_vec();
                for t in layer.steps(d, lengths[n]) {
                    let input = &x[(t * batch + n) * features..][..features];
                    let from_input = |gate: usize, j: usize| {
                        dot(input, &w[row(gate, j) * features..][..features]) + bias(0, gate, j)
                    };
                    let gate = |gate: usize, j: usize| {
                        f.eval(layer.clipped(from_input(gate, j) + recurrent(gate, j, &h) + bias(1, gate, j)))
                    };
                    let reset: Vec<f64> = (0..hidden).map(|j| gate(1, j)).collect();
                    let faded: Vec<f64> = h.iter().zip(&reset).map(|(h, r)| h * r).collect();
                    let next = (0..hidden).map(|j| {
                        let from_state = if self.linear_before_reset {
                            reset[j] * (recurrent(2, j, &h) + bias(1, 2, j))
                        } else {
                            recurrent(2, j, &faded) + bias(1, 2, j)
                        };
                        let candidate = g.eval(layer.clipped(from_input(2, j) + from_state));
                        let update = gate(0, j);
                        (1.0 - update) * candidate + update * h[j]
                    });
                    h = next.collect();
                    y[((t * directions + d) * batch + n) * hidden..][..hidden].copy_from_slice(&h);
                }
                h_last[at..at + hidden].copy_from_slice(&h);
            }
        }
        let dtype = inputs[0].dtype();
        let outputs = sizes.iter().zip([y, h_last]);
        Ok(outputs.map(|(sizes, v)| Tensor::from_elements(dtype, sizes, Elements::Float(v))).collect())
    }
}

impl Gru {
    fn layer(&self) -> Layer<'_> {
        Layer {
            direction: self.direction,
            gates: 3,
            hidden: self.hidden,
            activations: &self.activations,
            functions: 2,
            clip: self.clip,
            inputs: 5,
            states: 1,
        }
    }
}

impl Composite for Gru {
    /// Unrolled: one product for the inputs of all steps, then one with the state for each, or two where the reset gate comes first.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let [x, w, r, b, h0, ..] = *inputs else { return Err(OpError::arity("5 inputs expected")) };
        let shapes = inputs.iter().map(|v| cx.shape(*v)).collect::<Result<Vec<_>, _>>()?;
        let output_shapes = self.layer().output_shapes(&shapes)?;
        let steps = constant_steps(&output_shapes[0][0])?;
        let (layer, hidden) = (self.layer(), self.hidden);
        let running = Running::emit(cx, &layer, inputs, &output_shapes[0][2])?;
        let (mut sequences, mut h_last) = (Vec::new(), Vec::new());
        for d in 0..self.direction.count() {
            let [f, g] = [0, 1].map(|i| self.activations[d * 2 + i]);
            let biases = emit_item(cx, b, d)?;
            let of_inputs = emit_part(cx, biases, 0, 0, 3 * hidden)?;
            // The recurrent bias of the hidden gate stays apart where the reset gate multiplies it.
            let (gates_bias, hidden_bias) = (
                emit_part(cx, biases, 0, 3 * hidden, 2 * hidden)?,
                emit_part(cx, biases, 0, 5 * hidden, hidden)?,
            );
            let hoisted = if self.linear_before_reset {
                let zero = cx.scalar_like(b, 0.0)?;
                cx.one(Broadcast { shape: vec![Dim::from(hidden)].into() }, &[zero])?
            } else {
                hidden_bias
            };
            let hoisted = cx.one(Concat { axis: 0 }, &[gates_bias, hoisted])?;
            let bias = cx.one(Add {}, &[of_inputs, hoisted])?;
            let projected = layer.emit_projection(cx, [x, w, bias], d)?;
            let matrix = layer.emit_matrix(cx, r, d)?;
            let gates_matrix = emit_part(cx, matrix, 1, 0, 2 * hidden)?;
            let hidden_matrix = emit_part(cx, matrix, 1, 2 * hidden, hidden)?;
            let mut h = emit_item(cx, h0, d)?;
            let mut row = vec![h; steps];
            for t in layer.steps(d, steps) {
                let from_input = emit_item(cx, projected, t)?;
                let from_input = |cx: &mut dyn Emit, gate: usize| layer.emit_gate(cx, from_input, gate);
                let weights = if self.linear_before_reset { matrix } else { gates_matrix };
                let from_state = cx.one(MatMul {}, &[h, weights])?;
                let gate = |cx: &mut dyn Emit, gate: usize| {
                    let (a, b) = (from_input(cx, gate)?, layer.emit_gate(cx, from_state, gate)?);
                    let sum = cx.one(Add {}, &[a, b])?;
                    let clipped = layer.emit_clipped(cx, sum)?;
                    f.emit(cx, clipped)
                };
                let (update, reset) = (gate(cx, 0)?, gate(cx, 1)?);
                let seen = if self.linear_before_reset {
                    let product = layer.emit_gate(cx, from_state, 2)?;
                    let biased = cx.one(Add {}, &[product, hidden_bias])?;
                    cx.one(Mul {}, &[reset, biased])?
                } else {
                    let faded = cx.one(Mul {}, &[reset, h])?;
                    cx.one(MatMul {}, &[faded, hidden_matrix])?
                };
                let own = from_input(cx, 2)?;
                let sum = cx.one(Add {}, &[own, seen])?;
                let clipped = layer.emit_clipped(cx, sum)?;
                let candidate = g.emit(cx, clipped)?;
                let one = cx.scalar_like(update, 1.0)?;
                let rest = cx.one(Sub {}, &[one, update])?;
                let (fresh, kept) = (cx.one(Mul {}, &[rest, candidate])?, cx.one(Mul {}, &[update, h])?);
                let next = cx.one(Add {}, &[fresh, kept])?;
                ([h], row[t]) = running.emit_step(cx, t, [next], [h])?;
            }
            let shape = [Dim::from(steps), output_shapes[0][2].clone(), Dim::from(hidden)];
            sequences.push(emit_stacked(cx, &row, 0, &shape, x)?);
            h_last.push(h);
        }
        Ok(vec![
            emit_stacked(cx, &sequences, 1, &output_shapes[0], x)?,
            emit_stacked(cx, &h_last, 0, &output_shapes[1], x)?,
        ])
    }
}
