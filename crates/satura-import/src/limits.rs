//! Bounds on what a file may ask for.

/// Bounds on a model, checked before memory is taken. All are on by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Nodes of the model, those of subgraphs and of inlined functions included.
    pub nodes: usize,
    /// How deep messages, subgraphs and function calls may nest.
    pub depth: usize,
    /// Elements of one tensor.
    pub elements: u64,
    /// Bytes of one name.
    pub name_bytes: usize,
    /// Errors kept before reading stops.
    pub errors: usize,
}

impl Default for Limits {
    /// 64 GiB a file, a million nodes, depth 100, 2^33 elements a tensor, names of 64 KiB, 100 errors.
    fn default() -> Self {
        Limits {
            file_bytes: 1 << 36,
            nodes: 1_000_000,
            depth: 100,
            elements: 1 << 33,
            name_bytes: 1 << 16,
            errors: 100,
        }
    }
}
