//! Types of values, and small integer tensors known at compile time.

use satura_tensor::{Bindings, DType, Dim, Shape, Symbol, Tensor};
use std::fmt;

/// Dtype and shape of a tensor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorType {
    /// The element type.
    pub dtype: DType,
    /// The shape; `None` while the rank is not known.
    pub shape: Option<Shape>,
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// A tensor.
    Tensor(TensorType),
    /// Any number of values of one type.
    Sequence(Box<Type>),
    /// A value or none.
    Optional(Box<Type>),
    /// Values by key.
    Map(DType, Box<Type>),
}

impl Type {
    /// A tensor type of known rank.
    pub fn tensor(dtype: DType, shape: impl Into<Shape>) -> Type {
        Type::Tensor(TensorType { dtype, shape: Some(shape.into()) })
    }

    /// A tensor type of known sizes.
    pub fn of(dtype: DType, sizes: &[usize]) -> Type {
        Type::tensor(dtype, Shape::of(sizes))
    }

    /// A tensor type of unknown rank.
    pub fn unranked(dtype: DType) -> Type {
        Type::Tensor(TensorType { dtype, shape: None })
    }

    /// The tensor type, if it is one.
    pub fn as_tensor(&self) -> Option<&TensorType> {
        match self {
            Type::Tensor(tensor) => Some(tensor),
            Type::Sequence(_) | Type::Optional(_) | Type::Map(..) => None,
        }
    }

    /// The element type of a tensor.
    pub fn dtype(&self) -> Option<DType> {
        self.as_tensor().map(|t| t.dtype)
    }

    /// The shape of a tensor of known rank.
    pub fn shape(&self) -> Option<&Shape> {
        self.as_tensor().and_then(|t| t.shape.as_ref())
    }

    /// The sizes of a tensor, if all are constants.
    pub fn sizes(&self) -> Option<Vec<usize>> {
        self.shape().and_then(Shape::sizes)
    }

    /// The type with bound symbols replaced.
    pub fn bind(&self, bindings: &Bindings) -> Type {
        match self {
            Type::Tensor(t) => {
                Type::Tensor(TensorType { dtype: t.dtype, shape: t.shape.as_ref().map(|s| s.bind(bindings)) })
            }
            Type::Sequence(t) => Type::Sequence(Box::new(t.bind(bindings))),
            Type::Optional(t) => Type::Optional(Box::new(t.bind(bindings))),
            Type::Map(key, t) => Type::Map(*key, Box::new(t.bind(bindings))),
        }
    }

    /// Whether every rank and extent is known, in terms of symbols.
    pub fn is_known(&self) -> bool {
        match self {
            Type::Tensor(t) => t.shape.as_ref().is_some_and(Shape::is_known),
            Type::Sequence(t) | Type::Optional(t) | Type::Map(_, t) => t.is_known(),
        }
    }

    /// The symbols in the type, each once.
    pub fn symbols(&self) -> Vec<Symbol> {
        match self {
            Type::Tensor(t) => t.shape.as_ref().map(Shape::symbols).unwrap_or_default(),
            Type::Sequence(t) | Type::Optional(t) | Type::Map(_, t) => t.symbols(),
        }
    }

    /// This type, with what only `other` knows: the shape where it is not known, extents where they are not, constants in the place of expressions.
    pub fn refined_by(&self, other: &Type) -> Type {
        match (self, other) {
            (Type::Tensor(a), Type::Tensor(b)) if a.dtype == b.dtype => match (&a.shape, &b.shape) {
                (None, _) => other.clone(),
                (Some(x), Some(y)) if x.len() == y.len() => {
                    let finer = |(d, e): (&Dim, &Dim)| {
                        let more = !d.is_known() || d.as_const().is_none() && e.as_const().is_some();
                        if more { e.clone() } else { d.clone() }
                    };
                    Type::tensor(a.dtype, x.iter().zip(y.iter()).map(finer).collect::<Shape>())
                }
                _ => self.clone(),
            },
            _ => self.clone(),
        }
    }

