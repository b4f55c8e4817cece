//! Gradients of graphs, as more nodes of the same graph: reverse-mode differentiation.
//!
//! [`gradients`] goes backwards from a value to those it is differentiated by. Each op on the way has a rule in `rules`, which says what the gradient of its output makes of the
//! gradient of each input; a composite without a rule of its own is decomposed, and what it is made of has rules. What has none is an error that names the node: nothing counts as
//! constant that is not.
//!
//! ```
//! use satura_ir::{ConstStore, OpRegistry, evaluate, parse_module};
//! use satura_tensor::Tensor;
//!
//! let text = "graph @g(%x: f32[3]) {\n  %0 = mul %x, %x\n  return %0\n}";
//! let mut graph = parse_module(text, &ConstStore::default(), &OpRegistry::default()).expect("a graph").graphs.remove(0);
//! let (x, y) = (graph.inputs()[0], graph.outputs()[0].value);
//! let dx = satura_autodiff::gradients(&mut graph, y, None, &[x]).expect("every op has a rule")[0];
//! graph.add_output("dx", dx);
//! let outputs = evaluate(&graph, &[Tensor::from_vec(vec![1.0f32, 2.0, -3.0], &[3])]).expect("evaluates");
//! assert_eq!(outputs[1], Tensor::from_vec(vec![2.0f32, 4.0, -6.0], &[3]));
//! ```

mod error;
mod reverse;
mod rules;
mod vjp;

pub use error::GradientError;
pub use reverse::gradients;
