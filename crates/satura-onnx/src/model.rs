//! Reading a whole model: the file, its header, its graph.

use crate::builder::{Builder, domain_key};
use crate::external::ExternalFiles;
use crate::options::{Imported, Options};
use crate::proto::{ModelProto, OperatorSetIdProto, TensorProto};
use crate::tensor::TensorReader;
use crate::{scan, sniff, source};
use bytes::Bytes;
use prost::Message;
use satura_import::{Code, Diagnostic, ImportError, escape};
use satura_tensor::Tensor;
use std::collections::HashMap;
use std::fs::Metadata;
use std::path::Path;
use std::rc::Rc;

/// The versions of the standard operator set that are read.
pub const OPSETS: std::ops::RangeInclusive<i64> = 7..=28;

/// The versions of the file format that are read.
const IR_VERSIONS: std::ops::RangeInclusive<i64> = 3..=1000;

/// Reads a model from its file. External data is looked for in the file's folder.
pub fn read_file(path: &Path, options: &Options) -> Result<Imported, ImportError> {
    let opened = source::open(path, options.limits.file_bytes, options.map_files)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    read(opened.bytes, Some(folder), Some(opened.metadata), options).map_err(|error| error.in_file(path))
}

/// Reads a model from bytes. `folder` is where its external data is, if it has any.
pub fn read_bytes(bytes: Vec<u8>, folder: Option<&Path>, options: &Options) -> Result<Imported, ImportError> {
    read(Bytes::from(bytes), folder, None, options)
}

/// Reads a lone tensor, as test data is kept: a serialised `TensorProto` whose data is in the message.
pub fn read_tensor_proto(bytes: Vec<u8>) -> Result<Tensor, ImportError> {
    let options = Options::default();
    scan::scan_tensor(&bytes, &options.limits)?;
    let proto = TensorProto::decode(Bytes::from(bytes)).map_err(decode_error)?;
    let files = ExternalFiles::new(None, None, &options);
    Ok(TensorReader { limits: options.limits, files }.dense(&proto)?)
}

fn decode_error(error: prost::DecodeError) -> Diagnostic {
    Diagnostic::error(Code::Parse, format!("the file is not a well-formed message: {error}"))
}

fn looks_like((what, help): (&str, &str)) -> Diagnostic {
    Diagnostic::error(Code::LooksLike, format!("this looks like {what}, not like an ONNX model")).help(help)
}

fn read(
    bytes: Bytes,
    folder: Option<&Path>,
    file: Option<Metadata>,
    options: &Options,
) -> Result<Imported, ImportError> {
    if bytes.is_empty() {
        return Err(Diagnostic::error(Code::NoGraph, "the file is empty: no graph")
            .help("download or export the model again")
            .into());
    }
    if let Some(found) = sniff::by_signature(&bytes) {
        return Err(looks_like(found).into());
    }
    scan::scan_model(&bytes, &options.limits).map_err(|error| match sniff::by_text(&bytes) {
        Some(found) if error.code == Code::Parse => looks_like(found),
        _ => error,
    })?;
    // Slices of `bytes`, weights above all, are shared with it, not copied.
    let model = ModelProto::decode(bytes.clone()).map_err(decode_error)?;
    let Some(graph) = &model.graph else {
        if let Some(found) = sniff::by_text(&bytes) {
            return Err(looks_like(found).into());
        }
        return Err(Diagnostic::error(Code::NoGraph, "the model has no graph")
            .help("the file is cut off, or is not an ONNX model")
            .into());
    };
    let ir_version = model.ir_version.unwrap_or(0);
    if !IR_VERSIONS.contains(&ir_version) {
        let message = format!(
            "version {ir_version} of the file format; versions from {} on are read",
            IR_VERSIONS.start()
        );
        return Err(Diagnostic::error(Code::Version, message).into());
    }
    let opsets = opsets(&model.opset_import)?;
    if opsets.is_empty() {
        return Err(Diagnostic::error(
            Code::OpsetImport,
            "the model does not say which operator sets it uses",
        )
        .into());
    }
    let files = ExternalFiles::new(folder, file, options);
    let tensors = TensorReader { limits: options.limits.clone(), files };
    let mut builder = Builder::new(&model, options, tensors);
    let built = builder.main(graph, Rc::new(opsets.clone()));
    for warning in builder.tensors.files.take_warnings() {
        builder.collector.push(warning);
    }
    let warnings = builder.collector.finish()?;
    let Ok(graph) = built else {
        return Err(Diagnostic::error(Code::Invalid, "the model could not be read").into());
    };
    satura_ir::verify(&graph).map_err(|errors| ImportError {
        diagnostics: errors.into_iter().map(|e| Diagnostic::error(Code::Invalid, e.to_string())).collect(),
        more: 0,
    })?;
    let mut opsets: Vec<(String, i64)> = opsets.into_iter().collect();
    opsets.sort();
    let producer = format!("{} {}", model.producer_name, model.producer_version).trim().to_owned();
    Ok(Imported { graph, warnings, ir_version, opsets, producer })
}

/// Operator sets by domain. One domain in two versions, and a version of the standard domain that is not read, are errors.
pub(crate) fn opsets(imports: &[OperatorSetIdProto]) -> Result<HashMap<String, i64>, Diagnostic> {
    let mut opsets = HashMap::new();
    for import in imports {
        let domain = domain_key(&import.domain);
        let shown = if domain.is_empty() { "ai.onnx" } else { domain };
        if domain.is_empty() && !OPSETS.contains(&import.version) {
            let message = format!(
                "operator set {} of {shown}; {} to {} are read",
                import.version,
                OPSETS.start(),
                OPSETS.end()
            );
            return Err(Diagnostic::error(Code::Version, message)
                .help("export the model for an operator set in this range"));
        }
        if opsets.insert(domain.to_owned(), import.version).is_some_and(|other| other != import.version) {
            let message = format!("the domain \"{}\" is imported in two versions", escape(shown));
            return Err(Diagnostic::error(Code::OpsetImport, message));
        }
    }
    Ok(opsets)
}