    /// The most precise type that takes values of both: extents that differ become unknown, as do ranks. `None` where containers or dtypes differ.
    pub fn join(&self, other: &Type) -> Option<Type> {
        match (self, other) {
            (a, b) if a == b => Some(a.clone()),
            (Type::Tensor(a), Type::Tensor(b)) if a.dtype == b.dtype => Some(match (&a.shape, &b.shape) {
                (Some(x), Some(y)) if x.len() == y.len() => {
                    let both = |(d, e): (&Dim, &Dim)| if d == e { d.clone() } else { Dim::unknown() };
                    Type::tensor(a.dtype, x.iter().zip(y.iter()).map(both).collect::<Shape>())
                }
                _ => Type::unranked(a.dtype),
            }),
            (Type::Sequence(a), Type::Sequence(b)) => Some(Type::Sequence(Box::new(a.join(b)?))),
            (Type::Optional(a), Type::Optional(b)) => Some(Type::Optional(Box::new(a.join(b)?))),
            (Type::Map(k, a), Type::Map(l, b)) if k == l => Some(Type::Map(*k, Box::new(a.join(b)?))),
            _ => None,
        }
    }

    /// Whether a value of type `other` may stand where this type is declared: same dtypes, and no constant extent differs.
    pub fn accepts(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Tensor(a), Type::Tensor(b)) => {
                a.dtype == b.dtype
                    && match (&a.shape, &b.shape) {
                        (Some(x), Some(y)) => {
                            x.len() == y.len()
                                && x.iter().zip(y.iter()).all(|(d, e)| match (d.as_const(), e.as_const()) {
                                    (Some(d), Some(e)) => d == e,
                                    _ => true,
                                })
                        }
                        _ => true,
                    }
            }
            (Type::Sequence(a), Type::Sequence(b)) | (Type::Optional(a), Type::Optional(b)) => a.accepts(b),
            (Type::Map(k, a), Type::Map(l, b)) => k == l && a.accepts(b),
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    /// `f32[N, 3]`, `f32[?, 3]` for an unknown extent, `f32[*]` for unknown rank, `seq(f32[*])`, `opt(..)`, `map(i64, ..)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Tensor(TensorType { dtype, shape: Some(shape) }) => write!(f, "{dtype}{shape}"),
            Type::Tensor(TensorType { dtype, shape: None }) => write!(f, "{dtype}[*]"),
            Type::Sequence(t) => write!(f, "seq({t})"),
            Type::Optional(t) => write!(f, "opt({t})"),
            Type::Map(key, t) => write!(f, "map({key}, {t})"),
        }
    }
}

/// A small tensor of integers or bools whose elements are known as expressions: what shape arithmetic computes with. Single elements may be [unknown](Dim::unknown).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymTensor {
    /// The sizes.
    pub shape: Vec<usize>,
    /// The elements, row-major; bools are 0 and 1.
    pub elements: Vec<Dim>,
}

impl SymTensor {
    /// More elements than this are not tracked.
    pub const LIMIT: usize = 1024;

    /// A vector.
    pub fn vector(elements: Vec<Dim>) -> Self {
        SymTensor { shape: vec![elements.len()], elements }
    }

    /// A scalar.
    pub fn scalar(element: Dim) -> Self {
        SymTensor { shape: Vec::new(), elements: vec![element] }
    }

    /// The elements of a constant, if they are integers or bools within `i64` and few.
    pub fn of(tensor: &Tensor) -> Option<Self> {
        let dtype = tensor.dtype();
        if tensor.elements() > Self::LIMIT || !(dtype.is_int() || dtype == DType::Bool) {
            return None;
        }
        let elements = match tensor.to_elements() {
            satura_tensor::Elements::Int(v) => {
                v.into_iter().map(|x| i64::try_from(x).ok().map(Dim::from)).collect::<Option<Vec<_>>>()?
            }
            satura_tensor::Elements::Bool(v) => v.into_iter().map(|b| Dim::from(i64::from(b))).collect(),
            _ => return None,
        };
        Some(SymTensor { shape: tensor.shape().to_vec(), elements })
    }

    /// Whether every element is known.
    pub fn is_known(&self) -> bool {
        self.elements.iter().all(Dim::is_known)
    }

    /// The elements as numbers, if all are constants.
    pub fn constants(&self) -> Option<Vec<i64>> {
        self.elements.iter().map(Dim::as_const).collect()
    }

    /// The constant tensor of that dtype, if all elements are constants.
    pub fn to_tensor(&self, dtype: DType) -> Option<Tensor> {
        let wide = Tensor::from_vec(self.constants()?, &self.shape);
        satura_tensor::cast(&wide, dtype)
    }
}
