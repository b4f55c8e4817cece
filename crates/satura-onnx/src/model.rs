//! Reading a whole model: the file, its header, its graph.

use crate::builder::{Builder, Needs, domain_key};
use crate::external::ExternalFiles;
use crate::options::{Imported, OpenModel, Options, Reading};
use crate::proto::{ModelProto, OperatorSetIdProto};
use crate::scan::{self, Root};
use crate::tensor::TensorReader;
use crate::{sniff, source};
use bytes::Bytes;
use prost::Message;
use satura_import::{Code, Diagnostic, ImportError, Severity, escape};
use std::collections::HashMap;
use std::fs::Metadata;
use std::path::Path;
use std::rc::Rc;

/// The versions of the standard operator set that are read.
pub const OPSETS: std::ops::RangeInclusive<i64> = 1..=28;

/// The versions of the file format that are read.
const IR_VERSIONS: std::ops::RangeInclusive<i64> = 3..=1000;

/// Reads a model from its file. External data is looked for in the file's folder.
pub fn read_file(path: &Path, options: &Options) -> Result<Imported, ImportError> {
    match read_file_or_needs(path, options)? {
        Reading::Whole(imported) => Ok(*imported),
        Reading::Open(open) => Err(open.error),
    }
}

/// Like [`read_file`], where a model that needs values or sizes of inputs before it can be converted is no failure.
pub fn read_file_or_needs(path: &Path, options: &Options) -> Result<Reading, ImportError> {
    let opened = source::open(path, options.limits.file_bytes, options.map_files)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match read(opened.bytes, Some(folder), Some(opened.metadata), options) {
        Ok(Reading::Open(open)) => {
            Ok(Reading::Open(Box::new(OpenModel { error: open.error.in_file(path), ..*open })))
        }
        other => other.map_err(|error| error.in_file(path)),
    }
}

/// Reads a model from bytes. `folder` is where its external data is, if it has any.
pub fn read_bytes(bytes: Vec<u8>, folder: Option<&Path>, options: &Options) -> Result<Imported, ImportError> {
    match read(Bytes::from(bytes), folder, None, options)? {
        Reading::Whole(imported) => Ok(*imported),
        Reading::Open(open) => Err(open.error),
    }
}

pub(crate) fn decode_error(error: prost::DecodeError) -> Diagnostic {
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
) -> Result<Reading, ImportError> {
    if bytes.is_empty() {
        return Err(Diagnostic::error(Code::NoGraph, "the file is empty: no graph")
            .help("download or export the model again")
            .into());
    }
    if let Some(found) = sniff::by_signature(&bytes) {
        return Err(looks_like(found).into());
    }
    scan::scan(&bytes, Root::Model, &options.limits).map_err(|error| match sniff::by_text(&bytes) {
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
    let mut opsets: Vec<(String, i64)> = opsets.into_iter().collect();
    opsets.sort();
    let producer = format!("{} {}", model.producer_name, model.producer_version).trim().to_owned();
    let data_files = builder.tensors.files.paths();
    let Builder { collector, needs, .. } = builder;
    let warnings = match collector.finish() {
        Ok(warnings) => warnings,
        Err(error) => {
            let sizes = needs.inputs.iter().any(|(_, ty)| ty.dtype().is_some() && ty.sizes().is_none());
            let only_needs = error
                .diagnostics
                .iter()
                .all(|d| d.severity == Severity::Warning || d.code == Code::NotConstant);
            if !only_needs || (needs.values.is_empty() && !sizes) {
                return Err(error);
            }
            let Needs { inputs, values } = needs;
            let open = OpenModel { inputs, values, sizes, error, ir_version, opsets, producer };
            return Ok(Reading::Open(Box::new(open)));
        }
    };
    let Ok(graph) = built else {
        return Err(Diagnostic::error(Code::Invalid, "the model could not be read").into());
    };
    satura_ir::verify(&graph).map_err(|errors| ImportError {
        diagnostics: errors.into_iter().map(|e| Diagnostic::error(Code::Invalid, e.to_string())).collect(),
        more: 0,
    })?;
    Ok(Reading::Whole(Box::new(Imported { graph, warnings, ir_version, opsets, producer, data_files })))
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
