//! Writing small ONNX models by hand: just enough of protobuf's wire format.

/// A message being written.
#[derive(Clone, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// An empty message.
    pub(crate) fn new() -> Self {
        Message::default()
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Adds a number.
    #[must_use]
    pub(crate) fn int(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3);
        self.varint(value as u64);
        self
    }

    /// Adds bytes or text.
    #[must_use]
    pub(crate) fn bytes(mut self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.as_ref().len() as u64);
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    /// Adds a message.
    #[must_use]
    pub(crate) fn message(self, field: u64, message: &Message) -> Self {
        self.bytes(field, &message.0)
    }

    /// The bytes so far.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// A node.
pub(crate) fn node(op: &str, name: &str, inputs: &[&str], outputs: &[&str]) -> Message {
    let message = inputs.iter().fold(Message::new(), |m, input| m.bytes(1, input));
    outputs.iter().fold(message, |m, output| m.bytes(2, output)).bytes(3, name).bytes(4, op)
}

/// An f32 value of those sizes.
pub(crate) fn value(name: &str, sizes: &[i64]) -> Message {
    let shape = sizes.iter().fold(Message::new(), |m, size| m.message(1, &Message::new().int(1, *size)));
    let tensor = Message::new().int(1, 1).message(2, &shape);
    Message::new().bytes(1, name).message(2, &Message::new().message(1, &tensor))
}

/// An f32 initializer without data.
pub(crate) fn tensor(name: &str, sizes: &[i64]) -> Message {
    sizes.iter().fold(Message::new(), |m, size| m.int(1, *size)).int(2, 1).bytes(8, name)
}

/// A model of opset 17 from `x: f32[2]` to `y: f32[2]`.
pub(crate) fn model(nodes: &[Message], initializers: &[Message]) -> Vec<u8> {
    model_of(17, nodes, initializers)
}

/// A model of an opset from `x: f32[2]` to `y: f32[2]`.
pub(crate) fn model_of(opset: i64, nodes: &[Message], initializers: &[Message]) -> Vec<u8> {
    let graph = nodes.iter().fold(Message::new(), |m, node| m.message(1, node)).bytes(2, "main");
    let graph = initializers.iter().fold(graph, |m, tensor| m.message(5, tensor));
    let graph = graph.message(11, &value("x", &[2])).message(12, &value("y", &[2]));
    Message::new().int(1, 8).message(7, &graph).message(8, &Message::new().int(2, opset)).finish()
}
