//! Control flow. The bodies of loops come as regions of the op that repeats, see `builder/loops.rs`.

use super::elementwise::scalar;
use crate::node::{Converted, NodeCx, Region, bad_attribute, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::{Emit, Graph, Type, ValueId, ops};
use satura_tensor::{DType, Shape, Tensor};

/// One of two branches. Both take what either of them captures.
pub(super) fn conditional(cx: &mut NodeCx<'_>) -> Converted {
    let ([condition], []) = cx.args()?;
    let mut branch = |name: &str| cx.attrs.graph(name)?.ok_or_else(|| Attributes::<()>::missing(name));
    let (then, other) = (branch("then_branch")?.graph, branch("else_branch")?.graph);
    let results = then.outputs().len();
    if other.outputs().len() != results {
        let message = format!("the branches give {results} and {} outputs", other.outputs().len());
        return Err(Diagnostic::error(Code::InputCount, message));
    }
    let condition = scalar(cx, condition, "the condition")?;
    let mut inputs = vec![condition];
    inputs.extend(&cx.captures);
    cx.emit_regions(ops::If { results }, &inputs, vec![then, other])
}

fn body(cx: &mut NodeCx<'_>) -> Result<Region, Diagnostic> {
    cx.attrs.graph("body")?.ok_or_else(|| Attributes::<()>::missing("body"))
}

/// The number of outputs of a region that are stacked: those beyond the condition and what is carried.
fn stacked(region: &Graph, carried: usize) -> Result<usize, Diagnostic> {
    let outputs = region.outputs().len();
    outputs.checked_sub(1 + carried).ok_or_else(|| {
        let message =
            format!("the body gives {outputs} outputs, a condition and {carried} values are needed");
        Diagnostic::error(Code::InputCount, message)
    })
}

/// The inputs from `from` on, all of which must be there.
fn rest(cx: &NodeCx<'_>, from: usize) -> Result<Vec<ValueId>, Diagnostic> {
    let missing = |i: usize| Diagnostic::error(Code::InputCount, format!("input {i} is missing")).at_input(i);
    let inputs = cx.inputs.iter().enumerate().skip(from);
    inputs.map(|(i, input)| input.ok_or_else(|| missing(i))).collect()
}

/// Repetition: at most so often as input 0 says, and while the condition holds. Without a first condition, none that the body gives counts.
pub(super) fn repeat(cx: &mut NodeCx<'_>) -> Converted {
    let Region { graph: mut region, optional_first } = body(cx)?;
    let at = |cx: &NodeCx<'_>, i: usize| cx.inputs.get(i).copied().flatten();
    let limit = match at(cx, 0) {
        Some(limit) => scalar(cx, limit, "the number of repetitions")?,
        None => cx.constant(Tensor::scalar(i64::MAX))?,
    };
    let truth = || Tensor::from_bools(&[true], &[]);
    let condition = match at(cx, 1) {
        Some(condition) => scalar(cx, condition, "the condition")?,
        None => {
            let emit: &mut dyn Emit = &mut region;
            let always = emit.constant(truth())?;
            if !region.outputs().is_empty() {
                region.set_output(0, always);
            }
            cx.constant(truth())?
        }
    };
    let first = rest(cx, 2)?;
    let op = ops::Loop { carried: first.len(), scans: stacked(&region, first.len())? };
    let mut inputs = vec![limit, condition];
    inputs.extend(&first);
    inputs.extend(&cx.captures);
    let mut outputs = cx.emit_regions(op, &inputs, vec![region])?;
    for i in optional_first {
        outputs[i] = cx.one(ops::OptionalGet {}, &[outputs[i]])?;
    }
    Ok(outputs)
}

/// Attributes of a list of axes or directions, one for each of `count`.
fn per_item(cx: &mut NodeCx<'_>, name: &str, count: usize) -> Result<Vec<i64>, Diagnostic> {
    let values = cx.attrs.ints(name)?.unwrap_or_else(|| vec![0; count]);
    if values.len() != count {
        return Err(bad_attribute(name, format!("{} entries, {count} are expected", values.len())));
    }
    Ok(values)
}

fn directions(cx: &mut NodeCx<'_>, name: &str, count: usize) -> Result<Vec<bool>, Diagnostic> {
    let flag = |d: &i64| match d {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(bad_attribute(name, format!("a direction is 0 or 1, found {other}"))),
    };
    per_item(cx, name, count)?.iter().map(flag).collect()
}

/// The extent of an axis, an i64 scalar.
fn extent(cx: &mut NodeCx<'_>, x: ValueId, axis: i64) -> Result<ValueId, Diagnostic> {
    let end = if axis == -1 { None } else { Some(axis + 1) };
    let extent = cx.one(ops::ShapeOf { start: axis, end }, &[x])?;
    cx.one(ops::Reshape { shape: Shape::default() }, &[extent])
}

/// One repetition for each slice of the last inputs, along an axis of each; the results are stacked along an axis of each output. From operator set 9 on.
pub(super) fn scan(cx: &mut NodeCx<'_>) -> Converted {
    let Region { graph: region, .. } = body(cx)?;
    let mut carried = rest(cx, 0)?;
    let scanned =
        cx.attrs.int("num_scan_inputs")?.ok_or_else(|| Attributes::<()>::missing("num_scan_inputs"))?;
    let first = usize::try_from(scanned).ok().and_then(|scanned| carried.len().checked_sub(scanned));
    let first =
        first.ok_or_else(|| bad_attribute("num_scan_inputs", format!("{scanned} is out of range")))?;
    let whole = carried.split_off(first);
    // How the slices are taken is in the region already.
    let axes = per_item(cx, "scan_input_axes", whole.len())?;
    directions(cx, "scan_input_directions", whole.len())?;
    let op = ops::Loop { carried: carried.len(), scans: stacked(&region, carried.len())? };
    let out_axes = per_item(cx, "scan_output_axes", op.scans)?;
    let backwards = directions(cx, "scan_output_directions", op.scans)?;
    check_extents(cx, &whole, &axes)?;
    let trips = extent(cx, whole[0], axes[0])?;
    let condition = cx.constant(Tensor::from_bools(&[true], &[]))?;
    let inputs: Vec<ValueId> = [trips, condition].into_iter().chain(carried).chain(whole).collect();
    let inputs: Vec<ValueId> = inputs.into_iter().chain(cx.captures.iter().copied()).collect();
    let mut outputs = cx.emit_regions(op.clone(), &inputs, vec![region])?;
    for (i, (axis, backwards)) in out_axes.into_iter().zip(backwards).enumerate() {
        let output = &mut outputs[op.carried + i];
        if backwards {
            *output = reversed(cx, *output)?;
        }
        if axis != 0 {
            let rank = cx.need_rank(*output, "stacking along another axis than the first")?;
            let axis = ops::axis_index(axis, rank)?;
            let perm = (1..=axis).chain([0]).chain(axis + 1..rank).collect();
            *output = cx.one(ops::Transpose { perm }, &[*output])?;
        }
    }
    Ok(outputs)
}

fn check_extents(cx: &NodeCx<'_>, whole: &[ValueId], axes: &[i64]) -> Result<(), Diagnostic> {
    let mut common = None;
    for (x, axis) in whole.iter().zip(axes) {
        let Some(shape) = cx.shape(*x) else { continue };
        let Some(extent) = shape[ops::axis_index(*axis, shape.len())?].as_const() else { continue };
        if *common.get_or_insert(extent) != extent {
            return Err(Diagnostic::error(
                Code::Shape,
                "the scanned inputs have different numbers of slices",
            ));
        }
    }
    Ok(())
}

/// Axis 0 from its end to its start.
fn reversed(cx: &mut NodeCx<'_>, x: ValueId) -> Result<ValueId, Diagnostic> {
    let (start, end) = (cx.vector(vec![-1])?, cx.vector(vec![i64::MIN])?);
    cx.one(ops::SliceDyn { axes: Some(vec![0]), steps: Some(vec![-1]) }, &[x, start, end])
}

/// The first form: every input and output has a batch axis in front, and slices are along axis 1. One repetition of an outer loop for each batch.
pub(super) fn scan_batches(cx: &mut NodeCx<'_>) -> Converted {
    if cx.inputs.first().copied().flatten().is_some() {
        return Err(unsupported("sequences of different lengths are not supported").at_input(0));
    }
    let Region { graph: inner, .. } = body(cx)?;
    let all = rest(cx, 1)?;
    let scanned =
        cx.attrs.int("num_scan_inputs")?.ok_or_else(|| Attributes::<()>::missing("num_scan_inputs"))?;
    let first = usize::try_from(scanned).ok().and_then(|scanned| all.len().checked_sub(scanned));
    let first =
        first.ok_or_else(|| bad_attribute("num_scan_inputs", format!("{scanned} is out of range")))?;
    directions(cx, "directions", all.len() - first)?;
    let op = ops::Loop { carried: first, scans: stacked(&inner, first)? };
    let Some(scanned) = all.get(first) else {
        return Err(bad_attribute("num_scan_inputs", "at least one input must be scanned"));
    };
    let (batches, trips) = (extent(cx, *scanned, 0)?, extent(cx, *scanned, 1)?);

    let mut outer = Graph::new("batch");
    let batch = outer.add_input("loop:trip", Type::tensor(DType::I64, Shape::default()));
    outer.add_input("loop:condition", Type::tensor(DType::Bool, Shape::default()));
    let captured: Vec<ValueId> = [trips].into_iter().chain(all).chain(cx.captures.iter().copied()).collect();
    let mut inside = Vec::new();
    for (i, value) in captured.iter().enumerate() {
        let input = outer.add_input(&format!("loop:capture{i}"), cx.ty(*value).clone());
        outer.value_mut(input).known = cx.graph.value(*value).known.clone();
        inside.push(input);
    }
    let emit: &mut dyn Emit = &mut outer;
    let truth = emit.constant(Tensor::from_bools(&[true], &[]))?;
    let mut inputs = vec![inside[0], truth];
    for (i, value) in inside.iter().enumerate().skip(1) {
        // Captures of the body have no batch axis.
        let batched = i < captured.len() - cx.captures.len();
        inputs.push(if batched { emit.one(ops::Gather { axis: 0 }, &[*value, batch])? } else { *value });
    }
    let results = emit.emit_region_op(op.into(), &inputs, vec![inner])?;
    outer.add_output("loop:again", truth);
    for (i, result) in results.iter().enumerate() {
        outer.add_output(&format!("loop:result{i}"), *result);
    }
    let condition = cx.constant(Tensor::from_bools(&[true], &[]))?;
    let inputs: Vec<ValueId> = [batches, condition].into_iter().chain(captured).collect();
    cx.emit_regions(ops::Loop { carried: 0, scans: results.len() }, &inputs, vec![outer])
}

/// The body for each item of the sequences, which are of one length; its results make sequences.
pub(super) fn sequence_map(cx: &mut NodeCx<'_>) -> Converted {
    let Region { graph: region, .. } = body(cx)?;
    let whole = cx.variadic()?;
    let carried = region.outputs().len().saturating_sub(1);
    let trips = cx.one(ops::SeqLength {}, &[whole[0]])?;
    let condition = cx.constant(Tensor::from_bools(&[true], &[]))?;
    let mut inputs = vec![trips, condition];
    for output in region.outputs().iter().skip(1) {
        let dtype = match region.ty(output.value) {
            Type::Sequence(item) => item.dtype(),
            Type::Tensor(_) | Type::Optional(_) | Type::Map(..) => None,
        };
        let dtype = dtype.ok_or_else(|| Diagnostic::error(Code::DType, "the body must give tensors"))?;
        inputs.push(cx.one(ops::SeqEmpty { dtype }, &[])?);
    }
    inputs.extend(whole);
    inputs.extend(&cx.captures);
    cx.emit_regions(ops::Loop { carried, scans: 0 }, &inputs, vec![region])
}
