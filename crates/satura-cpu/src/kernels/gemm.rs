//! What convolutions and matrix products share: one tile of a product, the program that follows it, and how a product is split into tiles.

use crate::memory::{Memory, Span, StorageId};
use crate::program::{Bound, Program};
use std::ops::Range;

/// A matrix in memory: element `[i, j]` lies at `at + i * rows + j * columns`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    pub(crate) span: Span,
    pub(crate) at: usize,
    pub(crate) rows: isize,
    pub(crate) columns: isize,
}

impl Matrix {
    /// The matrix from that row and column on.
    pub(crate) fn from(self, row: usize, column: usize) -> Matrix {
        let at = self.at as isize + row as isize * self.rows + column as isize * self.columns;
        Matrix { at: at as usize, ..self }
    }

    /// Whether all elements of an `m` by `n` matrix lie in its span.
    fn covers(self, m: usize, n: usize) -> bool {
        let ends = [(0, 0), (m - 1, 0), (0, n - 1), (m - 1, n - 1)];
        ends.iter().all(|(i, j)| {
            let at = self.at as isize + *i as isize * self.rows + *j as isize * self.columns;
            at >= 0 && (at as usize) < self.span.len()
        })
    }
}

/// `out = a * b` on this thread: `a` is `m` by `k`, `b` is `k` by `n`.
///
/// # Safety
/// Nothing else uses the elements of `out`, nothing writes those of `a` and `b`, and the memory of all three is alive.
pub(crate) unsafe fn product([m, n, k]: [usize; 3], out: Matrix, a: Matrix, b: Matrix) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(
        out.covers(m, n) && (k == 0 || (a.covers(m, k) && b.covers(k, n))),
        "matrices within their storages"
    );
    // SAFETY: every element is within its storage by the assertion; the caller promises the rest. With `k` of 0 no element of `a` or `b` is read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.span.at(out.at),
            out.columns,
            out.rows,
            false,
            if k == 0 { out.span.at(out.at).cast_const() } else { a.span.at(a.at).cast_const() },
            a.columns,
            a.rows,
            if k == 0 { out.span.at(out.at).cast_const() } else { b.span.at(b.at).cast_const() },
            b.columns,
            b.rows,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// The elementwise program that follows a kernel, if any.
pub(crate) struct Epilogue(pub(crate) Option<Program>);

impl Epilogue {
    /// The storages that the program reads besides the kernel's own result.
    pub(crate) fn reads(&self, own: StorageId) -> Vec<StorageId> {
        self.0.iter().flat_map(|p| &p.operands).map(|o| o.storage).filter(|s| *s != own).collect()
    }

    pub(crate) fn bind(&self, memory: &Memory<'_>) -> BoundEpilogue<'_> {
        BoundEpilogue(self.0.as_ref().map(|p| (p.bind(memory), p.scratch())))
    }
}

/// An epilogue bound to the memory of a run.
pub(crate) struct BoundEpilogue<'a>(Option<(Bound<'a>, usize)>);

impl BoundEpilogue<'_> {
    /// Working memory that [`run`](Self::run) needs, in elements.
    pub(crate) fn scratch(&self) -> usize {
        self.0.as_ref().map_or(0, |(_, scratch)| *scratch)
    }

    /// Goes over columns `columns` of rows `rows` of the result, whose row-major rows of `width` elements begin at `base`.
    ///
    /// # Safety
    /// Nothing else uses these elements, and nothing writes the program's other operands.
    pub(crate) unsafe fn run(
        &self,
        out: Span,
        base: usize,
        width: usize,
        rows: Range<usize>,
        columns: Range<usize>,
        scratch: &mut [f32],
    ) {
        let Some((bound, _)) = &self.0 else { return };
        if columns.len() == width {
            let start = base + rows.start * width;
            // SAFETY: the caller's promise.
            unsafe { bound.run(start, out, start, rows.len() * width, scratch) };
            return;
        }
        for row in rows {
            let start = base + row * width + columns.start;
            // SAFETY: the caller's promise.
            unsafe { bound.run(start, out, start, columns.len(), scratch) };
        }
    }
}

/// A part of one of several products.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tile {
    pub(crate) batch: usize,
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

/// Products below this many multiplications are not worth a second thread.
const SERIAL_WORK: usize = 1 << 18;
/// Elements of a tile of the result, so that it is still in the second-level cache for the epilogue.
const TILE_ELEMENTS: usize = 1 << 16;
/// Tiles have a multiple of this many columns, which the inner kernel works on at once.
const COLUMN_STEP: usize = 64;

/// Splits `batches` products of `m` by `k` and `k` by `n` into tiles of at most `most_columns` columns.
pub(crate) fn tiles(batches: usize, [m, n, k]: [usize; 3], most_columns: usize, threads: usize) -> Vec<Tile> {
    let work = batches * m * n * k.max(1);
    let wanted = if work < SERIAL_WORK { 1 } else { threads };
    let by_size = (m * n).div_ceil(TILE_ELEMENTS).max(n.div_ceil(most_columns.max(1)));
    let by_thread = wanted.div_ceil(batches.max(1));
    // The same number of parts for each thread.
    let parts = by_size.max(by_thread);
    let parts = if batches == 1 { parts.next_multiple_of(wanted) } else { parts };
    let (row_parts, column_parts) =
        if n >= COLUMN_STEP * parts || n >= m || most_columns < n { (1, parts) } else { (parts, 1) };
    let row_step = m.div_ceil(row_parts).max(1);
    let column_step = n.div_ceil(column_parts).max(1);
    let column_step = if column_step < n { column_step.next_multiple_of(COLUMN_STEP) } else { column_step };
    let mut out = Vec::new();
    for batch in 0..batches {
        for row in (0..m).step_by(row_step) {
            for column in (0..n).step_by(column_step) {
                out.push(Tile {
                    batch,
                    rows: row..m.min(row + row_step),
                    columns: column..n.min(column + column_step),
                });
            }
        }
    }
    out
}
