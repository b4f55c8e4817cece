//! Mean over windows.

use super::checks::{floats, output_sizes, same_float};
use super::window::{Window, pooled_shape};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::op_struct! {
    /// The mean of each window over spatial axes, summed in f64. `x: [N, C, spatial..]`, floats. Without `count_pad` only elements of `x` count, and a window that holds none
    /// (dilated over a short axis) gives NaN; with it the zeros of the padding count too, but never what lies beyond the padding.
    pub struct AvgPool {
        /// Taps of the window, per spatial axis; 1 or more.
        pub kernel: Vec<usize>,
        /// Distance of neighbouring windows, per spatial axis; 1 or more.
        pub strides: Vec<usize>,
        /// Padding before each spatial axis; less than the window's reach.
        pub pads_low: Vec<usize>,
        /// Padding behind each spatial axis; less than the window's reach.
        pub pads_high: Vec<usize>,
        /// Distance of neighbouring taps, per spatial axis; 1 or more.
        pub dilations: Vec<usize>,
        /// Whether the number of windows is rounded up: the last one may reach beyond the padding, but not start in the high padding.
        pub ceil: bool,
        /// Whether the padding counts as elements that are zero.
        pub count_pad: bool,
    }
}

impl OpDef for AvgPool {
    const NAME: &'static str = "avg_pool";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![same_float(Self::NAME, cx)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        self.shape(cx.shape(0)?).map(|s| vec![s])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let sizes = output_sizes(&self.shape(&Shape::of(x.shape()))?)?;
        let (from, to) = (&x.shape()[2..], &sizes[2..]);
        let values = floats(Self::NAME, x)?;
        let taps = self.window().taps(&self.kernel, from, to);
        let counts = self.counts(from, to);
        let (wide, narrow): (usize, usize) = (from.iter().product(), to.iter().product());
        let mut out = vec![0.0; sizes.iter().product()];
        for block in 0..sizes[0] * sizes[1] {
            let (x, out) = (&values[block * wide..][..wide], &mut out[block * narrow..][..narrow]);
            taps.iter().flatten().for_each(|run| run.gather(out, x, |sum, x| sum + x));
            out.iter_mut().zip(&counts).for_each(|(sum, count)| *sum /= count);
        }
        Ok(vec![Tensor::from_elements(x.dtype(), &sizes, Elements::Float(out))])
    }
}

impl AvgPool {
    fn window(&self) -> Window<'_> {
        Window {
            strides: &self.strides,
            low: &self.pads_low,
            high: &self.pads_high,
            dilations: &self.dilations,
        }
    }

    fn shape(&self, x: &Shape) -> Result<Shape, OpError> {
        pooled_shape(Self::NAME, x, &self.kernel, &self.window(), self.ceil)
    }

    /// How many elements each window counts.
    fn counts(&self, from: &[usize], to: &[usize]) -> Vec<f64> {
        let no_pads = vec![0; from.len()];
        let padded: Vec<usize> =
            (0..from.len()).map(|a| from[a] + self.pads_low[a] + self.pads_high[a]).collect();
        let taps = if self.count_pad {
            Window { low: &no_pads, ..self.window() }.taps(&self.kernel, &padded, to)
        } else {
            self.window().taps(&self.kernel, from, to)
        };
        let mut counts = vec![0.0; to.iter().product()];
        for run in taps.iter().flatten() {
            counts[run.narrow..run.narrow + run.len].iter_mut().for_each(|count| *count += 1.0);
        }
        counts
    }
}
