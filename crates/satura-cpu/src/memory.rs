//! Where values lie: storages, strided views of them, and the memory of one run.
//!
//! f32 and bool tensors (truth values as 1 and 0) live in storages of f32; every other dtype lives in host slots as tensors.

use satura_ir::OpError;
use satura_tensor::{Tensor, contiguous_strides};
use std::cell::RefCell;
use std::ops::Range;

/// A block of f32 of one compiled graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StorageId(pub(crate) usize);

/// A place for a tensor of another dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostId(pub(crate) usize);

/// A tensor as part of a storage: the element at `[i_0, ..]` lies at `offset + sum of i_a * strides[a]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) storage: StorageId,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<isize>,
}

impl View {
    /// A whole storage, row-major.
    pub(crate) fn dense(storage: StorageId, shape: &[usize]) -> View {
        View { storage, offset: 0, shape: shape.to_vec(), strides: dense_strides(shape) }
    }

    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the elements lie row-major without gaps.
    pub(crate) fn is_dense(&self) -> bool {
        let dense = dense_strides(&self.shape);
        self.elements() == 0
            || (0..self.shape.len()).all(|a| self.shape[a] == 1 || self.strides[a] == dense[a])
    }

    /// The same elements in another shape; `None` where that needs a copy.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Option<View> {
        self.is_dense().then(|| View { shape: shape.to_vec(), strides: dense_strides(shape), ..self.clone() })
    }

    /// The strides with which this view is read as a tensor of `shape`, to which it broadcasts.
    pub(crate) fn broadcast_strides(&self, shape: &[usize]) -> Vec<isize> {
        let skip = shape.len() - self.shape.len();
        (0..shape.len())
            .map(|a| if a < skip || self.shape[a - skip] == 1 { 0 } else { self.strides[a - skip] })
            .collect()
    }

    /// The positions of all elements in the storage, row-major.
    pub(crate) fn positions(&self) -> Vec<usize> {
        let mut positions = vec![self.offset as isize];
        for (size, stride) in self.shape.iter().zip(&self.strides) {
            positions =
                positions.iter().flat_map(|p| (0..*size as isize).map(move |i| p + i * stride)).collect();
        }
        positions.into_iter().map(|p| p as usize).collect()
    }
}

/// Row-major strides as signed numbers.
pub(crate) fn dense_strides(shape: &[usize]) -> Vec<isize> {
    contiguous_strides(shape).into_iter().map(|s| s as isize).collect()
}

/// A storage during a run. Copies name the same memory; see [`Span::slice`] for who may use it when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: *mut f32,
    len: usize,
}

// SAFETY: a span is an address; using it is unsafe and states its own condition.
unsafe impl Send for Span {}
// SAFETY: as above.
unsafe impl Sync for Span {}

impl Span {
    /// The memory of a slice that is only read.
    pub(crate) fn of(slice: &[f32]) -> Span {
        Span { start: slice.as_ptr().cast_mut(), len: slice.len() }
    }

    /// The memory of a slice.
    pub(crate) fn of_mut(slice: &mut [f32]) -> Span {
        Span { start: slice.as_mut_ptr(), len: slice.len() }
    }

    /// The `len` elements from `at` on.
    pub(crate) fn part(self, at: usize, len: usize) -> Span {
        assert!(at + len <= self.len, "a part within the memory");
        Span { start: self.at(at), len }
    }

    pub(crate) fn len(self) -> usize {
        self.len
    }

    pub(crate) fn same_start(self, other: Span) -> bool {
        self.start == other.start
    }

    /// The elements of a range.
    ///
    /// # Safety
    /// The memory is alive for `'a`, and nothing writes the range during it.
    #[track_caller]
    pub(crate) unsafe fn slice<'a>(self, range: Range<usize>) -> &'a [f32] {
        assert!(range.start <= range.end && range.end <= self.len, "a range within the storage");
        // SAFETY: within the storage by the assertion; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start.add(range.start), range.len()) }
    }

    /// The elements of a range, to write.
    ///
    /// # Safety
    /// The memory is alive and writable for `'a`, and nothing else reads or writes the range during it.
    #[track_caller]
    pub(crate) unsafe fn slice_mut<'a>(self, range: Range<usize>) -> &'a mut [f32] {
        assert!(range.start <= range.end && range.end <= self.len, "a range within the storage");
        // SAFETY: within the storage by the assertion; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// The address of an element.
    #[track_caller]
    pub(crate) fn at(self, index: usize) -> *mut f32 {
        assert!(index <= self.len, "an element within the storage");
        // SAFETY: within the allocation by the assertion.
        unsafe { self.start.add(index) }
    }
}

/// The memory of one run: storages by [`StorageId`], tensors by [`HostId`].
///
/// The plan guarantees that a step's outputs share no memory with anything that is read in or after the step, except an elementwise program's input of the same position.
pub(crate) struct Memory<'a> {
    pub(crate) spans: Vec<Span>,
    pub(crate) host: &'a mut [Option<Tensor>],
}

impl Memory<'_> {
    pub(crate) fn span(&self, storage: StorageId) -> Span {
        self.spans[storage.0]
    }

    /// A tensor that an earlier step or a constant put into its place.
    pub(crate) fn tensor(&self, id: HostId) -> Result<&Tensor, OpError> {
        self.host[id.0].as_ref().ok_or_else(|| OpError::value("a value was read before its definition"))
    }
}

/// A prepared piece of work on the memory of a run.
pub(crate) trait Kernel: Send + Sync {
    /// Runs it. Errors come from values, such as an index out of range.
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError>;
}

/// One cache line, so that storages begin at one.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [f32; LINE]);

/// Elements of a cache line.
pub(crate) const LINE: usize = 16;

/// The elements of lines.
pub(crate) fn elements_of(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: a line is an array of f32 without padding, and the lengths are the same bytes.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast::<f32>(), lines.len() * LINE) }
}

/// Gives `f` working memory of this thread, of unspecified content. `f` must not ask for more, nor wait for other tasks.
pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static SCRATCH: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with(|scratch| {
        let lines = &mut *scratch.borrow_mut();
        if lines.len() * LINE < len {
            lines.resize(len.div_ceil(LINE), Line([0.0; LINE]));
        }
        f(&mut elements_of(lines)[..len])
    })
}
