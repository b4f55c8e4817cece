//! Loading a model, whatever its format.

use crate::Error;
use crate::bind::Inputs;
#[cfg(feature = "onnx")]
use crate::session::shapes_of;
use satura_import::{Diagnostic, ImportError, Limits};
use satura_ir::{ConstStore, Graph, OpRegistry, parse_module};
#[cfg(feature = "onnx")]
use satura_ir::{Datum, Type};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    /// The version of ONNX's standard operator set that the file uses; `None` for another format.
    pub opset: Option<i64>,
    /// The files besides [`path`](Self::path) that weights lie in, by every name that leads to them. They may be mapped, so they must stay as they are.
    pub data_files: Vec<PathBuf>,
    /// How long reading took.
    pub load_time: Duration,
    /// Set where the model cannot be converted before the values of some inputs are known. [`graph`](Self::graph) then has the inputs and nothing else.
    pub open: Option<Arc<Open>>,
}

/// What a model waits for.
#[derive(Clone, Debug)]
pub struct Open {
    /// The inputs whose values are needed, as far as the file by itself shows.
    pub values: BTreeSet<String>,
    /// Why the model cannot be converted without them.
    pub error: ImportError,
    #[cfg(feature = "onnx")]
    reader: satura_onnx::Options,
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
            opset: None,
            data_files: Vec::new(),
            load_time: Duration::ZERO,
            open: None,
        }
    }

    /// The error for what needs the whole model, where it is not whole without values of inputs.
    pub fn check_whole(&self) -> Result<(), Error> {
        match &self.open {
            None => Ok(()),
            Some(open) => Err(Error::Import(open.error.clone())),
        }
    }

    /// The whole model for these inputs: itself, unless it needs the values of some of them. It then is read again, with those values and with the sizes of all inputs, and has
    /// no such inputs any more; the names of those that became constants come with it.
    pub fn whole_for(&self, inputs: &Inputs) -> Result<(Cow<'_, Model>, BTreeSet<String>), Error> {
        match &self.open {
            None => Ok((Cow::Borrowed(self), BTreeSet::new())),
            Some(open) => self.read_for(open, inputs).map(|(model, fixed)| (Cow::Owned(model), fixed)),
        }
    }

    #[cfg(feature = "onnx")]
    fn read_for(&self, open: &Open, inputs: &Inputs) -> Result<(Model, BTreeSet<String>), Error> {
        let start = Instant::now();
        crate::bind::order_inputs(&self.graph, inputs)?;
        let mut reader = open.reader.clone();
        reader.input_sizes = shapes_of(inputs);
        let mut wanted = open.values.clone();
        loop {
            let fixed =
                wanted.iter().filter_map(|name| Some((name.clone(), inputs.get(name)?.as_tensor()?.clone())));
            reader.fixed_inputs = fixed.collect();
            match satura_onnx::read_file_or_needs(&self.path, &reader)? {
                satura_onnx::Reading::Whole(imported) => {
                    let model = Model {
                        graph: imported.graph,
                        warnings: imported.warnings,
                        data_files: imported.data_files,
                        load_time: start.elapsed(),
                        open: None,
                        ..self.clone()
                    };
                    return Ok((model, reader.fixed_inputs.into_keys().collect()));
                }
                // What is fixed may uncover the next need.
                satura_onnx::Reading::Open(more) => {
                    let before = wanted.len();
                    wanted.extend(more.values);
                    if wanted.len() == before {
                        return Err(Error::Import(more.error));
                    }
                }
            }
        }
    }

    #[cfg(not(feature = "onnx"))]
    fn read_for(&self, open: &Open, _inputs: &Inputs) -> Result<(Model, BTreeSet<String>), Error> {
        Err(Error::Import(open.error.clone()))
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
        #[cfg(feature = "autodiff")]
        differentiate: Some(crate::gradient::differentiate),
        ..satura_onnx::Options::default()
    };
    let properties = |ir_version: i64, opsets: &[(String, i64)], producer: String| {
        let opsets = opsets.iter().map(|(domain, version)| match domain.as_str() {
            "" => version.to_string(),
            domain => format!("{domain} {version}"),
        });
        vec![
            ("ir version".to_owned(), ir_version.to_string()),
            ("opset".to_owned(), opsets.collect::<Vec<_>>().join(", ")),
            ("producer".to_owned(), producer),
        ]
    };
    let standard = |opsets: &[(String, i64)]| {
        opsets.iter().find(|(domain, _)| domain.is_empty()).map(|(_, version)| *version)
    };
    let path = path.to_path_buf();
    Ok(match satura_onnx::read_file_or_needs(&path, &reader)? {
        satura_onnx::Reading::Whole(imported) => Model {
            warnings: imported.warnings,
            opset: standard(&imported.opsets),
            data_files: imported.data_files,
            path,
            format: "onnx",
            properties: properties(imported.ir_version, &imported.opsets, imported.producer),
            ..Model::from_graph(imported.graph)
        },
        satura_onnx::Reading::Open(open) => {
            let mut signature = Graph::new("main");
            for (name, ty) in &open.inputs {
                signature.add_input(name, ty.clone());
            }
            let satura_onnx::OpenModel { values, error, ir_version, opsets, producer, .. } = *open;
            Model {
                path,
                format: "onnx",
                opset: standard(&opsets),
                properties: properties(ir_version, &opsets, producer),
                open: Some(Arc::new(Open { values, error, reader })),
                ..Model::from_graph(signature)
            }
        }
    })
}

/// Reads a value that lies in a file by itself, as the ONNX backend suite keeps inputs and outputs. The file does not say of which type it is.
#[cfg(feature = "onnx")]
pub fn read_onnx_datum(path: &Path, ty: &Type) -> Result<Datum, Error> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    Ok(satura_onnx::read_datum(bytes, ty).map_err(|error| error.in_file(path))?)
}

#[cfg(not(feature = "onnx"))]
fn load_onnx(path: &Path, _options: &LoadOptions) -> Result<Model, Error> {
    let message = "this build reads only .sat files: the feature `onnx` is off".to_owned();
    Err(Error::Format { path: path.to_path_buf(), message })
}
