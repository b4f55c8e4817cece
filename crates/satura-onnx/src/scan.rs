//! A check of the wire format before decoding: every length, tag and nesting level, without recursion and without taking memory, so that errors
//! have byte positions and the decoder meets nothing it could choke on.

use satura_import::{Code, Diagnostic, Limits};

/// The messages of the format, as far as they nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Model,
    Opset,
    StringString,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    ValueInfo,
    Type,
    TypeTensor,
    TypeElement,
    TypeMap,
    Shape,
    Dimension,
    Function,
    Sequence,
    Map,
    Optional,
}

/// What a whole file can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Model,
    Tensor,
    Sequence,
    Optional,
    Map,
}

impl Root {
    fn message(self) -> Message {
        match self {
            Root::Model => Message::Model,
            Root::Tensor => Message::Tensor,
            Root::Sequence => Message::Sequence,
            Root::Optional => Message::Optional,
            Root::Map => Message::Map,
        }
    }
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Varint,
    Varints,
    Fixed32,
    Floats,
    Doubles,
    Bytes,
    Text,
    Message(Message),
    Unknown,
}

/// The field of that number. Must list what `proto/onnx.proto` lists: a field missing here is only checked as an unknown one.
fn field(message: Message, number: u64) -> Field {
    use Field::{Bytes, Doubles, Fixed32, Floats, Text, Varint, Varints};
    use Message::{
        Attribute, Dimension, Function, Graph, Map, Model, Node, Opset, Optional, Sequence, Shape,
        SparseTensor, StringString, Tensor,
    };
    use Message::{Type, TypeElement, TypeMap, TypeTensor, ValueInfo};
    match (message, number) {
        (Model, 1) | (Opset, 2) | (Tensor, 2 | 14) | (TypeTensor, 1) | (TypeMap, 1) | (Dimension, 1) => {
            Varint
        }
        (Attribute, 3 | 20) | (Sequence | Map | Optional, 2) => Varint,
        (Tensor, 1 | 5 | 7 | 11) | (SparseTensor, 3) | (Attribute, 8) | (Map, 3) => Varints,
        (Attribute, 2) => Fixed32,
        (Attribute, 7) | (Tensor, 4) => Floats,
        (Tensor, 10) => Doubles,
        (Attribute, 4 | 9) | (Tensor, 6 | 9) | (Map, 4) => Bytes,
        (Model, 2 | 3) | (Opset, 1) | (StringString, 1 | 2) | (Graph, 2) | (Node, 1 | 2 | 3 | 4 | 7 | 8) => {
            Text
        }
        (Attribute, 1 | 21)
        | (Tensor, 8)
        | (ValueInfo, 1)
        | (Dimension, 2)
        | (Function, 1 | 4 | 5 | 6 | 10 | 13)
        | (Sequence | Map | Optional, 1) => Text,
        (Model, 7) | (Attribute, 6 | 11) => Field::Message(Graph),
        (Model, 8) | (Function, 9) => Field::Message(Opset),
        (Model, 25) => Field::Message(Function),
        (Graph, 1) | (Function, 7) => Field::Message(Node),
        (Graph, 5) | (Attribute, 5 | 10) | (SparseTensor, 1 | 2) | (Sequence | Optional, 3) => {
            Field::Message(Tensor)
        }
        (Graph, 11..=13) => Field::Message(ValueInfo),
        (Graph, 15) | (Attribute, 22 | 23) | (Sequence | Optional, 4) => Field::Message(SparseTensor),
        (Node, 5) | (Function, 11) => Field::Message(Attribute),
        (Attribute, 14 | 15) | (ValueInfo, 2) | (TypeElement, 1) | (TypeMap, 2) => Field::Message(Type),
        (Tensor, 13) => Field::Message(StringString),
        (Type, 1 | 8) => Field::Message(TypeTensor),
        (Type, 4 | 9) => Field::Message(TypeElement),
        (Type, 5) => Field::Message(TypeMap),
        (TypeTensor, 2) => Field::Message(Shape),
        (Shape, 1) => Field::Message(Dimension),
        (Sequence | Map | Optional, 5) => Field::Message(Sequence),
        (Sequence | Optional, 6) => Field::Message(Map),
        (Sequence | Optional, 7) => Field::Message(Optional),
        _ => Field::Unknown,
    }
}

/// Messages and names allowed for each node that the limit allows: bounds what decoding a file of empty ones takes.
const FIELDS_PER_NODE: usize = 16;

/// The decoder's own bound on nesting.
const DECODER_DEPTH: usize = 100;

