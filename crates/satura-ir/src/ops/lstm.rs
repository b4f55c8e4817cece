//! Long short-term memory.

use super::checks::{floats, output_sizes};
use super::recurrent::{
    Direction, Layer, RnnActivation, Running, constant_steps, dot, emit_item, emit_part, emit_stacked,
};
use super::{Add, MatMul, Mul, Sub};
use crate::attr::Real;
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::op_struct! {
    /// An LSTM layer over T steps. Inputs: `x: [T, N, I]`, `w: [D, 4H, I]`, `r: [D, 4H, H]`, `b: [D, 8H]` (of the inputs, then recurrent), initial hidden state `h0: [D, N, H]`
    /// and cell state `c0: [D, N, H]`, peepholes `p: [D, 3H]` in the order input, output, forget, and optionally the length of each sequence, `[N]`, i32. Gates lie in the order input, output, forget, cell. Outputs:
    /// `y: [T, D, N, H]`, the last `h: [D, N, H]` and `c: [D, N, H]`. Floats of one dtype; states stay in f64 from step to step. Steps beyond the length of a sequence give 0 and leave the
    /// states as they are; in reverse the first step is the last one within the length.
    ///
    /// `i = f(x*wi + h*ri + pi*c + bi)`, `o` with the new `c` and `f` alike, `c = f*c + i*g(x*wc + h*rc + bc)`, `h = o*k(c)` with activations `f, g, k`.
    pub struct Lstm {
        /// Which way the sequence is read.
        pub direction: Direction,
        /// H.
        pub hidden: usize,
        /// `f, g, k` for each direction.
        pub activations: Vec<RnnActivation>,
        /// Gates are kept within plus and minus this before their activation; the cell state is not.
        pub clip: Option<Real>,
        /// Whether the forget gate is 1 minus the input gate.
        pub input_forget: bool,
    }
}

impl OpDef for Lstm {
    const NAME: &'static str = "lstm";

    fn arity(&self) -> Arity {
        7..=8
    }

    fn outputs(&self) -> usize {
        3
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![self.layer().dtype(Self::NAME, cx)?; 3])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        self.layer()
            .output_shapes(&(0..cx.len()).map(|i| cx.shape(i).cloned()).collect::<Result<Vec<_>, _>>()?)
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let shapes =
            self.layer().output_shapes(&inputs.iter().map(|t| Shape::of(t.shape())).collect::<Vec<_>>())?;
        let sizes = shapes.iter().map(output_sizes).collect::<Result<Vec<_>, _>>()?;
        let values = inputs.iter().take(7).map(|t| floats(Self::NAME, t)).collect::<Result<Vec<_>, _>>()?;
        let [x, w, r, b, h0, c0, p] = &values[..] else { return Err(OpError::arity("7 inputs expected")) };
        let [steps, directions, batch, hidden] = sizes[0][..] else {
            return Err(OpError::shape("the output has 4 axes"));
        };
        let features = inputs[0].shape()[2];
        let layer = self.layer();
        let lengths = layer.lengths(inputs, [steps, batch])?;
        let mut y = vec![0.0; steps * directions * batch * hidden];
        let (mut h_last, mut c_last) = (h0.clone(), c0.clone());
        for d in 0..directions {
            let [f, g, k] = [0, 1, 2].map(|i| self.activations[d * 3 + i]);
            for n in 0..batch {
                let at = (d * batch + n) * hidden;
                let (mut h, mut c) = (h0[at..at + hidden].to_vec(), c0[at..at + hidden].to_vec());
                for t in layer.steps(d, lengths[n]) {
                    let input = &x[(t * batch + n) * features..][..features];
                    // The gate before peephole, clip and activation.
                    let gate = |gate: usize, j: usize| {
                        let row = (d * 4 + gate) * hidden + j;
                        dot(input, &w[row * features..][..features])
                            + dot(&h, &r[row * hidden..][..hidden])
                            + b[(d * 8 + gate) * hidden + j]
                            + b[(d * 8 + 4 + gate) * hidden + j]
                    };
                    let peephole = |which: usize, j: usize| p[(d * 3 + which) * hidden + j];
                    let (mut next_h, mut next_c) = (Vec::with_capacity(hidden), Vec::with_capacity(hidden));
                    for j in 0..hidden {
                        let input_gate = f.eval(layer.clipped(gate(0, j) + peephole(0, j) * c[j]));
                        let forget = if self.input_forget {
                            1.0 - input_gate
                        } else {
                            f.eval(layer.clipped(gate(2, j) + peephole(2, j) * c[j]))
                        };
                        let cell = forget * c[j] + input_gate * g.eval(layer.clipped(gate(3, j)));
                        let output = f.eval(layer.clipped(gate(1, j) + peephole(1, j) * cell));
                        next_c.push(cell);
                        next_h.push(output * k.eval(cell));
                    }
                    (h, c) = (next_h, next_c);
                    y[((t * directions + d) * batch + n) * hidden..][..hidden].copy_from_slice(&h);
                }
                h_last[at..at + hidden].copy_from_slice(&h);
                c_last[at..at + hidden].copy_from_slice(&c);
            }
        }
        let dtype = inputs[0].dtype();
        let outputs = sizes.iter().zip([y, h_last, c_last]);
        Ok(outputs.map(|(sizes, v)| Tensor::from_elements(dtype, sizes, Elements::Float(v))).collect())
    }
}

