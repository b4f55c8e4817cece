//! Messages of the wire format, written field by field, the keys as numbers.

/// A message while it is written.
#[derive(Clone, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn new() -> Self {
        Message::default()
    }

    /// A number.
    pub(super) fn int(mut self, field: u8, value: u64) -> Self {
        self.0.push(field << 3);
        varint(value, &mut self.0);
        self
    }

    /// Text or bytes.
    pub(super) fn bytes(mut self, field: u8, value: impl AsRef<[u8]>) -> Self {
        self.0.extend(key(field, value.as_ref().len() as u64));
        self.0.extend_from_slice(value.as_ref());
        self
    }

    /// A message in it.
    pub(super) fn message(self, field: u8, value: &Message) -> Self {
        self.bytes(field, &value.0)
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// What stands before `length` bytes.
pub(super) fn key(field: u8, length: u64) -> Vec<u8> {
    let mut key = vec![field << 3 | 2];
    varint(length, &mut key);
    key
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
