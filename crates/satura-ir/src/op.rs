//! What an op is: the trait each op struct implements, and the macro behind the one list of ops.

use crate::attr::Attrs;
use crate::{Datum, Emit, EvalCx, InferCx, OpError, SymTensor, Type, ValueId};
use satura_tensor::{DType, Shape, Tensor};
use std::fmt::Debug;
use std::hash::Hash;
use std::ops::RangeInclusive;

/// How many inputs an op takes.
pub type Arity = RangeInclusive<usize>;

/// Algebraic facts of an op, for rewriting and fusion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Algebra {
    /// Output element `i` depends on element `i` of each (broadcast) input only.
    pub elementwise: bool,
    /// `f(a, b) == f(b, a)`, exactly.
    pub commutative: bool,
    /// `f(f(a, b), c) == f(a, f(b, c))`, up to rounding.
    pub associative: bool,
    /// Only moves or repeats elements of its input: no arithmetic.
    pub movement: bool,
    /// Draws random numbers: no pass computes it beforehand, for each run is to draw them, and whoever writes the model out wants to find them drawn.
    pub random: bool,
}

impl Algebra {
    /// No facts.
    pub const NONE: Algebra = Algebra {
        elementwise: false,
        commutative: false,
        associative: false,
        movement: false,
        random: false,
    };
    /// Elementwise.
    pub const ELEMENTWISE: Algebra = Algebra { elementwise: true, ..Algebra::NONE };
    /// Elementwise, commutative and associative.
    pub const RING: Algebra = Algebra { commutative: true, associative: true, ..Algebra::ELEMENTWISE };
    /// Only moves elements.
    pub const MOVEMENT: Algebra = Algebra { movement: true, ..Algebra::NONE };
    /// Draws random numbers.
    pub const RANDOM: Algebra = Algebra { random: true, ..Algebra::NONE };
}

/// An operation: attributes, shape rule, and naive evaluation, which defines its result.
pub trait OpDef: Clone + Debug + Eq + Ord + Hash + Attrs {
    /// The name in the text form: lower case, words joined by `_`.
    const NAME: &'static str;
    /// Algebraic facts.
    const ALGEBRA: Algebra = Algebra::NONE;

    /// How many inputs it takes.
    fn arity(&self) -> Arity;

    /// How many outputs it gives.
    fn outputs(&self) -> usize {
        1
    }

    /// How many regions it carries.
    fn regions(&self) -> usize {
        0
    }

    /// The node input that input `index` of region `region` always equals, if there is one: a capture.
    fn capture(&self, _region: usize, _index: usize) -> Option<usize> {
        None
    }

    /// The dtypes of the outputs. Checks the dtypes of the inputs. By default that of input 0 for every output.
    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![cx.dtype(0)?; self.outputs()])
    }

    /// The shapes of the outputs: an extent that depends on data is [`Dim::unknown`](satura_tensor::Dim::unknown). [`OpErrorKind::Unknown`](crate::OpErrorKind::Unknown) leaves the ranks
    /// unknown too; every other error rejects the node. An op with [`types`](Self::types) of its own has no need of it.
    fn shapes(&self, _cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Err(OpError::unknown(format!("{} has no rule of shapes", Self::NAME)))
    }

    /// The types of the outputs. Ops on tensors leave this as it is.
    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        let dtypes = self.dtypes(cx)?;
        match self.shapes(cx) {
            Ok(shapes) => Ok(dtypes.into_iter().zip(shapes).map(|(d, s)| Type::tensor(d, s)).collect()),
            Err(error) if error.kind == crate::OpErrorKind::Unknown => {
                Ok(dtypes.into_iter().map(Type::unranked).collect())
            }
            Err(error) => Err(error),
        }
    }

    /// The elements of output 0 where they are small integers (or bools) that follow from what is known at compile time.
    fn values(&self, _cx: &InferCx<'_>) -> Option<SymTensor> {
        None
    }

    /// Computes the outputs of an op on tensors: naive and obvious.
    fn eval(&self, _inputs: &[Tensor], _cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        Err(OpError::dtype(format!("{} is not on tensors alone", Self::NAME)))
    }

    /// Computes the outputs from values of any type. Ops on tensors leave this as it is; others have this instead of [`eval`](Self::eval).
    fn eval_data(&self, inputs: &[Datum], cx: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let tensors = inputs.iter().map(|d| d.clone().into_tensor()).collect::<Result<Vec<_>, _>>()?;
        Ok(self.eval(&tensors, cx)?.into_iter().map(Datum::Tensor).collect())
    }
}

