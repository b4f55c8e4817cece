//! Loading a model, whatever its format.

use crate::Error;
use satura_import::{Diagnostic, Limits};
use satura_ir::{ConstStore, Graph, OpRegistry, parse_module};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How a model is read.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// Bounds on what the file may ask for.
    pub limits: Limits,
    /// Accept external data files that have more than one hard link.
    pub allow_hard_links: bool,
    /// Where a declared type contradicts the inferred one, go on with the inferred type.
    pub ignore_declared_types: bool,
    /// Ops from outside that a text may name.
    pub registry: OpRegistry,
}

/// A model in memory.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it computes, verified.
    pub graph: Graph,
    /// What was odd about the file.
    pub warnings: Vec<Diagnostic>,
    /// The file.
    pub path: PathBuf,
    /// The format, such as `onnx`.
    pub format: &'static str,
    /// What the file says about itself, for people: format version, operator sets, producer.
    pub properties: Vec<(String, String)>,
    /// How long reading took.
    pub load_time: Duration,
}

impl Model {
    /// A model that was not read from a file.
    pub fn from_graph(graph: Graph) -> Self {
        Model {
            graph,
            warnings: Vec::new(),
            path: PathBuf::new(),
            format: "graph",
            properties: Vec::new(),
            load_time: Duration::ZERO,
        }
    }
}

/// Reads a model. `.sat` is the text form of graphs (the first graph of the file is taken); everything else is read as ONNX.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Model, Error> {
    let start = Instant::now();
    let mut model = if path.extension().is_some_and(|e| e == "sat") {
        load_text(path, options)?
    } else if path.is_dir() {
        return Err(Error::Format {
            path: path.to_path_buf(),
            message: "this is a folder; SavedModel folders cannot be read yet, give an ONNX file".to_owned(),
        });
    } else {
        load_onnx(path, options)?
    };
    model.load_time = start.elapsed();
    Ok(model)
}

fn load_text(path: &Path, options: &LoadOptions) -> Result<Model, Error> {
    let size = std::fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
    if size > options.limits.file_bytes {
        let message = format!("the file has {size} bytes, the limit is {}", options.limits.file_bytes);
        return Err(Error::Format { path: path.to_path_buf(), message });
    }
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let module = parse_module(&text, &ConstStore::default(), &options.registry)
        .map_err(|error| Error::Text { path: path.to_path_buf(), text: text.clone(), error })?;
    let Some(graph) = module.graphs.into_iter().next() else {
        return Err(Error::Format { path: path.to_path_buf(), message: "the file has no graph".to_owned() });
    };
    satura_ir::verify(&graph).map_err(|errors| match errors.into_iter().next() {
        Some(error) => Error::Verify(error),
        None => Error::Format { path: path.to_path_buf(), message: "the graph is not valid".to_owned() },
    })?;
    Ok(Model { path: path.to_path_buf(), format: "sat", ..Model::from_graph(graph) })
}

#[cfg(feature = "onnx")]
fn load_onnx(path: &Path, options: &LoadOptions) -> Result<Model, Error> {
    let reader = satura_onnx::Options {
        limits: options.limits.clone(),
        allow_hard_links: options.allow_hard_links,
        ignore_declared_types: options.ignore_declared_types,
        ..satura_onnx::Options::default()
    };
    let imported = satura_onnx::read_file(path, &reader)?;
    let opsets = imported.opsets.iter().map(|(domain, version)| match domain.as_str() {
        "" => version.to_string(),
        domain => format!("{domain} {version}"),
    });
    let properties = vec![
        ("ir version".to_owned(), imported.ir_version.to_string()),
        ("opset".to_owned(), opsets.collect::<Vec<_>>().join(", ")),
        ("producer".to_owned(), imported.producer),
    ];
    let warnings = imported.warnings;
    Ok(Model {
        warnings,
        path: path.to_path_buf(),
        format: "onnx",
        properties,
        ..Model::from_graph(imported.graph)
    })
}

/// Reads a tensor that lies in a file by itself, as the ONNX backend suite keeps inputs and outputs.
#[cfg(feature = "onnx")]
pub fn read_onnx_tensor(path: &Path) -> Result<satura_tensor::Tensor, Error> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    Ok(satura_onnx::read_tensor_proto(bytes).map_err(|error| error.in_file(path))?)
}

#[cfg(not(feature = "onnx"))]
fn load_onnx(path: &Path, _options: &LoadOptions) -> Result<Model, Error> {
    let message = "this build reads only .sat files: the feature `onnx` is off".to_owned();
    Err(Error::Format { path: path.to_path_buf(), message })
}
