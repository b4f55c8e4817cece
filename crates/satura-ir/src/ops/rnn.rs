//! The plain recurrent layer.

use super::checks::{floats, output_sizes};
use super::recurrent::{
    Direction, Layer, RnnActivation, Running, constant_steps, dot, emit_item, emit_part, emit_stacked,
};
use super::{Add, MatMul};
use crate::attr::Real;
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::op_struct! {
    /// A recurrent layer of one gate over T steps: `h = f(x*w + h*r + b)`. Inputs: `x: [T, N, I]`, `w: [D, H, I]`, `r: [D, H, H]`, `b: [D, 2H]` (of the inputs, then recurrent), initial
    /// state `h0: [D, N, H]`, and optionally the length of each sequence, `[N]`, i32. Outputs: `y: [T, D, N, H]` and the last `h: [D, N, H]`. Floats of one dtype; the state stays in f64
    /// from step to step. Steps beyond the length of a sequence give 0 and leave the state as it is; in reverse the first step is the last one within the length.
    pub struct Rnn {
        /// Which way the sequence is read.
        pub direction: Direction,
        /// H.
        pub hidden: usize,
        /// `f` for each direction.
        pub activations: Vec<RnnActivation>,
        /// What the activation gets is kept within plus and minus this.
        pub clip: Option<Real>,
    }
}

impl OpDef for Rnn {
    const NAME: &'static str = "rnn";

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
            let f = self.activations[d];
            for n in 0..batch {
                let at = (d * batch + n) * hidden;
                let mut h = h0[at..at + hidden].to_vec();
                for t in layer.steps(d, lengths[n]) {
                    let input = &x[(t * batch + n) * features..][..features];
                    let next = (0..hidden).map(|j| {
                        let row = d * hidden + j;
                        let sum = dot(input, &w[row * features..][..features])
                            + dot(&h, &r[row * hidden..][..hidden])
                            + b[d * 2 * hidden + j]
                            + b[(d * 2 + 1) * hidden + j];
                        f.eval(layer.clipped(sum))
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

impl Rnn {
    fn layer(&self) -> Layer<'_> {
        Layer {
            direction: self.direction,
            gates: 1,
            hidden: self.hidden,
            activations: &self.activations,
            functions: 1,
            clip: self.clip,
            inputs: 5,
            states: 1,
        }
    }
}

impl Composite for Rnn {
    /// Unrolled: one product for the inputs of all steps, then one with the state for each.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let [x, w, r, b, h0, ..] = *inputs else { return Err(OpError::arity("5 inputs expected")) };
        let shapes = inputs.iter().map(|v| cx.shape(*v)).collect::<Result<Vec<_>, _>>()?;
        let output_shapes = self.layer().output_shapes(&shapes)?;
        let steps = constant_steps(&output_shapes[0][0])?;
        let (layer, hidden) = (self.layer(), self.hidden);
        let running = Running::emit(cx, &layer, inputs, &output_shapes[0][2])?;
        let (mut sequences, mut h_last) = (Vec::new(), Vec::new());
        for d in 0..self.direction.count() {
            let biases = emit_item(cx, b, d)?;
            let (of_inputs, recurrent) =
                (emit_part(cx, biases, 0, 0, hidden)?, emit_part(cx, biases, 0, hidden, hidden)?);
            let bias = cx.one(Add {}, &[of_inputs, recurrent])?;
            let projected = layer.emit_projection(cx, [x, w, bias], d)?;
            let matrix = layer.emit_matrix(cx, r, d)?;
            let mut h = emit_item(cx, h0, d)?;
            let mut row = vec![h; steps];
            for t in layer.steps(d, steps) {
                let from_input = emit_item(cx, projected, t)?;
                let from_state = cx.one(MatMul {}, &[h, matrix])?;
                let sum = cx.one(Add {}, &[from_input, from_state])?;
                let clipped = layer.emit_clipped(cx, sum)?;
                let next = self.activations[d].emit(cx, clipped)?;
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
