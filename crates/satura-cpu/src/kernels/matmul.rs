//! Matrix products, batched with broadcasting; transposed operands are read where they lie.

use super::gemm::{Epilogue, Matrix, Tile, product, tiles};
use crate::assemble::merge_axes;
use crate::compile::Compiler;
use crate::lower::target;
use crate::memory::{Kernel, Memory, StorageId, View, dense_strides, with_scratch};
use crate::parallel;
use crate::program::Program;
use satura_ir::{ExecError, Node, OpError};

struct MatMul {
    /// Where the operands of each product begin.
    starts: Vec<[usize; 2]>,
    sizes: [usize; 3],
    a: Operand,
    b: Operand,
    out: StorageId,
    tiles: Vec<Tile>,
    epilogue: Epilogue,
}

#[derive(Clone, Copy)]
struct Operand {
    storage: StorageId,
    rows: isize,
    columns: isize,
}

pub(crate) fn emit(cx: &mut Compiler<'_>, node: &Node, epilogue: Option<Program>) -> Result<bool, ExecError> {
    let (a, b) = (cx.view(node.inputs[0])?, cx.view(node.inputs[1])?);
    let out = target(cx, node, epilogue.is_some())?;
    let (rank, lead) = (out.shape.len(), out.shape.len() - 2);
    let (batch, [m, n]) = (&out.shape[..lead], [out.shape[rank - 2], out.shape[rank - 1]]);
    let k = a.shape[a.shape.len() - 1];
    let strides = |v: &View| {
        let r = v.shape.len();
        let lead =
            View { shape: v.shape[..r - 2].to_vec(), strides: v.strides[..r - 2].to_vec(), ..v.clone() };
        (lead.broadcast_strides(batch), v.strides[r - 2], v.strides[r - 1])
    };
    let ((batch_a, rows_a, columns_a), (batch_b, rows_b, columns_b)) = (strides(&a), strides(&b));
    let operands = [
        Operand { storage: a.storage, rows: rows_a, columns: columns_a },
        Operand { storage: b.storage, rows: rows_b, columns: columns_b },
    ];
    // One right-hand side for all products: their rows are one matrix, if they lie evenly.
    if batch_b.iter().zip(batch).all(|(stride, size)| *stride == 0 || *size == 1) && !out.shape.contains(&0) {
        let shape = &out.shape[..rank - 1];
        let left: Vec<isize> = batch_a.iter().copied().chain([rows_a]).collect();
        let (dims, merged) = merge_axes(shape, vec![left, dense_strides(shape)]);
        if let ([rows], [stride]) = (&dims[..], &merged[0][..]) {
            let operands = [Operand { rows: *stride, ..operands[0] }, operands[1]];
            push(cx, vec![[a.offset, b.offset]], [*rows, n, k], operands, out.storage, epilogue);
            return Ok(true);
        }
    }
    let mut starts = vec![[a.offset as isize, b.offset as isize]];
    for (axis, size) in batch.iter().enumerate() {
        let (x, y) = (batch_a[axis], batch_b[axis]);
        starts = starts
            .iter()
            .flat_map(|[p, q]| (0..*size as isize).map(move |i| [p + i * x, q + i * y]))
            .collect();
    }
    let starts = starts.into_iter().map(|s| s.map(|p| p as usize)).collect();
    push(cx, starts, [m, n, k], operands, out.storage, epilogue);
    Ok(true)
}

fn push(
    cx: &mut Compiler<'_>,
    starts: Vec<[usize; 2]>,
    sizes: [usize; 3],
    [a, b]: [Operand; 2],
    out: StorageId,
    epilogue: Option<Program>,
) {
    let tiles = tiles(starts.len(), sizes, usize::MAX, cx.threads);
    let epilogue = Epilogue(epilogue);
    let mut reads = epilogue.reads(out);
    reads.extend([a.storage, b.storage]);
    cx.push("matmul", MatMul { starts, sizes, a, b, out, tiles, epilogue }, reads, vec![out]);
}

impl Kernel for MatMul {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let [m, n, k] = self.sizes;
        let (a, b, out) = (memory.span(self.a.storage), memory.span(self.b.storage), memory.span(self.out));
        let epilogue = self.epilogue.bind(memory);
        parallel::for_each(self.tiles.len(), |i| {
            let tile = &self.tiles[i];
            let [start_a, start_b] = self.starts[tile.batch];
            let base = tile.batch * m * n;
            let left = Matrix { span: a, at: start_a, rows: self.a.rows, columns: self.a.columns };
            let right = Matrix { span: b, at: start_b, rows: self.b.rows, columns: self.b.columns };
            let result = Matrix { span: out, at: base, rows: n as isize, columns: 1 };
            let (row, column) = (tile.rows.start, tile.columns.start);
            // SAFETY: tiles are disjoint, and the plan keeps the operands apart from the result.
            unsafe {
                product(
                    [tile.rows.len(), tile.columns.len(), k],
                    result.from(row, column),
                    left.from(row, 0),
                    right.from(0, column),
                );
                with_scratch(epilogue.scratch(), |scratch| {
                    epilogue.run(out, base, n, tile.rows.clone(), tile.columns.clone(), scratch);
                });
            }
        });
        Ok(())
    }
}
