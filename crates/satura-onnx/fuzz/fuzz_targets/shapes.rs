//! Shape inference: chains of nodes of every operator, with inputs and constants of any shape and any attributes.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use satura_onnx_fuzz::{Message, check, model, options, value_info};
use std::sync::OnceLock;

/// Attributes that decide shapes, and some that only some operators have.
const NAMES: &[&str] = &[
    "axis",
    "axes",
    "keepdims",
    "perm",
    "kernel_shape",
    "strides",
    "pads",
    "dilations",
    "group",
    "auto_pad",
    "ceil_mode",
    "count_include_pad",
    "output_padding",
    "output_shape",
    "transA",
    "transB",
    "alpha",
    "beta",
    "to",
    "shape",
    "value",
    "value_ints",
    "value_int",
    "num_outputs",
    "split",
    "mode",
    "coordinate_transformation_mode",
    "nearest_mode",
    "blocksize",
    "block_size",
    "batch_dims",
    "select_last_index",
    "exclusive",
    "reverse",
    "equation",
    "hidden_size",
    "direction",
    "layout",
    "epsilon",
    "num_groups",
    "stash_type",
    "k",
    "largest",
    "sorted",
    "p",
    "starts",
    "ends",
    "steps",
    "scales",
    "size",
    "upper",
    "sample_size",
    "dtype",
    "seed",
    "new_axis",
    "allowzero",
    "noop_with_empty_axes",
    "fmod",
    "q_num_heads",
    "kv_num_heads",
    "is_causal",
    "output_datatype",
    "saturate",
    "onesided",
    "inverse",
    "offset_group",
    "sampling_ratio",
    "output_height",
    "output_width",
    "spatial_scale",
    "align_corners",
    "padding_mode",
    "keep_aspect_ratio_policy",
    "antialias",
    "time_axis",
    "batch_axis",
    "exclude_outside",
    "storage_order",
    "broadcast",
    "interleaved",
    "num_heads",
    "rotary_embedding_dim",
];
const WORDS: &[&str] = &[
    "SAME_UPPER",
    "SAME_LOWER",
    "VALID",
    "NOTSET",
    "constant",
    "reflect",
    "edge",
    "wrap",
    "nearest",
    "linear",
    "cubic",
    "half_pixel",
    "asymmetric",
    "align_corners",
    "tf_crop_and_resize",
    "DCR",
    "CRD",
    "forward",
    "reverse",
    "bidirectional",
    "ij,jk->ik",
    "...ij->...ji",
    "ii->i",
    "bij,bjk",
    "add",
    "mul",
    "max",
    "none",
    "sum",
    "mean",
    "stretch",
    "not_larger",
    "zeros",
    "border",
];
const DTYPES: [i64; 8] = [1, 7, 6, 9, 10, 11, 2, 8];

fn operators() -> &'static [(&'static str, &'static str)] {
    static ALL: OnceLock<Vec<(&'static str, &'static str)>> = OnceLock::new();
    ALL.get_or_init(|| satura_onnx::supported_ops().map(|(domain, op, ..)| (domain, op)).collect())
}

fn dim(u: &mut Unstructured) -> Result<i64> {
    Ok(match u.int_in_range(0..=11u8)? {
        0 => 0,
        1..=7 => u.int_in_range(1..=6)?,
        8 | 9 => -u.int_in_range(1..=3)?,
        10 => u.int_in_range(7..=300)?,
        _ => i64::arbitrary(u)?.saturating_abs(),
    })
}

fn number(u: &mut Unstructured) -> Result<i64> {
    Ok(match u.int_in_range(0..=7u8)? {
        0 => i64::arbitrary(u)?,
        1 => *u.choose(&[i64::MIN, i64::MAX, i64::from(i32::MAX), -1 << 31, 1 << 40])?,
        _ => u.int_in_range(-4..=5)?,
    })
}

fn list<T>(
    u: &mut Unstructured,
    most: usize,
    item: impl Fn(&mut Unstructured) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u.int_in_range(0..=most)?;
    (0..count).map(|_| item(u)).collect()
}

/// A constant of few elements.
fn constant(u: &mut Unstructured, name: &str) -> Result<Message> {
    let dims = list(u, 3, |u| u.int_in_range(0..=4i64))?;
    let count: i64 = dims.iter().product();
    let dtype = *u.choose(&DTYPES[..4])?;
    let mut data = Vec::new();
    for _ in 0..count {
        match dtype {
            1 => data.extend((number(u)? as f32).to_le_bytes()),
            7 => data.extend(number(u)?.to_le_bytes()),
            6 => data.extend((number(u)? as i32).to_le_bytes()),
            _ => data.push(u8::from(bool::arbitrary(u)?)),
        }
    }
    let tensor = Message::default().each(&dims, |t, dim| t.int(1, *dim));
    Ok(tensor.int(2, dtype).bytes(8, name.as_bytes()).bytes(9, &data))
}

fn attribute(u: &mut Unstructured) -> Result<Message> {
    let attribute = Message::default().bytes(1, u.choose(NAMES)?.as_bytes());
    Ok(match u.int_in_range(0..=5u8)? {
        0 | 1 => attribute.int(3, number(u)?).int(20, 2),
        2 | 3 => attribute.each(list(u, 6, number)?, |a, n| a.int(8, n)).int(20, 7),
        4 => attribute.bytes(4, u.choose(WORDS)?.as_bytes()).int(20, 3),
        _ => attribute.float(2, number(u)? as f32).int(20, 1),
    })
}

fn build(u: &mut Unstructured) -> Result<Message> {
    let mut graph = Message::default().bytes(2, b"main");
    let mut names = Vec::new();
    for i in 0..u.int_in_range(1..=3)? {
        let name = format!("x{i}");
        let dims = list(u, 5, dim)?;
        let dims = if u.ratio(1, 12)? { None } else { Some(&dims[..]) };
        graph = graph.message(11, &value_info(&name, *u.choose(&DTYPES)?, dims));
        names.push(name);
    }
    for i in 0..u.int_in_range(0..=4)? {
        let name = format!("c{i}");
        graph = graph.message(5, &constant(u, &name)?);
        names.push(name);
    }
    for i in 0..u.int_in_range(1..=4)? {
        let (domain, op) = *u.choose(operators())?;
        let inputs =
            list(u, 6, |u| if u.ratio(1, 10)? { Ok(String::new()) } else { u.choose(&names).cloned() })?;
        let outputs: Vec<String> = (0..u.int_in_range(1..=3)?).map(|o| format!("n{i}_{o}")).collect();
        let attributes = list(u, 5, attribute)?;
        let node = Message::default()
            .each(&inputs, |n, name| n.bytes(1, name.as_bytes()))
            .each(&outputs, |n, name| n.bytes(2, name.as_bytes()))
            .bytes(4, op.as_bytes())
            .bytes(7, domain.as_bytes())
            .each(&attributes, |n, a| n.message(5, a));
        graph = graph.message(1, &node);
        names.extend(outputs);
    }
    let last = names.last().cloned().unwrap_or_default();
    graph = graph.message(12, &Message::default().bytes(1, last.as_bytes()));
    let opset = u.int_in_range(1..=28)?;
    Ok(model(
        &graph,
        &[("", opset), ("ai.onnx.ml", 3), ("ai.onnx.preview.training", 1), ("com.microsoft", 1)],
    ))
}

fuzz_target!(|data: &[u8]| {
    if let Ok(model) = build(&mut Unstructured::new(data)) {
        check(satura_onnx::read_bytes(model.0, None, &options()));
    }
});
