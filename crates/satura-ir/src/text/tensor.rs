//! Constants in text: inline, by content hash, or pseudo-random by seed.

use super::lex::{balanced_len, split_top_level, unquote};
use satura_tensor::{DType, Elements, Tensor};
use std::collections::BTreeMap;

/// Constants by content hash: where `f32[64, 3]#hash` finds its elements.
#[derive(Clone, Debug, Default)]
pub struct ConstStore(BTreeMap<u64, Tensor>);

impl ConstStore {
    /// Adds a constant.
    pub fn insert(&mut self, tensor: Tensor) {
        self.0.insert(tensor.content_hash(), tensor);
    }

    /// Adds every constant of a graph, regions included.
    pub fn insert_graph(&mut self, graph: &crate::Graph) {
        for (_, node) in graph.nodes() {
            if let crate::Op::Const(constant) = &node.op {
                self.insert(constant.value.clone());
            }
            node.regions.iter().for_each(|region| self.insert_graph(region));
        }
    }

    /// The constant of that hash.
    pub fn get(&self, hash: u64) -> Option<&Tensor> {
        self.0.get(&hash)
    }
}

/// Constants of more elements print as a hash.
const INLINE_ELEMENTS: usize = 64;

/// The text of a constant: `f32[2](1.0, 2.0)`, or `f32[64, 3]#hash` for more than 64 elements.
pub fn print_tensor(tensor: &Tensor) -> String {
    let head = format!("{}{:?}", tensor.dtype(), tensor.shape());
    if tensor.elements() > INLINE_ELEMENTS {
        return format!("{head}#{:016x}", tensor.content_hash());
    }
    let items: Vec<String> = match tensor.to_elements() {
        Elements::Float(v) => v.iter().map(|x| print_float(*x, tensor.dtype())).collect(),
        Elements::Int(v) => v.iter().map(i128::to_string).collect(),
        Elements::Bool(v) => v.iter().map(bool::to_string).collect(),
        Elements::Complex(v) => v
            .iter()
            .map(|[re, im]| {
                format!("({}, {})", print_float(*re, tensor.dtype()), print_float(*im, tensor.dtype()))
            })
            .collect(),
        Elements::String(v) => v.iter().map(|s| format!("{:?}", String::from_utf8_lossy(s))).collect(),
    };
    format!("{head}({})", items.join(", "))
}

/// The shortest text that reads back as the same value.
fn print_float(value: f64, dtype: DType) -> String {
    match dtype {
        DType::F64 | DType::C128 => format!("{value:?}"),
        _ => format!("{:?}", value as f32),
    }
}

/// Reads the text of a constant. The error says what was expected.
pub fn parse_tensor(text: &str, store: &ConstStore) -> Result<Tensor, String> {
    let head = balanced_len(text, &['(', '#', '~']).unwrap_or(text.len());
    let (dtype, shape) = parse_head(&text[..head])?;
    let body = &text[head..];
    let elements: usize = shape
        .iter()
        .try_fold(1usize, |p, s| p.checked_mul(*s))
        .filter(|n| *n <= 1 << 28)
        .ok_or("the constant is too large")?;
    if let Some(hash) = body.strip_prefix('#') {
        let hash = u64::from_str_radix(hash, 16).map_err(|_| "expected a hexadecimal hash after `#`")?;
        let found = store.get(hash).ok_or_else(|| format!("no constant with hash {hash:016x} is at hand"))?;
        return if (found.dtype(), found.shape()) == (dtype, &shape[..]) {
            Ok(found.clone())
        } else {
            Err(format!("the constant with hash {hash:016x} is {}{:?}", found.dtype(), found.shape()))
        };
    }
    if let Some(seed) = body.strip_prefix('~') {
        let seed: u64 = seed.parse().map_err(|_| "expected a seed after `~`")?;
        return random(dtype, &shape, elements, seed)
            .ok_or_else(|| format!("{dtype} has no random constants"));
    }
    let inside =
        body.strip_prefix('(').and_then(|b| b.strip_suffix(')')).ok_or("expected elements in parentheses")?;
    let items = split_top_level(inside, ',');
    if items.len() != elements {
        return Err(format!("{elements} elements expected, {} given", items.len()));
    }
    let number = |s: &str| s.parse::<f64>().map_err(|_| format!("`{s}` is not a number"));
    let parsed = if dtype.is_float() {
        Elements::Float(items.iter().map(|s| number(s)).collect::<Result<_, _>>()?)
    } else if dtype.is_int() {
        let (least, greatest) = dtype.int_range().expect("integers have a range");
        let int = |s: &&str| match s.parse::<i128>() {
            Ok(x) if (least..=greatest).contains(&x) => Ok(x),
            _ => Err(format!("`{s}` is not an {dtype}")),
        };
        Elements::Int(items.iter().map(int).collect::<Result<_, _>>()?)
    } else if dtype == DType::Bool {
        Elements::Bool(
            items
                .iter()
                .map(|s| s.parse().map_err(|_| format!("`{s}` is not a bool")))
                .collect::<Result<_, _>>()?,
        )
    } else if dtype.is_complex() {
        let pair = |s: &&str| -> Result<[f64; 2], String> {
            let inside = s.strip_prefix('(').and_then(|s| s.strip_suffix(')')).ok_or("expected (re, im)")?;
            match split_top_level(inside, ',')[..] {
                [re, im] => Ok([number(re)?, number(im)?]),
                _ => Err("expected (re, im)".to_owned()),
            }
        };
        Elements::Complex(items.iter().map(pair).collect::<Result<_, _>>()?)
    } else {
        let string = |s: &&str| {
            unquote(s).map(|s| s.into_bytes().into()).ok_or_else(|| "expected a quoted string".to_owned())
        };
        Elements::String(items.iter().map(string).collect::<Result<_, _>>()?)
    };
    Ok(Tensor::from_elements(dtype, &shape, parsed))
}

fn parse_head(text: &str) -> Result<(DType, Vec<usize>), String> {
    let open = text.find('[').ok_or("expected a dtype and sizes, such as f32[2, 3]")?;
    let dtype =
        DType::from_name(&text[..open]).ok_or_else(|| format!("`{}` is not a dtype", &text[..open]))?;
    let inside =
        text[open..].trim_end().strip_prefix('[').and_then(|t| t.strip_suffix(']')).ok_or("expected `]`")?;
    let sizes = split_top_level(inside, ',')
        .iter()
        .map(|s| s.parse::<usize>().map_err(|_| format!("`{s}` is not a size")))
        .collect::<Result<_, _>>()?;
    Ok((dtype, sizes))
}

/// Floats in -1..1, integers in -8..8 (0..16 unsigned), coin-toss bools, by a SplitMix64 sequence.
fn random(dtype: DType, shape: &[usize], elements: usize, seed: u64) -> Option<Tensor> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let values = if dtype.is_float() {
        Elements::Float((0..elements).map(|_| (next() >> 40) as f64 / (1u64 << 23) as f64 - 1.0).collect())
    } else if let Some((least, greatest)) = dtype.int_range().filter(|_| dtype != DType::Bool) {
        let low = if least < 0 { -8 } else { 0 };
        Elements::Int(
            (0..elements).map(|_| (i128::from(next() >> 60) + low).clamp(least, greatest)).collect(),
        )
    } else if dtype == DType::Bool {
        Elements::Bool((0..elements).map(|_| next() >> 63 == 1).collect())
    } else {
        return None;
    };
    Some(Tensor::from_elements(dtype, shape, values))
}