/// An op that is written in terms of others.
pub trait Composite: OpDef {
    /// Emits the decomposition and gives the values that replace the outputs. It may use other composites, never this one.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError>;
}

/// Makes [`Op`](crate::Op), [`PrimOp`](crate::PrimOp), the name table and the dispatch from the one list.
macro_rules! ops {
    (
        elementwise: $($e_mod:ident::$elem:ident),* $(,)?;
        primitive: $($p_mod:ident::$prim:ident),* $(,)?;
        composite: $($c_mod:ident::$comp:ident),* $(,)?;
        host: $($h_mod:ident::$host:ident),* $(,)?;
    ) => {
        // The list and what the ops say of themselves agree.
        const _: () = {
            $(assert!(<$elem as OpDef>::ALGEBRA.elementwise);)*
            $(assert!(!<$prim as OpDef>::ALGEBRA.elementwise);)*
        };

        /// The primitives that work element by element, as a pattern over [`PrimOp`](crate::PrimOp): a match names them all by it, and stays exhaustive.
        #[macro_export]
        macro_rules! elementwise_prims {
            () => { $($crate::PrimOp::$elem(_))|* };
        }

        ops! {
            primitive: $($e_mod::$elem,)* $($p_mod::$prim),*;
            composite: $($c_mod::$comp),*;
            host: $($h_mod::$host),*;
        }
    };
    (
        primitive: $($p_mod:ident::$prim:ident),* $(,)?;
        composite: $($c_mod:ident::$comp:ident),* $(,)?;
        host: $($h_mod:ident::$host:ident),* $(,)?;
    ) => {
        /// An operation with its attributes.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each variant is documented at its struct")]
        pub enum Op {
            $($prim($prim),)*
            $($comp($comp),)*
            $($host($host),)*
            /// A composite defined outside this crate.
            Custom($crate::Custom),
        }

        /// The primitives: what a back end matches, exhaustively.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each variant is documented at its struct")]
        pub enum PrimOp<'a> {
            $($prim(&'a $prim),)*
        }

        $(impl From<$prim> for Op { fn from(op: $prim) -> Op { Op::$prim(op) } })*
        $(impl From<$comp> for Op { fn from(op: $comp) -> Op { Op::$comp(op) } })*
        $(impl From<$host> for Op { fn from(op: $host) -> Op { Op::$host(op) } })*

        macro_rules! dispatch {
            ($self_:expr, $op:ident => $body:expr) => {
                match $self_ {
                    $(Op::$prim($op) => $body,)*
                    $(Op::$comp($op) => $body,)*
                    $(Op::$host($op) => $body,)*
                    Op::Custom($op) => $body,
                }
            };
        }

        impl Op {
            /// The names of all ops of the list, primitives first, with `true` for a primitive.
            pub const NAMES: &'static [(&'static str, bool)] = &[
                $((<$prim as OpDef>::NAME, true),)*
                $((<$comp as OpDef>::NAME, false),)*
                $((<$host as OpDef>::NAME, false),)*
            ];

            /// Whether only the host runs it: no back end implements it, and it has no decomposition.
            pub fn is_host(&self) -> bool {
                match self {
                    $(Op::$prim(_) => false,)*
                    $(Op::$comp(_) => false,)*
                    $(Op::$host(_) => true,)*
                    Op::Custom(_) => false,
                }
            }

            /// The op as a primitive; `None` for a composite or a host op.
            pub fn prim(&self) -> Option<PrimOp<'_>> {
                match self {
                    $(Op::$prim(op) => Some(PrimOp::$prim(op)),)*
                    $(Op::$comp(_) => None,)*
                    $(Op::$host(_) => None,)*
                    Op::Custom(_) => None,
                }
            }

            /// The name in the text form.
            pub fn name(&self) -> &str {
                match self {
                    $(Op::$prim(_) => <$prim as OpDef>::NAME,)*
                    $(Op::$comp(_) => <$comp as OpDef>::NAME,)*
                    $(Op::$host(_) => <$host as OpDef>::NAME,)*
                    Op::Custom(op) => op.name(),
                }
            }

            /// Algebraic facts.
            pub fn algebra(&self) -> Algebra {
                match self {
                    $(Op::$prim(_) => <$prim as OpDef>::ALGEBRA,)*
                    $(Op::$comp(_) => <$comp as OpDef>::ALGEBRA,)*
                    $(Op::$host(_) => <$host as OpDef>::ALGEBRA,)*
                    Op::Custom(_) => Algebra::NONE,
                }
            }

            /// How many inputs it takes.
            pub fn arity(&self) -> Arity {
                dispatch!(self, op => op.arity())
            }

            /// How many outputs it gives.
            pub fn outputs(&self) -> usize {
                dispatch!(self, op => op.outputs())
            }

            /// How many regions it carries.
            pub fn regions(&self) -> usize {
                dispatch!(self, op => op.regions())
            }

            /// The node input that input `index` of region `region` always equals, if there is one.
            pub fn capture(&self, region: usize, index: usize) -> Option<usize> {
                dispatch!(self, op => op.capture(region, index))
            }

            /// Replaces bound symbols in attributes.
            pub fn bind(&mut self, bindings: &satura_tensor::Bindings) {
                dispatch!(self, op => op.bind_attrs(bindings));
            }

            /// Whether every dimension among the attributes is known.
            pub(crate) fn attrs_known(&self) -> bool {
                dispatch!(self, op => op.attrs_known())
            }

            /// Names and printed values of the attributes.
            pub fn print_attrs(&self) -> Vec<(&'static str, String)> {
                dispatch!(self, op => op.print_attrs())
            }

            pub(crate) fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
                dispatch!(self, op => op.types(cx))
            }

            pub(crate) fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
                dispatch!(self, op => op.values(cx))
            }

            /// Computes the outputs from the inputs, as the op's own file defines it; an error where an output is no tensor.
            pub fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
                let data: Vec<Datum> = inputs.iter().cloned().map(Datum::Tensor).collect();
                self.eval_data(&data, cx)?.into_iter().map(Datum::into_tensor).collect()
            }

            /// Computes the outputs from values of any type.
            pub fn eval_data(&self, inputs: &[Datum], cx: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
                dispatch!(self, op => op.eval_data(inputs, cx))
            }

            /// Emits a composite's decomposition; `None` for a primitive and for a host op.
            pub fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Option<Result<Vec<ValueId>, OpError>> {
                match self {
                    $(Op::$prim(_) => None,)*
                    $(Op::$comp(op) => Some(op.decompose(cx, inputs)),)*
                    $(Op::$host(_) => None,)*
                    Op::Custom(op) => Some(op.decompose(cx, inputs)),
                }
            }

            /// The op of that name with these attributes; `None` if the list has no such name.
            pub fn parse(name: &str, attrs: AttrText, store: &ConstStore) -> Option<Result<Op, String>> {
                match name {
                    $(<$prim as OpDef>::NAME => Some(<$prim as Attrs>::parse_attrs(attrs, store).map(Op::$prim)),)*
                    $(<$comp as OpDef>::NAME => Some(<$comp as Attrs>::parse_attrs(attrs, store).map(Op::$comp)),)*
                    $(<$host as OpDef>::NAME => Some(<$host as Attrs>::parse_attrs(attrs, store).map(Op::$host)),)*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use ops;
