//! From inputs and explicit sizes to one value for every symbol.

use satura_ir::{Datum, Graph, Type, ValueId};
use satura_tensor::{Bindings, DType, Dim, Symbol};
use std::collections::BTreeMap;
use std::fmt;

/// Values by input name.
pub type Inputs = BTreeMap<String, Datum>;

/// Sizes by input name.
pub type InputShapes = BTreeMap<String, Vec<usize>>;

/// Why inputs or sizes do not fit a model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindError {
    /// Inputs are missing.
    Missing {
        /// The names that are missing.
        names: Vec<String>,
        /// Every input with its type.
        inputs: Vec<(String, String)>,
    },
    /// The model has no such input.
    UnknownInput {
        /// The name.
        name: String,
        /// Every input with its type.
        inputs: Vec<(String, String)>,
    },
    /// The model has no such symbol.
    UnknownSymbol {
        /// The name.
        name: String,
        /// Every symbol.
        symbols: Vec<String>,
    },
    /// An input has another dtype or rank than the model declares.
    Type {
        /// The input.
        name: String,
        /// The declared type.
        declared: String,
        /// What was given.
        given: String,
    },
    /// An extent cannot be what was given.
    Extent {
        /// The input.
        name: String,
        /// The axis, outermost 0.
        axis: usize,
        /// The extent as declared.
        declared: String,
        /// What was given.
        given: i64,
        /// Why it cannot be.
        why: String,
    },
    /// Symbols that nothing fixes.
    Unbound {
        /// Their names.
        symbols: Vec<String>,
    },
    /// An input for which no random tensor is made.
    NotRandom {
        /// The input.
        name: String,
        /// Its type.
        declared: String,
    },
}

impl BindError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            BindError::Missing { .. } => "missing-input",
            BindError::UnknownInput { .. } => "unknown-input",
            BindError::UnknownSymbol { .. } => "unknown-symbol",
            BindError::Type { .. } => "input-type",
            BindError::Extent { .. } => "input-size",
            BindError::Unbound { .. } => "unbound-symbol",
            BindError::NotRandom { .. } => "not-random",
        }
    }

    pub(crate) fn help(&self) -> Option<String> {
        let list = |inputs: &[(String, String)]| {
            let lines: Vec<String> = inputs.iter().map(|(name, ty)| format!("  {name}: {ty}")).collect();
            format!("the model's inputs are\n{}", lines.join("\n"))
        };
        match self {
            BindError::Missing { inputs, .. } => Some(format!(
                "{}\ngive each with --input NAME=FILE.npy, or all with --random SEED",
                list(inputs)
            )),
            BindError::UnknownInput { inputs, .. } => Some(list(inputs)),
            BindError::UnknownSymbol { symbols, .. } if symbols.is_empty() => {
                Some("the model has no symbols".to_owned())
            }
            BindError::UnknownSymbol { symbols, .. } => {
                Some(format!("the model's symbols are {}", symbols.join(", ")))
            }
            BindError::Unbound { symbols } => {
                let flags: Vec<String> = symbols.iter().map(|s| format!("--dim {s}=N")).collect();
                Some(format!("fix them with {}", flags.join(" ")))
            }
            BindError::NotRandom { name, .. } => Some(format!("give it with --input {name}=FILE.npy")),
            BindError::Type { .. } | BindError::Extent { .. } => None,
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindError::Missing { names, .. } => {
                write!(f, "no value for input{} {}", if names.len() > 1 { "s" } else { "" }, names.join(", "))
            }
            BindError::UnknownInput { name, .. } => write!(f, "the model has no input {name:?}"),
            BindError::UnknownSymbol { name, .. } => write!(f, "the model has no symbol {name:?}"),
            BindError::Type { name, declared, given } => {
                write!(f, "input {name:?} is {declared}, but {given} was given")
            }
            BindError::Extent { name, axis, declared, given, why } => {
                write!(f, "input {name:?}: axis {axis} is declared as {declared}, {given} was given: {why}")
            }
            BindError::Unbound { symbols } => write!(f, "nothing fixes the size of {}", symbols.join(", ")),
            BindError::NotRandom { name, declared } => {
                write!(f, "no random value for input {name:?} of type {declared}")
            }
        }
    }
}

