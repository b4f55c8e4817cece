//! Sums of embeddings, normalised.

use super::super::quantize::{centre, one_or_many};
use super::norm::{epsilon, layer_norm};
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx};
use satura_import::{Code, Diagnostic};
use satura_ir::ValueId;
use satura_ir::ops::{self, ReduceKind};
use satura_tensor::{DType, Dim};

fn optional(cx: &NodeCx<'_>, i: usize) -> Option<ValueId> {
    cx.inputs.get(i).copied().flatten()
}

fn needed(cx: &NodeCx<'_>, i: usize) -> Emitted {
    optional(cx, i).ok_or_else(|| Diagnostic::error(Code::InputCount, "the input is missing").at_input(i))
}

/// What is summed: the embeddings of words, of positions and perhaps of segments, by a table each.
struct Sum {
    words: ValueId,
    segments: Option<ValueId>,
    positions: Option<ValueId>,
    word_table: Table,
    position_table: Table,
    segment_table: Option<Table>,
}

/// A table of embeddings, with scale and zero point if it is quantised.
#[derive(Clone, Copy)]
struct Table {
    rows: ValueId,
    quantised: Option<[ValueId; 2]>,
}

impl Table {
    fn plain(rows: ValueId) -> Table {
        Table { rows, quantised: None }
    }

    /// Rows of the table, as numbers.
    fn real(self, cx: &mut NodeCx<'_>, rows: ValueId) -> Emitted {
        let Some([scale, zero]) = self.quantised else { return Ok(rows) };
        let (scale, zero) = (one_or_many(cx, scale)?, one_or_many(cx, zero)?);
        let centred = centre(cx, rows, Some(zero))?;
        let wide = cx.cast(centred, cx.dtype(scale)?)?;
        cx.mul(wide, scale)
    }

    fn at(self, cx: &mut NodeCx<'_>, indices: ValueId) -> Emitted {
        let rows = cx.one(ops::Gather { axis: 0 }, &[self.rows, indices])?;
        self.real(cx, rows)
    }
}

impl Sum {
    fn emit(&self, cx: &mut NodeCx<'_>) -> Emitted {
        let [_, length] = cx.dims_of::<2>(self.words, "words")?;
        let words = self.word_table.at(cx, self.words)?;
        let placed = match self.positions {
            Some(positions) => self.position_table.at(cx, positions)?,
            None => {
                let rows = cx.part(self.position_table.rows, 0, Dim::from(0), length)?;
                self.position_table.real(cx, rows)?
            }
        };
        let sum = cx.add(words, placed)?;
        match (self.segment_table, self.segments) {
            (Some(table), Some(segments)) => {
                let segment = table.at(cx, segments)?;
                cx.add(sum, segment)
            }
            _ => Ok(sum),
        }
    }
}

/// How many words of each sequence are there; 0 without a mask.
fn counts(cx: &mut NodeCx<'_>, words: ValueId, mask: Option<ValueId>) -> Emitted {
    match mask {
        Some(mask) => {
            let count = cx.reduce(ReduceKind::Sum, mask, Some(&[1]))?;
            cx.squeeze(count, &[1])
        }
        None => {
            let [batch, _] = cx.dims_of::<2>(words, "words")?;
            let zero = cx.scalar(DType::I32, 0.0)?;
            cx.broadcast(zero, vec![batch])
        }
    }
}

/// The second output counts the words that are there, the third is the sum.
pub(in crate::convert) fn layer_normalized(cx: &mut NodeCx<'_>) -> Converted {
    cx.args::<1, 8>()?;
    let sum = Sum {
        words: needed(cx, 0)?,
        segments: optional(cx, 1),
        positions: optional(cx, 8),
        word_table: Table::plain(needed(cx, 2)?),
        position_table: Table::plain(needed(cx, 3)?),
        segment_table: optional(cx, 4).map(Table::plain),
    };
    let (scale, shift, mask) = (needed(cx, 5)?, needed(cx, 6)?, optional(cx, 7));
    let epsilon = epsilon(cx, 1e-12)?;
    cx.attrs.ignore("mask_index_type");
    let total = sum.emit(cx)?;
    let result = layer_norm(cx, total, scale, Some(shift), epsilon)?;
    Ok(vec![result, counts(cx, sum.words, mask)?, total])
}

/// The same of quantised tables, scales and shifts.
pub(in crate::convert) fn quantized(cx: &mut NodeCx<'_>) -> Converted {
    cx.args::<1, 17>()?;
    // Scales and zero points come after all tables, in the same order.
    let table = |cx: &NodeCx<'_>, at: usize| {
        let quantised = Some([needed(cx, at + 6)?, needed(cx, at + 11)?]);
        Ok::<Table, Diagnostic>(Table { rows: needed(cx, at)?, quantised })
    };
    let sum = Sum {
        words: needed(cx, 0)?,
        segments: optional(cx, 1),
        positions: None,
        word_table: table(cx, 2)?,
        position_table: table(cx, 3)?,
        segment_table: optional(cx, 4).map(|_| table(cx, 4)).transpose()?,
    };
    let (scale, shift, mask) = (table(cx, 5)?, table(cx, 6)?, optional(cx, 7));
    let epsilon = epsilon(cx, 1e-12)?;
    let total = sum.emit(cx)?;
    let (scale, shift) = (scale.real(cx, scale.rows)?, shift.real(cx, shift.rows)?);
    let result = layer_norm(cx, total, scale, Some(shift), epsilon)?;
    Ok(vec![result, counts(cx, sum.words, mask)?])
}