fn parse_error(at: usize, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::Parse, message).at_byte(at).help("the file is damaged or is not an ONNX model")
}

/// Checks a whole file.
pub(crate) fn scan(bytes: &[u8], root: Root, limits: &Limits) -> Result<(), Diagnostic> {
    let depth = limits.depth.min(DECODER_DEPTH);
    let mut open = vec![(root.message(), bytes.len())];
    let most_fields = limits.nodes.saturating_mul(FIELDS_PER_NODE);
    let (mut nodes, mut fields) = (0usize, 0usize);
    let mut at = 0;
    while let Some(&(message, end)) = open.last() {
        if at == end {
            open.pop();
            continue;
        }
        let start = at;
        let key = varint(bytes, &mut at, end)?;
        let (number, wire) = (key >> 3, key & 7);
        if number == 0 || number >= 1 << 29 {
            return Err(parse_error(start, format!("field number {number} does not exist")));
        }
        let kind = field(message, number);
        let length = match wire {
            0 => {
                varint(bytes, &mut at, end)?;
                None
            }
            1 => Some(8),
            2 => {
                let length = varint(bytes, &mut at, end)?;
                Some(usize::try_from(length).unwrap_or(usize::MAX))
            }
            5 => Some(4),
            3 | 4 => return Err(parse_error(start, "a group, which ONNX does not use")),
            _ => return Err(parse_error(start, format!("wire type {wire} does not exist"))),
        };
        let fits = match kind {
            Field::Unknown => true,
            Field::Varint => wire == 0,
            Field::Varints => wire == 0 || wire == 2,
            Field::Fixed32 => wire == 5,
            Field::Floats => wire == 5 || wire == 2,
            Field::Doubles => wire == 1 || wire == 2,
            Field::Bytes | Field::Text | Field::Message(_) => wire == 2,
        };
        if !fits {
            return Err(parse_error(
                start,
                format!("field {number} has wire type {wire}, which it cannot have"),
            ));
        }
        let Some(length) = length else { continue };
        let body = at;
        let stop = at.checked_add(length).filter(|stop| *stop <= end).ok_or_else(|| {
            let left = end - body;
            parse_error(
                start,
                format!(
                    "field {number} is {length} bytes long, {left} are left: the file is cut off or damaged"
                ),
            )
        })?;
        fields += usize::from(matches!(kind, Field::Message(_) | Field::Text));
        if fields > most_fields {
            let message = format!("more than {most_fields} messages and names");
            return Err(Diagnostic::error(Code::ResourceLimit, message).at_byte(start));
        }
        match kind {
            Field::Message(inner) => {
                nodes += usize::from(inner == Message::Node);
                let limit = |message: String| {
                    Err(Diagnostic::error(Code::ResourceLimit, message)
                        .at_byte(start)
                        .help("raise the limit if you trust the file"))
                };
                if nodes > limits.nodes {
                    return limit(format!("more than {} nodes", limits.nodes));
                }
                if open.len() >= depth {
                    return limit(format!("messages nest deeper than {depth}"));
                }
                open.push((inner, stop));
                continue;
            }
            Field::Text => {
                if length > limits.name_bytes {
                    let message = format!("a name of {length} bytes, the limit is {}", limits.name_bytes);
                    return Err(Diagnostic::error(Code::ResourceLimit, message).at_byte(start));
                }
                if let Err(error) = std::str::from_utf8(&bytes[body..stop]) {
                    return Err(parse_error(body + error.valid_up_to(), "a name is not UTF-8"));
                }
            }
            Field::Varints if wire == 2 => {
                while at < stop {
                    varint(bytes, &mut at, stop)?;
                }
            }
            Field::Floats if wire == 2 && length % 4 != 0 => {
                return Err(parse_error(start, format!("a list of floats of {length} bytes")));
            }
            Field::Doubles if wire == 2 && length % 8 != 0 => {
                return Err(parse_error(start, format!("a list of doubles of {length} bytes")));
            }
            _ => {}
        }
        at = stop;
    }
    Ok(())
}

fn varint(bytes: &[u8], at: &mut usize, end: usize) -> Result<u64, Diagnostic> {
    let start = *at;
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let Some(byte) = bytes[..end].get(*at) else {
            return Err(parse_error(start, "a number is cut off: the file is cut off or damaged"));
        };
        *at += 1;
        let low = u64::from(byte & 0x7f);
        if shift == 63 && low > 1 {
            break;
        }
        value |= low << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(parse_error(start, "a number longer than 64 bits"))
}