impl std::error::Error for BindError {}

/// The name of an input.
pub(crate) fn input_name(graph: &Graph, id: ValueId) -> String {
    graph.value(id).name.as_deref().unwrap_or("?").to_owned()
}

/// Name and type of every input, for people.
pub fn describe_inputs(graph: &Graph) -> Vec<(String, String)> {
    graph.inputs().iter().map(|id| (input_name(graph, *id), graph.ty(*id).to_string())).collect()
}

fn check_names<'a>(graph: &Graph, names: impl Iterator<Item = &'a String>) -> Result<(), BindError> {
    for name in names {
        if !graph.inputs().iter().any(|id| input_name(graph, *id) == *name) {
            return Err(BindError::UnknownInput { name: name.clone(), inputs: describe_inputs(graph) });
        }
    }
    Ok(())
}

/// The values in the order of the graph's inputs, their dtypes and containers checked.
pub fn order_inputs(graph: &Graph, inputs: &Inputs) -> Result<Vec<Datum>, BindError> {
    check_names(graph, inputs.keys())?;
    let missing: Vec<String> = graph
        .inputs()
        .iter()
        .map(|id| input_name(graph, *id))
        .filter(|name| !inputs.contains_key(name))
        .collect();
    if !missing.is_empty() {
        return Err(BindError::Missing { names: missing, inputs: describe_inputs(graph) });
    }
    graph
        .inputs()
        .iter()
        .map(|id| {
            let name = input_name(graph, *id);
            let datum = inputs[&name].clone();
            let ty = graph.ty(*id);
            // Sizes are checked against each other when symbols are solved for.
            let fits = match &datum {
                Datum::Tensor(tensor) => ty.dtype() == Some(tensor.dtype()),
                other => other.fits(ty),
            };
            if fits {
                Ok(datum)
            } else {
                Err(BindError::Type { name, declared: ty.to_string(), given: datum.describe() })
            }
        })
        .collect()
}

/// [`order_inputs`], where names that the graph does not have are left out: inputs whose values are in it already.
pub(crate) fn order_known(graph: &Graph, inputs: &Inputs) -> Result<Vec<Datum>, BindError> {
    let known = |name: &String| graph.inputs().iter().any(|id| input_name(graph, *id) == *name);
    let inputs = inputs.iter().filter(|(name, _)| known(name));
    order_inputs(graph, &inputs.map(|(name, datum)| (name.clone(), datum.clone())).collect())
}

