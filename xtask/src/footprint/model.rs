//! The model that is read: many blocks, most of its bytes weights. Written piece by piece, so that no weights are kept in memory.

use super::Weights;
use super::wire::{Message, key};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Blocks, each `x = layer_norm(x + relu(x * w + b))`.
const BLOCKS: usize = 512;

/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

/// A constant: its message without the data, and how many bytes those are.
struct Constant {
    head: Vec<u8>,
    data: u64,
}

/// Writes the model, `width` features wide, and gives its path and the bytes of its weights.
pub(super) fn write(folder: &Path, weights: Weights, width: usize) -> Result<(PathBuf, u64)> {
    let (path, data_name) = (folder.join("model.onnx"), "model.onnx.data");
    let (graph, constants) = graph(weights, width, data_name);
    let filler = filler(width * width * size_of::<f32>());
    let data = |file: &mut dyn Write, at: usize, length: u64| -> std::io::Result<()> {
        // No two tensors are the same, or one could be kept for all.
        let (own, rest) = filler[..length as usize].split_at(size_of::<u64>());
        file.write_all(&(u64::from_le_bytes(own.try_into().unwrap_or_default()) ^ at as u64).to_le_bytes())?;
        file.write_all(rest)
    };
    let size = |constant: &Constant| {
        let inside =
            if weights == Weights::Inside { key(9, constant.data).len() as u64 + constant.data } else { 0 };
        constant.head.len() as u64 + inside
    };
    let length: u64 = constants.iter().map(|c| key(5, size(c)).len() as u64 + size(c)).sum();
    let mut file =
        BufWriter::new(File::create(&path).with_context(|| format!("cannot write {}", path.display()))?);
    let opset = Message::new().int(2, 17);
    file.write_all(&Message::new().int(1, 8).message(8, &opset).finish())?;
    file.write_all(&key(7, graph.len() as u64 + length))?;
    file.write_all(&graph)?;
    for (at, constant) in constants.iter().enumerate() {
        file.write_all(&key(5, size(constant)))?;
        file.write_all(&constant.head)?;
        if weights == Weights::Inside {
            file.write_all(&key(9, constant.data))?;
            data(&mut file, at, constant.data)?;
        }
    }
    file.flush()?;
    if weights == Weights::Beside {
        let mut file = BufWriter::new(File::create(folder.join(data_name))?);
        constants.iter().enumerate().try_for_each(|(at, constant)| data(&mut file, at, constant.data))?;
        file.flush()?;
    }
    Ok((path, constants.iter().map(|constant| constant.data).sum()))
}

/// The graph without its constants, and these.
fn graph(weights: Weights, width: usize, data_name: &str) -> (Vec<u8>, Vec<Constant>) {
    let mut graph = Message::new().bytes(2, "blocks");
    let mut constants = Vec::new();
    let mut offset = 0;
    let mut constant = |name: &str, sizes: &[usize]| {
        let data = (sizes.iter().product::<usize>() * size_of::<f32>()) as u64;
        let head = sizes.iter().fold(Message::new(), |head, size| head.int(1, *size as u64));
        let mut head = head.int(2, FLOAT).bytes(8, name);
        if weights == Weights::Beside {
            for (key, value) in [
                ("location", data_name.to_owned()),
                ("offset", offset.to_string()),
                ("length", data.to_string()),
            ] {
                head = head.message(13, &Message::new().bytes(1, key).bytes(2, value));
            }
            head = head.int(14, 1);
        }
        offset += data;
        constants.push(Constant { head: head.finish(), data });
    };
    let mut x = "x".to_owned();
    for block in 0..BLOCKS {
        let name = |what: &str| format!("block.{block}.{what}");
        constant(&name("weight"), &[width, width]);
        for vector in ["bias", "norm.scale", "norm.bias"] {
            constant(&name(vector), &[width]);
        }
        let nodes: [(&str, &[&str], &str); 5] = [
            ("MatMul", &[&x, &name("weight")], "product"),
            ("Add", &[&name("product"), &name("bias")], "biased"),
            ("Relu", &[&name("biased")], "active"),
            ("Add", &[&x, &name("active")], "sum"),
            ("LayerNormalization", &[&name("sum"), &name("norm.scale"), &name("norm.bias")], "normal"),
        ];
        for (op, inputs, output) in nodes {
            let node = inputs.iter().fold(Message::new(), |node, input| node.bytes(1, input));
            let node = node.bytes(2, name(output)).bytes(3, name(&format!("{output}/{op}"))).bytes(4, op);
            graph = graph.message(1, &node);
        }
        x = name("normal");
    }
    let graph = graph.message(11, &value("x", width)).message(12, &value(&x, width));
    (graph.finish(), constants)
}

/// `name: f32[N, width]`.
fn value(name: &str, width: usize) -> Message {
    let dims = [Message::new().bytes(2, "N"), Message::new().int(1, width as u64)];
    let shape = dims.iter().fold(Message::new(), |shape, dim| shape.message(1, dim));
    let tensor = Message::new().int(1, FLOAT).message(2, &shape);
    Message::new().bytes(1, name).message(2, &Message::new().message(1, &tensor))
}

/// Bytes without a pattern that are small numbers as `f32`.
fn filler(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..length / size_of::<f32>()).flat_map(|_| next().to_le_bytes()).collect()
}