impl Lstm {
    fn layer(&self) -> Layer<'_> {
        Layer {
            direction: self.direction,
            gates: 4,
            hidden: self.hidden,
            activations: &self.activations,
            functions: 3,
            clip: self.clip,
            inputs: 7,
            states: 2,
        }
    }
}

impl Composite for Lstm {
    /// Unrolled: one product for the inputs of all steps, then one with the hidden state for each.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let [x, w, r, b, h0, c0, p, ..] = *inputs else { return Err(OpError::arity("7 inputs expected")) };
        let shapes = inputs.iter().map(|v| cx.shape(*v)).collect::<Result<Vec<_>, _>>()?;
        let output_shapes = self.layer().output_shapes(&shapes)?;
        let steps = constant_steps(&output_shapes[0][0])?;
        let layer = self.layer();
        let running = Running::emit(cx, &layer, inputs, &output_shapes[0][2])?;
        let no_peepholes = cx
            .constant_of(p)
            .is_some_and(|p| matches!(p.to_elements(), Elements::Float(v) if v.iter().all(|x| *x == 0.0)));
        let (mut sequences, mut h_last, mut c_last) = (Vec::new(), Vec::new(), Vec::new());
        for d in 0..self.direction.count() {
            let [f, g, k] = [0, 1, 2].map(|i| self.activations[d * 3 + i]);
            let biases = emit_item(cx, b, d)?;
            let width = 4 * self.hidden;
            let (of_inputs, recurrent) =
                (emit_part(cx, biases, 0, 0, width)?, emit_part(cx, biases, 0, width, width)?);
            let bias = cx.one(Add {}, &[of_inputs, recurrent])?;
            let projected = layer.emit_projection(cx, [x, w, bias], d)?;
            let matrix = layer.emit_matrix(cx, r, d)?;
            let peepholes = emit_item(cx, p, d)?;
            let (mut h, mut c) = (emit_item(cx, h0, d)?, emit_item(cx, c0, d)?);
            let mut row = vec![h; steps];
            for t in layer.steps(d, steps) {
                let from_input = emit_item(cx, projected, t)?;
                let from_state = cx.one(MatMul {}, &[h, matrix])?;
                let gates = cx.one(Add {}, &[from_input, from_state])?;
                let activated = |cx: &mut dyn Emit, gate: usize, peephole: Option<(usize, ValueId)>| {
                    let mut value = layer.emit_gate(cx, gates, gate)?;
                    if let Some((which, cell)) = peephole.filter(|_| !no_peepholes) {
                        let weight = layer.emit_gate(cx, peepholes, which)?;
                        let seen = cx.one(Mul {}, &[weight, cell])?;
                        value = cx.one(Add {}, &[value, seen])?;
                    }
                    let value = layer.emit_clipped(cx, value)?;
                    if gate == 3 { g.emit(cx, value) } else { f.emit(cx, value) }
                };
                let input_gate = activated(cx, 0, Some((0, c)))?;
                let forget = if self.input_forget {
                    let one = cx.scalar_like(input_gate, 1.0)?;
                    cx.one(Sub {}, &[one, input_gate])?
                } else {
                    activated(cx, 2, Some((2, c)))?
                };
                let candidate = activated(cx, 3, None)?;
                let kept = cx.one(Mul {}, &[forget, c])?;
                let added = cx.one(Mul {}, &[input_gate, candidate])?;
                let cell = cx.one(Add {}, &[kept, added])?;
                let output = activated(cx, 1, Some((1, cell)))?;
                let bent = k.emit(cx, cell)?;
                let hidden = cx.one(Mul {}, &[output, bent])?;
                ([h, c], row[t]) = running.emit_step(cx, t, [hidden, cell], [h, c])?;
            }
            let [_, _, batch, hidden] = &output_shapes[0][..] else {
                return Err(OpError::shape("the output has 4 axes"));
            };
            let shape = [Dim::from(steps), batch.clone(), hidden.clone()];
            sequences.push(emit_stacked(cx, &row, 0, &shape, x)?);
            h_last.push(h);
            c_last.push(c);
        }
        Ok(vec![
            emit_stacked(cx, &sequences, 1, &output_shapes[0], x)?,
            emit_stacked(cx, &h_last, 0, &output_shapes[1], x)?,
            emit_stacked(cx, &c_last, 0, &output_shapes[2], x)?,
        ])
    }
}
