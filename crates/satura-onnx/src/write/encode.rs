//! From a written graph to bytes and files. Weights go from where they lie straight into the file: they are never copied into a message.

use super::files::{self, Pending};
use super::writer::{Constant, Written, inline, write};
use super::{Saved, WriteError, WriteOptions};
use crate::proto::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorProto};
use crate::types;
use prost::Message;
use prost::encoding::{encode_varint, encoded_len_varint};
use satura_ir::Graph;
use satura_tensor::DType;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// What one file of the format can hold: lengths are signed 32-bit numbers for many readers.
const LARGEST: u64 = i32::MAX as u64;

/// Where weights must leave a file that would be too large, those below this many bytes may stay.
const STAYS: u64 = 1024;

/// Tensors of this many bytes or more begin at a page, so that readers can map them.
const PAGED: u64 = 1 << 16;
const PAGE: u64 = 4096;
const WORD: u64 = 64;

/// The keys of length-delimited fields: the number of the field, shifted by 3, plus 2.
const MODEL_GRAPH: u8 = 7 << 3 | 2;
const GRAPH_INITIALIZER: u8 = 5 << 3 | 2;
const TENSOR_RAW_DATA: u8 = 9 << 3 | 2;

/// The version of the format that came with each operator set, from 13 on.
const IR_VERSIONS: [i64; 16] = [7, 7, 8, 8, 8, 8, 9, 9, 10, 10, 11, 12, 13, 13, 13, 14];

/// The first version of the format that has an element type.
fn ir_version_of(dtype: DType) -> i64 {
    match dtype {
        DType::F8E4M3FN | DType::F8E4M3FNUZ | DType::F8E5M2 | DType::F8E5M2FNUZ => 9,
        DType::I4 | DType::U4 => 10,
        DType::F4E2M1 => 11,
        DType::F8E8M0 => 12,
        DType::I2 | DType::U2 => 13,
        DType::F64
        | DType::F32
        | DType::F16
        | DType::BF16
        | DType::I64
        | DType::I32
        | DType::I16
        | DType::I8
        | DType::U64
        | DType::U32
        | DType::U16
        | DType::U8
        | DType::Bool
        | DType::C64
        | DType::C128
        | DType::String => 0,
    }
}

/// A model, its weights apart.
pub(super) struct Model {
    /// Without its graph.
    header: ModelProto,
    /// Without its initialisers.
    graph: GraphProto,
    constants: Vec<Constant>,
    /// How many nodes of each op were written in terms of others.
    expanded: BTreeMap<String, usize>,
}

/// A tensor as the message has it, its data left out; strings are in it.
pub(super) fn header(constant: &Constant) -> TensorProto {
    let Constant { name, tensor } = constant;
    let strings = tensor.strings().unwrap_or_default();
    TensorProto {
        name: name.to_string(),
        dims: tensor.shape().iter().map(|d| i64::try_from(*d).unwrap_or(i64::MAX)).collect(),
        data_type: types::number(tensor.dtype()),
        string_data: strings.iter().map(|s| bytes::Bytes::copy_from_slice(s)).collect(),
        ..TensorProto::default()
    }
}

/// Where the bytes of each constant lie in the data file; `None` for those in the model.
struct Layout {
    location: String,
    offsets: Vec<Option<u64>>,
}

impl Layout {
    /// Constants of `threshold` bytes or more, one after the other.
    fn new(constants: &[Constant], location: String, threshold: Option<u64>) -> Layout {
        let mut end = 0u64;
        let place = |constant: &Constant| {
            let length = constant.tensor.bytes().len() as u64;
            if length == 0 || threshold.is_none_or(|t| length < t) {
                return None;
            }
            let start = end.next_multiple_of(if length >= PAGED { PAGE } else { WORD });
            end = start + length;
            Some(start)
        };
        let offsets = constants.iter().map(place).collect();
        Layout { location, offsets }
    }

    /// The message of a constant without data that lies elsewhere or is streamed.
    fn header(&self, constant: &Constant, at: usize) -> TensorProto {
        let mut proto = header(constant);
        if let Some(offset) = self.offsets[at] {
            let entry = |key: &str, value: String| StringStringEntryProto { key: key.to_owned(), value };
            proto.data_location = 1;
            proto.external_data = vec![
                entry("location", self.location.clone()),
                entry("offset", offset.to_string()),
                entry("length", constant.tensor.bytes().len().to_string()),
            ];
        }
        proto
    }
}

