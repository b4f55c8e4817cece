//! From flags to sizes and tensors.

use crate::args::SizeArgs;
use crate::report::{Failure, note};
use satura::ir::{Datum, Graph};
use satura::tensor::{Bindings, Symbol, read_npy};
use satura::{Error, InputShapes, Inputs};
use std::path::Path;

/// What the flags fix of a model's inputs.
pub(crate) struct Sizes {
    /// Values from files.
    pub(crate) inputs: Inputs,
    /// Symbols from `--dim`.
    pub(crate) dims: Bindings,
    /// Sizes from files and `--shape`.
    pub(crate) shapes: InputShapes,
}

/// Splits `NAME=VALUE`. A name may have `=` in it: the longest one that `known` accepts counts, else the part before the first `=`.
fn split<'a>(text: &'a str, flag: &str, known: impl Fn(&str) -> bool) -> Result<(&'a str, &'a str), Failure> {
    let usage = || Failure::new("usage", format!("--{flag} {text}: expected NAME=VALUE"));
    let first = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(usage)?;
    let mut ends = text.match_indices('=').rev().map(|(at, _)| (&text[..at], &text[at + 1..]));
    Ok(ends.find(|(name, _)| known(name)).unwrap_or(first))
}

/// Reads a `.npy` file, or a `.pb` file: a message of ONNX by itself, of the type of the input.
fn read_value(path: &Path, name: &str, graph: &Graph) -> Result<Datum, Failure> {
    if path.extension().is_some_and(|extension| extension == "pb") {
        let named = |id: &&satura::ir::ValueId| graph.value(**id).name.as_deref() == Some(name);
        let Some(id) = graph.inputs().iter().find(named) else {
            let inputs = satura::describe_inputs(graph);
            return Err(Error::from(satura::BindError::UnknownInput { name: name.to_owned(), inputs }).into());
        };
        return Ok(satura::read_onnx_datum(path, graph.ty(*id))?);
    }
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::new("io", format!("cannot read {}: {error}", path.display())))?;
    let tensor =
        read_npy(&bytes).map_err(|error| Failure::new("npy", format!("{}: {error}", path.display())))?;
    Ok(tensor.into())
}

impl Sizes {
    /// Reads the flags, with the files they name.
    pub(crate) fn read(args: &SizeArgs, graph: &Graph) -> Result<Self, Failure> {
        let is_input = |name: &str| satura::describe_inputs(graph).iter().any(|(n, _)| n == name);
        let (mut inputs, mut dims, mut shapes) = (Inputs::new(), Bindings::new(), InputShapes::new());
        for text in &args.inputs {
            let (name, file) = split(text, "input", is_input)?;
            let value = read_value(Path::new(file), name, graph)?;
            if let Some(tensor) = value.as_tensor() {
                shapes.insert(name.to_owned(), tensor.shape().to_vec());
            }
            if inputs.insert(name.to_owned(), value).is_some() {
                return Err(Failure::new("usage", format!("--input {name} is given twice")));
            }
        }
        for text in &args.dims {
            let (name, value) = split(text, "dim", |name| graph.symbols().iter().any(|s| s.name() == name))?;
            let value = value.parse().ok().filter(|v| *v >= 0);
            let value = value
                .ok_or_else(|| Failure::new("usage", format!("--dim {text}: expected a size, 0 or more")))?;
            if dims.insert(Symbol::new(name), value).is_some() {
                return Err(Failure::new("usage", format!("--dim {name} is given twice")));
            }
        }
        for text in &args.shapes {
            let (name, sizes) = split(text, "shape", is_input)?;
            // A scalar has no sizes.
            let parts = sizes.split(',').filter(|_| !sizes.is_empty());
            let sizes: Option<Vec<usize>> = parts.map(|size| size.trim().parse().ok()).collect();
            let sizes = sizes.ok_or_else(|| {
                Failure::new(
                    "usage",
                    format!("--shape {text}: expected sizes separated by commas, such as {name}=1,3,224,224"),
                )
            })?;
            if shapes.insert(name.to_owned(), sizes).is_some() {
                return Err(Failure::new("usage", format!("the sizes of input {name} are given twice")));
            }
        }
        Ok(Sizes { inputs, dims, shapes })
    }

    /// The value of every symbol; those that nothing fixes are 1, which is noted.
    pub(crate) fn bindings(&self, graph: &Graph) -> Result<Bindings, Failure> {
        let mut bindings = satura::solve(graph, &self.dims, &self.shapes).map_err(Error::from)?;
        let free = satura::unbound(graph, &bindings);
        if !free.is_empty() {
            let list: Vec<String> = free.iter().map(|symbol| format!("{symbol} = 1")).collect();
            let flags: Vec<String> = free.iter().map(|symbol| format!("--dim {symbol}=N")).collect();
            note(&format!(
                "nothing fixes these sizes, so {} (change with {})",
                list.join(", "),
                flags.join(" ")
            ));
            bindings.extend(free.into_iter().map(|symbol| (symbol, 1)));
        }
        Ok(bindings)
    }
}

/// A value for every input, those that no file gives from the seed `random` if there is one, and the values of symbols that the flags fix.
pub(crate) fn values(
    args: &SizeArgs,
    random: Option<u64>,
    graph: &Graph,
) -> Result<(Inputs, Bindings), Failure> {
    let sizes = Sizes::read(args, graph)?;
    let Some(seed) = random else {
        // Names and dtypes are checked here, before anything is compiled.
        satura::order_inputs(graph, &sizes.inputs).map_err(Error::from)?;
        for (name, shape) in &sizes.shapes {
            if !sizes.inputs.contains_key(name) {
                let failure = Failure::new("usage", format!("--shape {name}={shape:?} has no use here"));
                return Err(
                    failure.help("give the input with --input, or make the inputs with --random SEED")
                );
            }
        }
        return Ok((sizes.inputs, sizes.dims));
    };
    let bindings = sizes.bindings(graph)?;
    let sized = satura::specialise(graph, &bindings, &sizes.shapes)?;
    let inputs = satura::random_inputs(&sized, &bindings, seed, &sizes.inputs).map_err(Error::from)?;
    satura::order_inputs(graph, &inputs).map_err(Error::from)?;
    Ok((inputs, bindings))
}
