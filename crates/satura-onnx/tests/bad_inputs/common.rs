//! Building models, and checking what reading them gives.

use prost::Message;
use satura_import::{Code, Diagnostic};
use satura_onnx::{Imported, Options};
use std::path::{Path, PathBuf};

/// The messages of the format.
#[allow(clippy::all, unreachable_pub, dead_code, reason = "generated code")]
pub(crate) mod proto {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}

pub(crate) use proto::*;

pub(crate) const FLOAT: i32 = 1;
pub(crate) const INT64: i32 = 7;
pub(crate) const BOOL: i32 = 9;

/// A value with a type; negative extents are written as they are.
pub(crate) fn info(name: &str, elem_type: i32, dims: &[i64]) -> ValueInfoProto {
    let dim = |size: &i64| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(*size)),
    };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let value = Some(type_proto::Value::TensorType(type_proto::Tensor { elem_type, shape }));
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { value }) }
}

/// An output without a type.
pub(crate) fn untyped(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: name.to_owned(), r#type: None }
}

pub(crate) fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let own = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    NodeProto { op_type: op.to_owned(), input: own(inputs), output: own(outputs), ..NodeProto::default() }
}

impl NodeProto {
    pub(crate) fn with(mut self, attribute: AttributeProto) -> Self {
        self.attribute.push(attribute);
        self
    }

    pub(crate) fn int(self, name: &str, i: i64) -> Self {
        self.with(AttributeProto {
            name: name.to_owned(),
            r#type: 2,
            i: Some(i),
            ..AttributeProto::default()
        })
    }

    pub(crate) fn float(self, name: &str, f: f32) -> Self {
        self.with(AttributeProto {
            name: name.to_owned(),
            r#type: 1,
            f: Some(f),
            ..AttributeProto::default()
        })
    }

    pub(crate) fn text(self, name: &str, s: &str) -> Self {
        let s = Some(s.as_bytes().to_vec().into());
        self.with(AttributeProto { name: name.to_owned(), r#type: 3, s, ..AttributeProto::default() })
    }

    pub(crate) fn ints(self, name: &str, ints: &[i64]) -> Self {
        self.with(AttributeProto {
            name: name.to_owned(),
            r#type: 7,
            ints: ints.to_vec(),
            ..AttributeProto::default()
        })
    }

    pub(crate) fn tensor(self, name: &str, t: TensorProto) -> Self {
        self.with(AttributeProto {
            name: name.to_owned(),
            r#type: 4,
            t: Some(t),
            ..AttributeProto::default()
        })
    }

    pub(crate) fn graph(self, name: &str, g: GraphProto) -> Self {
        self.with(AttributeProto {
            name: name.to_owned(),
            r#type: 5,
            g: Some(g),
            ..AttributeProto::default()
        })
    }

    pub(crate) fn in_domain(self, domain: &str) -> Self {
        NodeProto { domain: domain.to_owned(), ..self }
    }
}

/// A tensor of raw bytes.
pub(crate) fn raw(name: &str, data_type: i32, dims: &[i64], bytes: &[u8]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        data_type,
        dims: dims.to_vec(),
        raw_data: Some(bytes.to_vec().into()),
        ..TensorProto::default()
    }
}

pub(crate) fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    raw(name, FLOAT, dims, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())
}

pub(crate) fn int64s(name: &str, values: &[i64]) -> TensorProto {
    let dims = [i64::try_from(values.len()).expect("short")];
    raw(name, INT64, &dims, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())
}

/// `y = op(x)` with `x: f32[2, 3]`.
pub(crate) fn graph(nodes: Vec<NodeProto>) -> GraphProto {
    GraphProto {
        name: "g".to_owned(),
        node: nodes,
        input: vec![info("x", FLOAT, &[2, 3])],
        output: vec![untyped("y")],
        ..GraphProto::default()
    }
}

pub(crate) fn opset(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: domain.to_owned(), version }
}

pub(crate) fn model(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: Some(9),
        graph: Some(graph),
        opset_import: vec![opset("", 20)],
        ..ModelProto::default()
    }
}

/// A model of one op: `y = op(x, constants..)`.
pub(crate) fn one_op(node: NodeProto, x: &[i64], constants: Vec<TensorProto>) -> ModelProto {
    let mut graph = graph(vec![node]);
    graph.input = vec![info("x", FLOAT, x)];
    graph.initializer = constants;
    model(graph)
}

/// A valid model: `y = relu(x + w)`.
pub(crate) fn valid() -> ModelProto {
    let mut graph = graph(vec![node("Add", &["x", "w"], &["s"]), node("Relu", &["s"], &["y"])]);
    graph.initializer = vec![floats("w", &[3], &[1.0, 2.0, 3.0])];
    model(graph)
}

/// The error of reading bytes.
#[track_caller]
pub(crate) fn refused_bytes(bytes: Vec<u8>) -> Vec<Diagnostic> {
    match satura_onnx::read_bytes(bytes, None, &Options::default()) {
        Ok(_) => panic!("the model was read"),
        Err(error) => {
            assert!(!error.diagnostics.is_empty());
            let shown = error.to_string();
            assert!(
                !shown.chars().any(|c| c.is_control() && c != '\n'),
                "control characters are shown: {shown:?}"
            );
            assert!(shown.len() < 64 << 10, "the message is longer than a screen: {} bytes", shown.len());
            error.diagnostics
        }
    }
}

/// Checks that a model is refused with that code first.
#[track_caller]
pub(crate) fn refused(model: &ModelProto, code: Code) -> Diagnostic {
    let diagnostics = refused_bytes(model.encode_to_vec());
    assert_eq!(diagnostics[0].code, code, "{}", diagnostics[0]);
    diagnostics[0].clone()
}

/// Checks that a model is read.
#[track_caller]
pub(crate) fn accepted(model: &ModelProto) -> Imported {
    match satura_onnx::read_bytes(model.encode_to_vec(), None, &Options::default()) {
        Ok(imported) => imported,
        Err(error) => panic!("{error}"),
    }
}

/// An empty folder for one test, below the build folder.
pub(crate) fn folder(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("the folder of an earlier run can be removed");
    }
    std::fs::create_dir_all(&path).expect("a folder can be made");
    path
}
