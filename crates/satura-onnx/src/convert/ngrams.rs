//! Counting n-grams: TfIdfVectorizer.

use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::ValueId;
use satura_ir::ops::{self, ReduceKind, ScatterKind};
use satura_tensor::{DType, Dim, Tensor};
use std::ops::Range;

/// How many comparisons of a whole input one operator may become.
const MOST_COMPARISONS: usize = 1 << 12;

/// The items of all n-grams, one after the other.
enum Pool {
    Numbers(Vec<i64>),
    Texts(Vec<Vec<u8>>),
}

impl Pool {
    fn read(cx: &mut NodeCx<'_>) -> Result<Pool, Diagnostic> {
        let numbers = cx.attrs.ints("pool_int64s")?;
        let texts = cx.attrs.byte_strings("pool_strings")?;
        match (numbers, texts) {
            (Some(numbers), None) => Ok(Pool::Numbers(numbers)),
            (None, Some(texts)) => Ok(Pool::Texts(texts)),
            (None, None) => Err(Attributes::<()>::missing("pool_int64s")),
            (Some(_), Some(_)) => Err(bad_attribute("pool_int64s", "numbers and texts are given")),
        }
    }

    fn len(&self) -> usize {
        match self {
            Pool::Numbers(numbers) => numbers.len(),
            Pool::Texts(texts) => texts.len(),
        }
    }

    /// Every `step`th item of a range.
    fn items(&self, range: Range<usize>, step: usize) -> Tensor {
        let count = range.len().div_ceil(step);
        match self {
            Pool::Numbers(numbers) => {
                Tensor::from_vec(numbers[range].iter().step_by(step).copied().collect(), &[count])
            }
            Pool::Texts(texts) => {
                let texts = texts[range].iter().step_by(step).map(|text| text.clone().into());
                Tensor::from_strings(texts.collect(), &[count])
            }
        }
    }
}

/// The n-grams of one size, as ranges of the pool and of the list of n-grams.
struct Size {
    items: usize,
    pool: Range<usize>,
    grams: Range<usize>,
}

/// `ngram_counts` says where in the pool the n-grams of each size begin, from single items on.
fn all_sizes(counts: &[usize], pool: usize) -> Result<Vec<Size>, Diagnostic> {
    let wrong = |message: String| bad_attribute("ngram_counts", message);
    let mut all: Vec<Size> = Vec::with_capacity(counts.len());
    for (at, start) in counts.iter().enumerate() {
        let end = counts.get(at + 1).copied().unwrap_or(pool);
        let items = at + 1;
        if *start > end || end > pool || (end - start) % items != 0 {
            return Err(wrong(format!("items {start} to {end} of {pool} are no n-grams of {items}")));
        }
        let first = all.last().map_or(0, |size| size.grams.end);
        all.push(Size { items, pool: *start..end, grams: first..first + (end - start) / items });
    }
    Ok(all)
}

/// An attribute that must be there, at least `least`.
fn number(cx: &mut NodeCx<'_>, name: &str, least: i64) -> Result<usize, Diagnostic> {
    let value = cx.attrs.int(name)?.ok_or_else(|| Attributes::<()>::missing(name))?;
    Ok(sizes(name, &[value], least)?[0])
}

/// A list that must be there, of sizes.
fn numbers(cx: &mut NodeCx<'_>, name: &str) -> Result<Vec<usize>, Diagnostic> {
    let values = cx.attrs.ints(name)?.ok_or_else(|| Attributes::<()>::missing(name))?;
    sizes(name, &values, 0)
}

