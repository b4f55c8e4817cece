//! What the fuzz targets share: bounds that keep one run short, what must hold for every result, and a writer of protobuf messages.

use satura_import::{ImportError, Limits};
use satura_ir::{ConstStore, OpRegistry, parse_module, print_graph};
use satura_onnx::{Imported, Options};

/// Bounds under which a run takes milliseconds.
pub fn options() -> Options {
    let limits =
        Limits { nodes: 2000, depth: 20, elements: 1 << 16, file_bytes: 1 << 20, ..Limits::default() };
    Options { limits, map_files: false, ..Options::default() }
}

/// Either a verified graph that prints and parses back, or errors with a code and a message of bounded length.
pub fn check(result: Result<Imported, ImportError>) {
    match result {
        Ok(imported) => {
            let problems = satura_ir::verify(&imported.graph);
            assert!(problems.is_ok(), "what was read is not valid: {problems:?}");
            let text = print_graph(&imported.graph);
            let mut store = ConstStore::default();
            store.insert_graph(&imported.graph);
            let module = parse_module(&text, &store, &OpRegistry::default());
            let again = module.unwrap_or_else(|error| panic!("{error:?} in\n{text}"));
            assert_eq!(again.graphs.iter().map(print_graph).collect::<String>(), text);
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && text.len() < 1 << 16, "{} bytes of message", text.len());
        }
    }
}

/// A protobuf message in the making.
#[derive(Clone, Debug, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// An integer field.
    pub fn int(mut self, field: u32, value: i64) -> Self {
        self.varint(u64::from(field << 3));
        self.varint(value as u64);
        self
    }

    /// An f32 field.
    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.varint(u64::from(field << 3 | 5));
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A field of bytes or text.
    pub fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.varint(u64::from(field << 3 | 2));
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A field that is a message.
    pub fn message(self, field: u32, message: &Message) -> Self {
        self.bytes(field, &message.0)
    }

    /// The field once for each item.
    pub fn each<T>(self, items: impl IntoIterator<Item = T>, add: impl Fn(Self, T) -> Self) -> Self {
        items.into_iter().fold(self, add)
    }
}

/// `ValueInfoProto`: a tensor with extents; negative ones stand for symbols.
pub fn value_info(name: &str, elem_type: i64, dims: Option<&[i64]>) -> Message {
    let mut tensor = Message::default().int(1, elem_type);
    if let Some(dims) = dims {
        let shape = Message::default().each(dims, |shape, dim| {
            let symbol = format!("S{}", dim.unsigned_abs());
            let dim = match *dim {
                size if size >= 0 => Message::default().int(1, size),
                _ => Message::default().bytes(2, symbol.as_bytes()),
            };
            shape.message(1, &dim)
        });
        tensor = tensor.message(2, &shape);
    }
    let ty = Message::default().message(1, &tensor);
    Message::default().bytes(1, name.as_bytes()).message(2, &ty)
}

/// `ModelProto` of one graph.
pub fn model(graph: &Message, opsets: &[(&str, i64)]) -> Message {
    Message::default().int(1, 10).message(7, graph).each(opsets, |model, (domain, version)| {
        model.message(8, &Message::default().bytes(1, domain.as_bytes()).int(2, *version))
    })
}