/// Solves for the symbols of a graph: `dims` are given, the rest follows from the sizes of inputs. Symbols that nothing fixes are not in the result.
pub fn solve(graph: &Graph, dims: &Bindings, shapes: &InputShapes) -> Result<Bindings, BindError> {
    let known = graph.symbols();
    if let Some(symbol) = dims.keys().find(|symbol| !known.contains(symbol)) {
        let symbols = known.iter().map(|s| s.name().to_owned()).collect();
        return Err(BindError::UnknownSymbol { name: symbol.name().to_owned(), symbols });
    }
    check_names(graph, shapes.keys())?;

    // Each equation is one axis of one input: declared expression == given extent.
    let mut equations: Vec<(String, usize, Dim, i64)> = Vec::new();
    for id in graph.inputs() {
        let name = input_name(graph, *id);
        let (Some(sizes), ty) = (shapes.get(&name), graph.ty(*id)) else { continue };
        let Some(shape) = ty.shape() else { continue };
        if shape.len() != sizes.len() {
            let given = Type::of(ty.dtype().unwrap_or(DType::F32), sizes).to_string();
            return Err(BindError::Type { name, declared: ty.to_string(), given });
        }
        let extents = sizes.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX));
        equations.extend(
            shape
                .iter()
                .zip(extents)
                .enumerate()
                .map(|(axis, (dim, size))| (name.clone(), axis, dim.clone(), size)),
        );
    }

    let mut bindings = dims.clone();
    let mut reasons: BTreeMap<Symbol, String> =
        dims.iter().map(|(s, v)| (s.clone(), format!("{s} is given as {v}"))).collect();
    loop {
        let mut rest = Vec::new();
        let before = bindings.len();
        for (name, axis, declared, given) in equations {
            let dim = declared.bind(&bindings);
            if let Some((symbol, value)) = dim.solve(given) {
                reasons.insert(
                    symbol.clone(),
                    format!("{symbol} is {value}, from axis {axis} of input {name:?}"),
                );
                bindings.insert(symbol, value);
                continue;
            }
            let mut symbols = Vec::new();
            dim.collect_symbols(&mut symbols);
            if symbols.len() > 1 {
                rest.push((name, axis, declared, given));
                continue;
            }
            if dim.is(given) {
                continue;
            }
            let mut of_declared = Vec::new();
            declared.collect_symbols(&mut of_declared);
            let whys: Vec<String> = of_declared.iter().filter_map(|s| reasons.get(s).cloned()).collect();
            let why = match (dim.as_const(), whys.is_empty()) {
                (Some(value), true) => format!("it must be {value}"),
                (Some(_), false) => whys.join(", "),
                (None, _) => "no whole size solves this".to_owned(),
            };
            return Err(BindError::Extent { name, axis, declared: declared.to_string(), given, why });
        }
        if bindings.len() == before {
            return Ok(bindings);
        }
        equations = rest;
    }
}

/// The symbols of a graph without a value.
pub fn unbound(graph: &Graph, bindings: &Bindings) -> Vec<Symbol> {
    graph.symbols().into_iter().filter(|symbol| !bindings.contains_key(symbol)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use satura_tensor::parse_dim;

    fn graph() -> Graph {
        let dim = |text: &str| parse_dim(text).expect("a dimension");
        let mut graph = Graph::new("g");
        graph.add_input("x", Type::tensor(DType::F32, vec![dim("N"), dim("2*H + 1")]));
        graph.add_input("y", Type::tensor(DType::F32, vec![dim("N"), dim("H*W"), dim("3")]));
        graph
    }

    #[track_caller]
    fn check(dims: &[(&str, i64)], shapes: &[(&str, &[usize])], expected: &str) {
        let dims = dims.iter().map(|(name, value)| (Symbol::new(name), *value)).collect();
        let shapes = shapes.iter().map(|(name, sizes)| ((*name).to_owned(), sizes.to_vec())).collect();
        let actual = match solve(&graph(), &dims, &shapes) {
            Ok(bindings) => bindings.iter().map(|(s, v)| format!("{s}={v}")).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expected);
    }

    #[test]
    fn symbols_follow_from_inputs() {
        check(&[], &[("x", &[4, 7]), ("y", &[4, 15, 3])], "H=3 N=4 W=5");
        check(&[("W", 5)], &[("y", &[4, 15, 3])], "H=3 N=4 W=5");
        check(&[], &[("y", &[4, 15, 3])], "N=4");
    }

    #[test]
    fn conflicts_name_both_sides() {
        check(
            &[],
            &[("x", &[4, 7]), ("y", &[5, 15, 3])],
            "input \"y\": axis 0 is declared as N, 5 was given: N is 4, from axis 0 of input \"x\"",
        );
        check(
            &[("N", 2)],
            &[("x", &[4, 7])],
            "input \"x\": axis 0 is declared as N, 4 was given: N is given as 2",
        );
        check(
            &[],
            &[("x", &[4, 8])],
            "input \"x\": axis 1 is declared as 2*H + 1, 8 was given: no whole size solves this",
        );
        check(&[], &[("y", &[4, 15, 2])], "input \"y\": axis 2 is declared as 3, 2 was given: it must be 3");
        check(&[], &[("x", &[4])], "input \"x\" is f32[N, 2*H + 1], but f32[4] was given");
        check(&[("Q", 1)], &[], "the model has no symbol \"Q\"");
        check(&[], &[("z", &[1])], "the model has no input \"z\"");
    }
}
