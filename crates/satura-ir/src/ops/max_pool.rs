//! Maximum over windows.

use super::checks::output_sizes;
use super::reduce::{ReduceKind, float_step};
use super::window::{Window, pooled_shape};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::op_struct! {
    /// The greatest element of each window over spatial axes; NaN if the window holds one. Padding never wins: it is left out of its windows. `x: [N, C, spatial..]`, floats or
    /// integers. A window that holds no element (dilated over a short axis) gives the least value of the dtype. One output.
    pub struct MaxPool {
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
    }
}

impl OpDef for MaxPool {
    const NAME: &'static str = "max_pool";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![super::checks::same_number(Self::NAME, cx)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        self.shape(cx.shape(0)?).map(|s| vec![s])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let sizes = output_sizes(&self.shape(&Shape::of(x.shape()))?)?;
        let dtype = x.dtype();
        let elements = match x.to_elements() {
            Elements::Float(v) => Elements::Float(self.run(
                x.shape(),
                &sizes,
                &v,
                f64::NEG_INFINITY,
                float_step(ReduceKind::Max),
            )),
            Elements::Int(v) => {
                let (least, _) = dtype.int_range().expect("integers have a range");
                Elements::Int(self.run(x.shape(), &sizes, &v, least, i128::max))
            }
            _ => return Err(OpError::dtype(format!("max_pool does not take {dtype}"))),
        };
        Ok(vec![Tensor::from_elements(dtype, &sizes, elements)])
    }
}

impl MaxPool {
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

    fn run<T: Copy>(
        &self,
        from: &[usize],
        to: &[usize],
        x: &[T],
        least: T,
        max: impl Fn(T, T) -> T,
    ) -> Vec<T> {
        let taps = self.window().taps(&self.kernel, &from[2..], &to[2..]);
        let (wide, narrow): (usize, usize) = (from[2..].iter().product(), to[2..].iter().product());
        let mut out = vec![least; to.iter().product()];
        for block in 0..from[0] * from[1] {
            let (x, out) = (&x[block * wide..][..wide], &mut out[block * narrow..][..narrow]);
            taps.iter().flatten().for_each(|run| run.gather(out, x, &max));
        }
        out
    }
}