/// How often each n-gram of a pool occurs in each row. Its items stand next to each other, or up to `max_skip_count` others apart, always the same number.
/// Each has a weight and a column of the result.
pub(super) fn tf_idf_vectorizer(cx: &mut NodeCx<'_>) -> Converted {
    /// Whether counts above 1 become 1, and whether there are weights.
    const MODES: &[(&str, (bool, bool))] =
        &[("TF", (false, false)), ("IDF", (true, true)), ("TFIDF", (false, true))];
    let ([x], []) = cx.args()?;
    let mode = cx.attrs.choice("mode", MODES)?;
    let (present, weighted) = mode.ok_or_else(|| Attributes::<()>::missing("mode"))?;
    let weights = cx.attrs.floats("weights")?.filter(|weights| weighted && !weights.is_empty());
    let (shortest, longest) = (number(cx, "min_gram_length", 1)?, number(cx, "max_gram_length", 1)?);
    if shortest > longest {
        return Err(bad_attribute("min_gram_length", format!("{shortest} is more than {longest}")));
    }
    let skips = number(cx, "max_skip_count", 0)?;
    let pool = Pool::read(cx)?;
    let all = all_sizes(&numbers(cx, "ngram_counts")?, pool.len())?;
    let indexes = numbers(cx, "ngram_indexes")?;
    let grams = all.last().map_or(0, |size| size.grams.end);
    if indexes.len() != grams || grams == 0 {
        return Err(bad_attribute("ngram_indexes", format!("{} for {grams} n-grams", indexes.len())));
    }
    let width = indexes.iter().max().map_or(0, |last| last + 1);
    if let Some(weights) = weights.as_ref().filter(|weights| weights.len() != grams) {
        return Err(bad_attribute("weights", format!("{} for {grams} n-grams", weights.len())));
    }

    let mut rows = cx.dims(x, "counting in rows")?;
    let columns = rows.pop().unwrap_or(Dim::from(1));
    if rows.len() > 1 {
        return Err(Diagnostic::error(Code::Shape, "the input must be a vector or a matrix").at_input(0));
    }
    let row_count = rows.first().cloned().unwrap_or(Dim::from(1));
    let x = match pool {
        Pool::Numbers(_) => cx.cast(x, DType::I64)?,
        Pool::Texts(_) => x,
    };
    let x = cx.reshape(x, vec![row_count.clone(), columns.clone(), Dim::from(1)])?;
    let (mut found, mut places) = (Vec::new(), Vec::new());
    for size in all.iter().filter(|size| (shortest..=longest).contains(&size.items)) {
        let Some(mut counts) = occurrences(cx, x, &columns, &pool, size, skips)? else { continue };
        if present {
            let one = cx.scalar_like(counts, 1.0)?;
            counts = cx.min(counts, one)?;
        }
        if let Some(weights) = &weights {
            let weights = weights[size.grams.clone()].to_vec();
            let weights = cx.constant(Tensor::from_vec(weights, &[size.grams.len()]))?;
            counts = cx.mul(counts, weights)?;
        }
        found.push(counts);
        places.extend_from_slice(&indexes[size.grams.clone()]);
    }
    let result = place(cx, &found, &places, &row_count, width)?;
    rows.push(Dim::from(width));
    Ok(vec![cx.reshape(result, rows)?])
}

/// How often each n-gram of one size occurs in `x: [B, C, 1]`: f32 `[B, G]`; `None` where there is no n-gram, or no row is long enough.
fn occurrences(
    cx: &mut NodeCx<'_>,
    x: ValueId,
    columns: &Dim,
    pool: &Pool,
    size: &Size,
    skips: usize,
) -> Result<Option<ValueId>, Diagnostic> {
    if size.grams.is_empty() {
        return Ok(None);
    }
    // Single items are counted once: nothing stands between the items of one.
    let distances = if size.items == 1 { 1 } else { skips + 1 };
    let items: Vec<Tensor> =
        (0..size.items).map(|item| pool.items(size.pool.start + item..size.pool.end, size.items)).collect();
    let items = items.into_iter().map(|item| cx.constant(item)).collect::<Result<Vec<_>, _>>()?;
    let mut sum: Option<ValueId> = None;
    for distance in 1..=distances {
        let last = distance * (size.items - 1);
        let starts = (columns.clone() - Dim::from(last)).maximum(&Dim::from(0));
        if starts.is(0) {
            break;
        }
        if distance * size.items > MOST_COMPARISONS {
            let message = "so many comparisons of a whole input are not supported";
            return Err(unsupported(message).at_attribute("max_skip_count"));
        }
        let mut hits: Option<ValueId> = None;
        for (item, wanted) in items.iter().enumerate() {
            let window = cx.part(x, 1, Dim::from(item * distance), starts.clone())?;
            let equal = cx.equal(window, *wanted)?;
            hits = Some(hits.map_or(Ok(equal), |hits| cx.and(hits, equal))?);
        }
        let Some(hits) = hits else { break };
        let hits = cx.cast(hits, DType::F32)?;
        let counts =
            cx.one(ops::Reduce { kind: ReduceKind::Sum, axes: Some(vec![1]), keep: false }, &[hits])?;
        sum = Some(sum.map_or(Ok(counts), |sum| cx.add(sum, counts))?);
    }
    Ok(sum)
}

/// The counts `[B, ..]` in the columns that their n-grams belong to: `[B, width]`. Counts of one column are added.
fn place(cx: &mut NodeCx<'_>, found: &[ValueId], places: &[usize], rows: &Dim, width: usize) -> Emitted {
    let zero = cx.scalar(DType::F32, 0.0)?;
    let zeros = cx.broadcast(zero, vec![rows.clone(), Dim::from(width)])?;
    if found.is_empty() {
        return Ok(zeros);
    }
    let counts = cx.concat(found, 1)?;
    if places.len() == width && places.iter().enumerate().all(|(at, place)| at == *place) {
        return Ok(counts);
    }
    let at = places.iter().map(|place| i64::try_from(*place).unwrap_or(i64::MAX)).collect();
    let at = cx.vector(at)?;
    let at = cx.broadcast(at, vec![rows.clone(), Dim::from(places.len())])?;
    cx.one(ops::ScatterElements { axis: 1, combine: ScatterKind::Add }, &[zeros, at, counts])
}
