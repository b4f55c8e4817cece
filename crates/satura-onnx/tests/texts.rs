//! Operators on texts and words.

#[path = "bad_inputs/common.rs"]
#[allow(dead_code, reason = "shared with the tests of malformed models")]
mod common;

use common::{
    AttributeProto, INT64, ModelProto, NodeProto, accepted, graph, info, model, node, refused, untyped,
};
use satura_import::Code;
use satura_tensor::{Elements, Tensor};

const STRING: i32 = 8;

fn strings(name: &str, values: &[&str]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: 8,
        strings: values.iter().map(|text| text.as_bytes().to_vec().into()).collect(),
        ..AttributeProto::default()
    }
}

fn floats(name: &str, values: &[f32]) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: 6, floats: values.to_vec(), ..AttributeProto::default() }
}

/// `y = op(x)`.
fn on(node: NodeProto, elem_type: i32, dims: &[i64]) -> ModelProto {
    let mut graph = graph(vec![node]);
    graph.input = vec![info("x", elem_type, dims)];
    graph.output = vec![untyped("y")];
    model(graph)
}

/// The n-grams of numbers `[94], [17], [94, 17], [17, 36]`, in the columns 3, 2, 0, 1.
fn ngrams(mode: &str, skips: i64) -> NodeProto {
    node("TfIdfVectorizer", &["x"], &["y"])
        .text("mode", mode)
        .int("min_gram_length", 1)
        .int("max_gram_length", 2)
        .int("max_skip_count", skips)
        .ints("ngram_counts", &[0, 2])
        .ints("ngram_indexes", &[3, 2, 0, 1])
}

#[track_caller]
fn check_numbers(node: NodeProto, shape: &[usize], x: &[i64], expected: &[f64]) {
    let dims: Vec<i64> = shape.iter().map(|size| i64::try_from(*size).expect("small")).collect();
    let graph = accepted(&on(node, INT64, &dims)).graph;
    let outputs = satura_ir::evaluate(&graph, &[Tensor::from_vec(x.to_vec(), shape)]).expect("evaluates");
    assert_eq!(outputs[0].to_elements(), Elements::Float(expected.to_vec()));
}

#[test]
fn counting_ngrams() {
    let pool = |node: NodeProto| node.ints("pool_int64s", &[94, 17, 94, 17, 17, 36]);
    let x = [94, 17, 36, 94, 1, 17];
    check_numbers(pool(ngrams("TF", 0)), &[6], &x, &[1.0, 1.0, 2.0, 2.0]);
    // One item between two: 94 _ 36, 17 _ 94, 36 _ 1, 94 _ 17.
    check_numbers(pool(ngrams("TF", 1)), &[6], &x, &[2.0, 1.0, 2.0, 2.0]);
    check_numbers(pool(ngrams("TF", 1)), &[2, 3], &x, &[1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    check_numbers(pool(ngrams("TF", 9)), &[1], &[17], &[0.0, 0.0, 1.0, 0.0]);
    check_numbers(pool(ngrams("TF", 9)), &[0], &[], &[0.0; 4]);
    let weights = floats("weights", &[0.5, 2.0, 4.0, 8.0]);
    check_numbers(pool(ngrams("IDF", 1)), &[6], &x, &[1.0; 4]);
    check_numbers(pool(ngrams("IDF", 1)).with(weights.clone()), &[6], &x, &[4.0, 8.0, 2.0, 0.5]);
    check_numbers(pool(ngrams("TFIDF", 1)).with(weights), &[6], &x, &[8.0, 8.0, 4.0, 1.0]);
}

#[test]
fn ngrams_of_words() {
    let node = ngrams("TF", 0).with(strings("pool_strings", &["a", "b", "a", "b", "b", "c"]));
    let graph = accepted(&on(node, STRING, &[4])).graph;
    let words = ["a", "b", "c", "b"].map(|word| word.as_bytes().into()).to_vec();
    let outputs = satura_ir::evaluate(&graph, &[Tensor::from_strings(words, &[4])]).expect("evaluates");
    assert_eq!(outputs[0].to_elements(), Elements::Float(vec![1.0, 1.0, 2.0, 1.0]));
}

#[test]
fn ngrams_that_do_not_fit() {
    let pool = |items: &[i64]| ngrams("TF", 0).ints("pool_int64s", items);
    let with = |node: NodeProto| on(node, INT64, &[6]);
    refused(&with(pool(&[94, 17, 94, 17, 17])), Code::BadAttribute);
    refused(&with(pool(&[94])), Code::BadAttribute);
    refused(&with(pool(&[94, 17, 94, 17])), Code::BadAttribute);
    refused(&with(ngrams("TF", 0)), Code::MissingAttribute);
    let both = pool(&[1, 2, 1, 2, 2, 3]).with(strings("pool_strings", &["a"]));
    refused(&with(both), Code::BadAttribute);
    let weighted = ngrams("IDF", 0).ints("pool_int64s", &[1, 2, 1, 2, 2, 3]);
    refused(&with(weighted.with(floats("weights", &[1.0]))), Code::BadAttribute);
}

#[test]
fn texts_that_do_not_fit() {
    let matching = |pattern: &str| node("RegexFullMatch", &["x"], &["y"]).text("pattern", pattern);
    accepted(&on(matching("[[:alpha:]]+"), STRING, &[2]));
    for pattern in ["(", "a)(b", "[z-a]", "(?=a)", r"\1", r"\Z"] {
        refused(&on(matching(pattern), STRING, &[2]), Code::BadAttribute);
    }
    refused(&on(matching("a"), INT64, &[2]), Code::DType);
    let lower = |locale: &str| {
        node("StringNormalizer", &["x"], &["y"]).text("case_change_action", "LOWER").text("locale", locale)
    };
    accepted(&on(lower("en_US"), STRING, &[2]));
    refused(&on(lower("tr_TR.UTF-8"), STRING, &[2]), Code::Unsupported);
    refused(&on(lower("C"), STRING, &[2, 2]), Code::Shape);
}