impl Model {
    pub(super) fn build(graph: &Graph, options: &WriteOptions) -> Result<Model, WriteError> {
        let Written { graph, constants, domains, dtypes, expanded } = write(graph, options)?;
        let opset =
            |(domain, version): (&str, i64)| OperatorSetIdProto { domain: domain.to_owned(), version };
        let at = usize::try_from(options.opset - WriteOptions::FIRST).unwrap_or(0);
        let of_types = dtypes.into_iter().map(ir_version_of).max().unwrap_or(0);
        let header = ModelProto {
            ir_version: Some(IR_VERSIONS[at].max(of_types)),
            producer_name: "satura".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            opset_import: std::iter::once(("", options.opset)).chain(domains).map(opset).collect(),
            ..ModelProto::default()
        };
        Ok(Model { header, graph, constants, expanded })
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, WriteError> {
        let layout = Layout::new(&self.constants, String::new(), None);
        let size = self.size(&layout);
        if size > LARGEST {
            return Err(WriteError::TooLarge(size));
        }
        let mut model = self.header.clone();
        let mut graph = self.graph.clone();
        graph.initializer = self.constants.iter().map(inline).collect();
        model.graph = Some(graph);
        Ok(model.encode_to_vec())
    }

    /// Bytes of an initialiser, without the key and length before them.
    fn constant_size(&self, layout: &Layout, at: usize) -> u64 {
        let constant = &self.constants[at];
        let header = layout.header(constant, at).encoded_len() as u64;
        let streamed = constant.tensor.strings().is_none() && layout.offsets[at].is_none();
        let data = constant.tensor.bytes().len() as u64;
        header + if streamed { 1 + encoded_len_varint(data) as u64 + data } else { 0 }
    }

    fn graph_size(&self, layout: &Layout) -> u64 {
        let constant = |at: usize| {
            let size = self.constant_size(layout, at);
            1 + encoded_len_varint(size) as u64 + size
        };
        self.graph.encoded_len() as u64 + (0..self.constants.len()).map(constant).sum::<u64>()
    }

    fn size(&self, layout: &Layout) -> u64 {
        let graph = self.graph_size(layout);
        self.header.encoded_len() as u64 + 1 + encoded_len_varint(graph) as u64 + graph
    }

    /// Where each constant goes so that the model has at most `largest` bytes: to the data file from the threshold on, smaller ones too where that is not enough.
    fn layout(&self, location: &str, threshold: Option<u64>, largest: u64) -> Result<Layout, WriteError> {
        let within = |threshold| {
            let layout = Layout::new(&self.constants, location.to_owned(), threshold);
            let size = self.size(&layout);
            if size <= largest { Ok(layout) } else { Err(WriteError::TooLarge(size)) }
        };
        within(threshold)
            .or_else(|_| within(Some(threshold.unwrap_or(STAYS).min(STAYS))))
            .or_else(|_| within(Some(1)))
    }

    /// Writes the model, and its weights where they are too large or above the threshold.
    pub(super) fn save(self, path: &Path, options: &WriteOptions) -> Result<Saved, WriteError> {
        let Some(name) = path.file_name() else {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path names no file");
            return Err(WriteError::Io { path: path.to_path_buf(), error });
        };
        let location = data_name(&name.to_string_lossy());
        let layout = self.layout(&location, options.external_threshold, LARGEST)?;
        let data = path.with_file_name(&location);
        let has_data = layout.offsets.iter().any(Option::is_some);
        // All that can be known to be in the way, before gigabytes are written.
        files::check(path, &options.keep)?;
        if has_data {
            files::check(&data, &options.keep)?;
        }
        let mut pending = Vec::new();
        let mut files = vec![path.to_path_buf()];
        if has_data {
            pending.push(Pending::write(&data, |file| self.stream_data(&layout, file))?);
            files.push(data);
        }
        pending.push(Pending::write(path, |file| self.stream_model(&layout, file))?);
        files::place_all(pending)?;
        Ok(Saved { files, expanded: self.expanded })
    }

    fn stream_data(&self, layout: &Layout, file: &mut dyn Write) -> std::io::Result<()> {
        let mut at = 0u64;
        for (constant, offset) in self.constants.iter().zip(&layout.offsets) {
            let Some(offset) = *offset else { continue };
            let gap = usize::try_from(offset - at).expect("gaps are below a page");
            file.write_all(&[0; PAGE as usize][..gap])?;
            file.write_all(constant.tensor.bytes())?;
            at = offset + constant.tensor.bytes().len() as u64;
        }
        Ok(())
    }

    fn stream_model(&self, layout: &Layout, file: &mut dyn Write) -> std::io::Result<()> {
        let key = |field: u8, length: u64| {
            let mut bytes = vec![field];
            encode_varint(length, &mut bytes);
            bytes
        };
        file.write_all(&self.header.encode_to_vec())?;
        file.write_all(&key(MODEL_GRAPH, self.graph_size(layout)))?;
        file.write_all(&self.graph.encode_to_vec())?;
        for (at, constant) in self.constants.iter().enumerate() {
            file.write_all(&key(GRAPH_INITIALIZER, self.constant_size(layout, at)))?;
            file.write_all(&layout.header(constant, at).encode_to_vec())?;
            if constant.tensor.strings().is_none() && layout.offsets[at].is_none() {
                file.write_all(&key(TENSOR_RAW_DATA, constant.tensor.bytes().len() as u64))?;
                file.write_all(constant.tensor.bytes())?;
            }
        }
        Ok(())
    }
}

impl WriteOptions {
    /// The first operator set that is written.
    const FIRST: i64 = *super::WRITTEN_OPSETS.start();
}

/// The name of the data file: readers refuse names with drive letters and separators of any system.
fn data_name(model: &str) -> String {
    let plain = |c: char| if matches!(c, '\\' | '/' | ':') || c.is_control() { '_' } else { c };
    format!("{}.data", model.chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, Model, PAGE};
    use crate::{WriteError, WriteOptions};
    use satura_ir::{Graph, ops};
    use satura_tensor::Tensor;

    /// A model of constants of these sizes in bytes, and nothing else.
    fn model(sizes: &[usize]) -> Model {
        let mut graph = Graph::new("constants");
        for (at, size) in sizes.iter().enumerate() {
            let value = Tensor::from_vec(vec![at as u8; *size], &[*size]);
            let constant = graph.add_node(ops::Const { value }.into(), Vec::new(), Vec::new());
            graph.add_output(&format!("y{at}"), constant.unwrap_or_else(|error| panic!("{error}"))[0]);
        }
        Model::build(&graph, &WriteOptions::default()).unwrap_or_else(|error| panic!("{error}"))
    }

    #[track_caller]
    fn check(model: &Model, threshold: Option<u64>, largest: u64, expected: &[Option<u64>]) {
        let layout = model.layout("m.data", threshold, largest).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(layout.offsets, expected);
        let mut bytes = Vec::new();
        model.stream_model(&layout, &mut bytes).expect("a vector takes everything");
        assert_eq!(bytes.len() as u64, model.size(&layout));
    }

    #[test]
    fn what_goes_into_the_data_file() {
        let small = [1000, 999, 2000];
        check(&model(&small), None, LARGEST, &[None; 3]);
        check(&model(&small), Some(1000), LARGEST, &[Some(0), None, Some(1024)]);
        check(
            &model(&[1, 0, 100_000, 70_000]),
            Some(0),
            LARGEST,
            &[Some(0), None, Some(PAGE), Some((PAGE + 100_000).next_multiple_of(PAGE))],
        );
    }

    #[test]
    fn what_is_too_large_for_one_file_leaves_it() {
        let sizes = [500, 2000, 1500];
        let all = [Some(0), Some(512), Some(2560)];
        // Small constants stay, whatever threshold was asked for; they go where that does not suffice.
        check(&model(&sizes), None, 3000, &[None, Some(0), Some(2048)]);
        check(&model(&sizes), Some(10_000), 3000, &[None, Some(0), Some(2048)]);
        check(&model(&sizes), None, 700, &all);
        let error = model(&sizes).layout("m.data", None, 10).err();
        assert!(matches!(error, Some(WriteError::TooLarge(size)) if size > 10), "{error:?}");
    }
}
