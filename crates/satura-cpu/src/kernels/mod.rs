//! The kernels: one file a family. Each gives a function that emits the steps of a node, and the kernel that runs them.

pub(crate) mod concat;
pub(crate) mod conv;
pub(crate) mod conv_transpose;
pub(crate) mod depthwise;
pub(crate) mod gather;
pub(crate) mod gemm;
pub(crate) mod matmul;
pub(crate) mod plain;
pub(crate) mod pool;
pub(crate) mod reduce;
pub(crate) mod region;
pub(crate) mod resize;
pub(crate) mod rows;
pub(crate) mod window;
