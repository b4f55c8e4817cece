//! Macros that declare elementwise ops: a doc, a name, and a function for each kind of element. What has no function is refused at inference already.

/// Declares a unary elementwise op. Kinds without a function are refused, at inference already.
macro_rules! unary_op {
    (
        $(#[$meta:meta])* $name:ident, $text:literal
        $(, float: $float:expr)? $(, int: $int:expr)? $(, boolean: $boolean:expr)? $(, known: $known:expr)? $(,)?
    ) => {
        $crate::op_struct! { $(#[$meta])* pub struct $name {} }

        impl $crate::OpDef for $name {
            const NAME: &'static str = $text;
            const ALGEBRA: $crate::Algebra = $crate::Algebra::ELEMENTWISE;

            fn arity(&self) -> $crate::Arity {
                1..=1
            }

            fn dtypes(&self, cx: &$crate::InferCx<'_>) -> Result<Vec<satura_tensor::DType>, $crate::OpError> {
                let dtype = cx.dtype(0)?;
                let takes = false
                    $(|| { let _: fn(f64) -> f64 = $float; dtype.is_float() })?
                    $(|| { let _: fn(i128) -> i128 = $int; dtype.is_int() })?
                    $(|| { let _: fn(bool) -> bool = $boolean; dtype == satura_tensor::DType::Bool })?;
                if takes { Ok(vec![dtype]) } else { Err($crate::OpError::dtype(format!("{} does not take {dtype}", $text))) }
            }

            fn shapes(&self, cx: &$crate::InferCx<'_>) -> Result<Vec<satura_tensor::Shape>, $crate::OpError> {
                Ok(vec![cx.shape(0)?.clone()])
            }

            $(fn values(&self, cx: &$crate::InferCx<'_>) -> Option<$crate::SymTensor> {
                $crate::ops::support::known_elementwise(cx, |x| { let f: fn(&satura_tensor::Dim) -> Option<satura_tensor::Dim> = $known; f(x[0]) })
            })?

            fn eval(&self, inputs: &[satura_tensor::Tensor], _: &$crate::EvalCx<'_>) -> Result<Vec<satura_tensor::Tensor>, $crate::OpError> {
                #[allow(unused_mut, unused_assignments, reason = "kinds that are not given stay absent")]
                let (mut float, mut int, mut boolean) = (None::<fn(f64) -> f64>, None::<fn(i128) -> i128>, None::<fn(bool) -> bool>);
                $(float = Some($float);)?
                $(int = Some($int);)?
                $(boolean = Some($boolean);)?
                $crate::ops::support::map_elements($text, &inputs[0], float, int, boolean)
            }
        }
    };
}

/// Declares a binary elementwise op on two tensors of one dtype that broadcast together. `int` gets the dtype too, for ops that depend on its width.
macro_rules! binary_op {
    (
        $(#[$meta:meta])* $name:ident, $text:literal, $algebra:expr
        $(, float: $float:expr)? $(, int: $int:expr)? $(, boolean: $boolean:expr)? $(, complex: $complex:expr)? $(, known: $known:expr)? $(,)?
    ) => {
        $crate::op_struct! { $(#[$meta])* pub struct $name {} }

        impl $crate::OpDef for $name {
            const NAME: &'static str = $text;
            const ALGEBRA: $crate::Algebra = $algebra;

            fn arity(&self) -> $crate::Arity {
                2..=2
            }

            fn dtypes(&self, cx: &$crate::InferCx<'_>) -> Result<Vec<satura_tensor::DType>, $crate::OpError> {
                let dtype = cx.same_dtype(0)?;
                let takes = false
                    $(|| { let _: fn(f64, f64) -> f64 = $float; dtype.is_float() })?
                    $(|| { let _: fn(i128, i128, satura_tensor::DType) -> Result<i128, $crate::OpError> = $int; dtype.is_int() })?
                    $(|| { let _: fn(bool, bool) -> bool = $boolean; dtype == satura_tensor::DType::Bool })?
                    $(|| { let _: fn([f64; 2], [f64; 2]) -> [f64; 2] = $complex; dtype.is_complex() })?;
                if takes { Ok(vec![dtype]) } else { Err($crate::OpError::dtype(format!("{} does not take {dtype}", $text))) }
            }

            fn shapes(&self, cx: &$crate::InferCx<'_>) -> Result<Vec<satura_tensor::Shape>, $crate::OpError> {
                $crate::ops::support::broadcast_shape(cx)
            }

            $(fn values(&self, cx: &$crate::InferCx<'_>) -> Option<$crate::SymTensor> {
                $crate::ops::support::known_elementwise(cx, |x| {
                    let f: fn(&satura_tensor::Dim, &satura_tensor::Dim) -> Option<satura_tensor::Dim> = $known;
                    f(x[0], x[1])
                })
            })?

            fn eval(&self, inputs: &[satura_tensor::Tensor], _: &$crate::EvalCx<'_>) -> Result<Vec<satura_tensor::Tensor>, $crate::OpError> {
                let zip = $crate::ops::support::Zip {
                    $(float: Some($float),)?
                    $(int: Some($int),)?
                    $(boolean: Some($boolean),)?
                    $(complex: Some($complex),)?
                    ..$crate::ops::support::Zip::default()
                };
                $crate::ops::support::zip_elements($text, inputs, zip)
            }
        }
    };
}

/// Declares a comparison of two tensors of one dtype that broadcast together. `known` gives the outcome for two expressions where it is certain.
macro_rules! compare_op {
    ($(#[$meta:meta])* $name:ident, $text:literal, $algebra:expr, $compare:expr, known: $known:expr $(,)?) => {
        $crate::op_struct! { $(#[$meta])* pub struct $name {} }

        impl $crate::OpDef for $name {
            const NAME: &'static str = $text;
            const ALGEBRA: $crate::Algebra = $algebra;

            fn arity(&self) -> $crate::Arity {
                2..=2
            }

            fn dtypes(&self, cx: &$crate::InferCx<'_>) -> Result<Vec<satura_tensor::DType>, $crate::OpError> {
                const COMPARE: $crate::ops::support::Compare = $compare;
                let dtype = cx.same_dtype(0)?;
                if COMPARE.takes(dtype) {
                    Ok(vec![satura_tensor::DType::Bool])
                } else {
                    Err($crate::OpError::dtype(format!("{} does not take {dtype}", $text)))
                }
            }

            fn shapes(&self, cx: &$crate::InferCx<'_>) -> Result<Vec<satura_tensor::Shape>, $crate::OpError> {
                $crate::ops::support::broadcast_shape(cx)
            }

            fn values(&self, cx: &$crate::InferCx<'_>) -> Option<$crate::SymTensor> {
                let f: fn(&satura_tensor::Dim, &satura_tensor::Dim) -> Option<bool> = $known;
                $crate::ops::support::known_elementwise(cx, |x| f(x[0], x[1]).map(|outcome| i64::from(outcome).into()))
            }

            fn eval(&self, inputs: &[satura_tensor::Tensor], _: &$crate::EvalCx<'_>) -> Result<Vec<satura_tensor::Tensor>, $crate::OpError> {
                $crate::ops::support::compare_elements($text, inputs, $compare)
            }
        }
    };
}

/// Declares an elementwise composite on one tensor of floats: `eval` is the function of one element, `decompose` emits it.
macro_rules! float_composite {
    ($(#[$meta:meta])* $name:ident { $($fields:tt)* }, $text:literal, eval: $eval:expr, decompose: $decompose:expr $(,)?) => {
        $crate::op_struct! { $(#[$meta])* pub struct $name { $($fields)* } }

        impl $crate::OpDef for $name {
            const NAME: &'static str = $text;
            const ALGEBRA: $crate::Algebra = $crate::Algebra::ELEMENTWISE;

            fn arity(&self) -> $crate::Arity {
                1..=1
            }

            fn dtypes(&self, cx: &$crate::InferCx<'_>) -> Result<Vec<satura_tensor::DType>, $crate::OpError> {
                $crate::ops::support::float_dtype(cx, $text).map(|dtype| vec![dtype])
            }

            fn shapes(&self, cx: &$crate::InferCx<'_>) -> Result<Vec<satura_tensor::Shape>, $crate::OpError> {
                Ok(vec![cx.shape(0)?.clone()])
            }

            fn eval(&self, inputs: &[satura_tensor::Tensor], _: &$crate::EvalCx<'_>) -> Result<Vec<satura_tensor::Tensor>, $crate::OpError> {
                let f: fn(&$name, f64) -> f64 = $eval;
                $crate::ops::support::map_floats($text, &inputs[0], |x| f(self, x))
            }
        }

        impl $crate::Composite for $name {
            fn decompose(
                &self,
                cx: &mut dyn $crate::Emit,
                inputs: &[$crate::ValueId],
            ) -> Result<Vec<$crate::ValueId>, $crate::OpError> {
                let f: fn(&$name, &mut dyn $crate::Emit, $crate::ValueId) -> Result<$crate::ValueId, $crate::OpError> = $decompose;
                $crate::ops::support::in_f32(cx, inputs[0], |cx, x| f(self, cx, x)).map(|y| vec![y])
            }
        }
    };
}
