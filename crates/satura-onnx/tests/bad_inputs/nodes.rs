//! Nodes: inputs, attributes, and what each op demands of them.

use crate::common::{
    AttributeProto, FLOAT, INT64, ModelProto, NodeProto, TensorProto, accepted, floats, graph, info, int64s,
    model, node, one_op, raw, refused,
};
use satura_import::Code;
use satura_ir::OpErrorKind;

/// `y = op(x)` with `x: f32[2, 3]`.
fn plain(node: NodeProto) -> ModelProto {
    one_op(node, &[2, 3], vec![])
}

/// `y = op(x, ..)` with int64 vectors as further inputs, called a, b, c.
fn with_vectors(node: NodeProto, vectors: &[&[i64]]) -> ModelProto {
    let names = ["a", "b", "c"];
    let constants = vectors
        .iter()
        .zip(names)
        .map(|(v, name)| TensorProto { name: name.to_owned(), ..int64s("", v) })
        .collect();
    one_op(node, &[2, 3], constants)
}

#[test]
fn numbers_of_inputs_and_outputs() {
    refused(&plain(node("Relu", &[], &["y"])), Code::InputCount);
    refused(&plain(node("Relu", &["x", "x"], &["y"])), Code::InputCount);
    refused(&plain(node("Add", &["x"], &["y"])), Code::InputCount);
    refused(&plain(node("Add", &["x", ""], &["y"])), Code::InputCount);
    refused(&plain(node("Add", &["", "x"], &["y"])), Code::InputCount);
    refused(&plain(node("Concat", &[], &["y"]).int("axis", 0)), Code::InputCount);
    refused(&plain(node("Concat", &["", "x"], &["y"]).int("axis", 0)), Code::InputCount);
    refused(&plain(node("Relu", &["x"], &["y", "z"])), Code::InputCount);
    accepted(&plain(node("Relu", &["x", "", ""], &["y", ""])));
    accepted(&plain(node("Clip", &["x", "", ""], &["y"])));
}

#[test]
fn attributes() {
    let attribute = |edit: fn(&mut AttributeProto)| {
        let mut attribute = AttributeProto { name: "axis".to_owned(), ..AttributeProto::default() };
        edit(&mut attribute);
        plain(node("Softmax", &["x"], &["y"]).with(attribute))
    };
    let bad: &[fn(&mut AttributeProto)] = &[
        // A list where a number is wanted; no type; no value; a type that does not exist; another type than the value's.
        |a| (a.r#type, a.ints) = (7, vec![1]),
        |a| (a.r#type, a.i) = (0, Some(1)),
        |a| a.r#type = 0,
        |a| (a.r#type, a.i) = (99, Some(1)),
        |a| (a.r#type, a.i) = (1, Some(1)),
        // Two values; a value that is missing; kinds that no op takes.
        |a| (a.r#type, a.i, a.f) = (2, Some(1), Some(1.0)),
        |a| a.r#type = 4,
        |a| a.r#type = 5,
        |a| (a.r#type, a.tensors) = (9, vec![floats("", &[1], &[0.0])]),
        |a| a.r#type = 13,
    ];
    for edit in bad {
        let error = refused(&attribute(*edit), Code::BadAttribute);
        assert_eq!(error.place.attribute.as_deref(), Some("axis"), "{error}");
        assert!(error.place.node.is_some());
    }
    refused(&plain(node("Softmax", &["x"], &["y"]).int("axis", 1).int("axis", 1)), Code::BadAttribute);
    refused(&plain(node("Softmax", &["x"], &["y"]).int("axes", 1)), Code::UnknownAttribute);
    refused(&plain(node("Relu", &["x"], &["y"]).int("consumed_inputs", 1)), Code::UnknownAttribute);
    refused(&plain(node("Cast", &["x"], &["y"])), Code::MissingAttribute);
    refused(&plain(node("Concat", &["x"], &["y"])), Code::MissingAttribute);
}

#[test]
fn casts() {
    for to in [0, 99, -1, i64::MAX] {
        refused(&plain(node("Cast", &["x"], &["y"]).int("to", to)), Code::BadAttribute);
    }
    accepted(&plain(node("Cast", &["x"], &["y"]).int("to", 7)));
}

#[test]
fn element_types_must_agree() {
    let mixed = one_op(node("Add", &["x", "a"], &["y"]), &[3], vec![int64s("a", &[1, 2, 3])]);
    refused(&mixed, Code::DType);
    refused(&plain(node("Not", &["x"], &["y"])), Code::DType);
    refused(&plain(node("Gather", &["x", "x"], &["y"])), Code::DType);
    let strings = TensorProto {
        name: "a".to_owned(),
        data_type: 8,
        dims: vec![1],
        string_data: vec![b"s".to_vec().into()],
        ..TensorProto::default()
    };
    refused(&one_op(node("Relu", &["a"], &["y"]), &[1], vec![strings]), Code::DType);
}

#[test]
fn reshapes() {
    let reshape = |shape: &[i64]| with_vectors(node("Reshape", &["x", "a"], &["y"]), &[shape]);
    for good in [&[6i64][..], &[-1], &[0, -1], &[3, 1, 2], &[2, 3]] {
        accepted(&reshape(good));
    }
    for bad in [&[-1i64, -1][..], &[5], &[4, -1], &[-2, 3], &[2, 3, 0], &[i64::MAX, i64::MAX]] {
        let error = crate::common::refused_bytes(prost::Message::encode_to_vec(&reshape(bad)));
        assert!(
            matches!(error[0].code, Code::Shape | Code::BadValue | Code::ResourceLimit),
            "{bad:?}: {}",
            error[0]
        );
    }
    let both = with_vectors(node("Reshape", &["x", "a"], &["y"]).int("allowzero", 1), &[&[0, -1]]);
    let error = crate::common::refused_bytes(prost::Message::encode_to_vec(&both));
    assert!(matches!(error[0].code, Code::Shape | Code::BadValue), "{}", error[0]);
}

#[test]
fn axes() {
    for perm in [&[0i64, 0][..], &[0], &[0, 2], &[0, 1, 2], &[-1, 0]] {
        refused(&plain(node("Transpose", &["x"], &["y"]).ints("perm", perm)), Code::BadAttribute);
    }
    for axis in [2, -3, i64::MIN, i64::MAX] {
        refused(&plain(node("Softmax", &["x"], &["y"]).int("axis", axis)), Code::BadAttribute);
        refused(&plain(node("Concat", &["x", "x"], &["y"]).int("axis", axis)), Code::BadAttribute);
        refused(&plain(node("ArgMax", &["x"], &["y"]).int("axis", axis)), Code::BadAttribute);
        refused(&with_vectors(node("ReduceSum", &["x", "a"], &["y"]), &[&[axis]]), Code::BadAttribute);
        refused(&with_vectors(node("Squeeze", &["x", "a"], &["y"]), &[&[axis]]), Code::BadAttribute);
        refused(
            &with_vectors(node("Gather", &["x", "a"], &["y"]).int("axis", axis), &[&[0]]),
            Code::BadAttribute,
        );
    }
    refused(&with_vectors(node("ReduceSum", &["x", "a"], &["y"]), &[&[0, -2]]), Code::BadAttribute);
    refused(&with_vectors(node("Unsqueeze", &["x", "a"], &["y"]), &[&[1, 1]]), Code::BadAttribute);
    refused(&with_vectors(node("Unsqueeze", &["x", "a"], &["y"]), &[&[4]]), Code::BadAttribute);
    refused(&with_vectors(node("Squeeze", &["x", "a"], &["y"]), &[&[0]]), Code::Shape);
    refused(&plain(node("Unsqueeze", &["x"], &["y"])), Code::MissingAttribute);
    // Axes that are computed cannot be known.
    let mut computed = graph(vec![node("ReduceSum", &["x", "axes"], &["y"])]);
    computed.input.push(info("axes", INT64, &[1]));
    refused(&model(computed), Code::NotConstant);
    let mut ranks = graph(vec![node("Concat", &["x", "v"], &["y"]).int("axis", 0)]);
    ranks.input.push(info("v", FLOAT, &[3]));
    refused(&model(ranks), Code::Shape);
}

/// A convolution of `[1, 4, 8, 8]` with weights of that shape.
fn conv(node: NodeProto, weights: &[i64]) -> ModelProto {
    let count: i64 = weights.iter().product();
    let bytes = vec![0; usize::try_from(count * 4).expect("small")];
    one_op(node, &[1, 4, 8, 8], vec![raw("w", FLOAT, weights, &bytes)])
}

#[test]
fn convolutions() {
    let base = || node("Conv", &["x", "w"], &["y"]);
    accepted(&conv(base(), &[2, 4, 3, 3]));
    refused(&conv(base(), &[2, 4, 0, 3]), Code::Shape);
    refused(&conv(base(), &[2, 4]), Code::Shape);
    refused(&conv(base(), &[2, 4, 3]), Code::Shape);
    refused(&conv(base(), &[2, 5, 3, 3]), Code::Shape);
    refused(&conv(base(), &[2, 4, 9, 9]), Code::Shape);
    for (name, values) in [
        ("strides", &[0i64, 1][..]),
        ("strides", &[-1, 1]),
        ("strides", &[1]),
        ("strides", &[i64::MAX, 1]),
        ("dilations", &[0, 1]),
        ("dilations", &[1, 1, 1]),
        ("pads", &[1, 1]),
        ("pads", &[-1, 0, 0, 0]),
        ("kernel_shape", &[5, 5]),
        ("kernel_shape", &[0, 0]),
        ("kernel_shape", &[3]),
    ] {
        refused(&conv(base().ints(name, values), &[2, 4, 3, 3]), Code::BadAttribute);
    }
    for group in [0, -1, i64::MIN] {
        refused(&conv(base().int("group", group), &[2, 4, 3, 3]), Code::BadAttribute);
    }
    let error = crate::common::refused_bytes(prost::Message::encode_to_vec(&conv(
        base().int("group", 3),
        &[3, 1, 3, 3],
    )));
    assert!(matches!(error[0].code, Code::Shape | Code::BadAttribute), "{}", error[0]);
    refused(
        &conv(base().text("auto_pad", "SAME_UPPER").ints("pads", &[1, 1, 1, 1]), &[2, 4, 3, 3]),
        Code::BadAttribute,
    );
    refused(&conv(base().text("auto_pad", "SAME"), &[2, 4, 3, 3]), Code::BadAttribute);
    let dynamic = |stride: i64| {
        let padded = base().text("auto_pad", "SAME_UPPER").ints("strides", &[stride, stride]);
        one_op(padded, &[1, 1, -1, -1], vec![floats("w", &[1, 1, 3, 3], &[0.0; 9])])
    };
    accepted(&dynamic(1));
    refused(&dynamic(2), Code::NotConstant);
    let bias = |dims: &[i64]| {
        let values = vec![0.0; usize::try_from(dims.iter().product::<i64>()).expect("small")];
        let constants = vec![floats("w", &[1, 1, 3, 3], &[0.0; 9]), floats("b", dims, &values)];
        one_op(node("Conv", &["x", "w", "b"], &["y"]), &[1, 1, 8, 8], constants)
    };
    accepted(&bias(&[1]));
    refused(&bias(&[2]), Code::Shape);
    refused(&bias(&[1, 1]), Code::Shape);
    let transposed = || node("ConvTranspose", &["x", "w"], &["y"]);
    accepted(&conv(transposed(), &[4, 2, 3, 3]));
    refused(&conv(transposed().ints("output_padding", &[1]), &[4, 2, 3, 3]), Code::BadAttribute);
    refused(&conv(transposed().ints("output_shape", &[0, 5]), &[4, 2, 3, 3]), Code::BadAttribute);
    refused(&conv(transposed().ints("output_shape", &[5]), &[4, 2, 3, 3]), Code::BadAttribute);
    refused(&conv(transposed(), &[5, 2, 3, 3]), Code::Shape);
}

#[test]
fn pooling() {
    let pool = |op: &str, edit: fn(NodeProto) -> NodeProto| {
        one_op(edit(node(op, &["x"], &["y"])), &[1, 1, 8, 8], vec![])
    };
    for op in ["MaxPool", "AveragePool"] {
        accepted(&pool(op, |n| n.ints("kernel_shape", &[2, 2])));
        refused(&pool(op, |n| n), Code::MissingAttribute);
        refused(&pool(op, |n| n.ints("kernel_shape", &[0, 2])), Code::BadAttribute);
        refused(&pool(op, |n| n.ints("kernel_shape", &[2])), Code::Shape);
        refused(&pool(op, |n| n.ints("kernel_shape", &[9, 9])), Code::Shape);
        refused(&pool(op, |n| n.ints("kernel_shape", &[2, 2]).ints("strides", &[0, 1])), Code::BadAttribute);
        refused(&pool(op, |n| n.ints("kernel_shape", &[2, 2]).int("ceil_mode", 2)), Code::BadAttribute);
    }
    let indices =
        one_op(node("MaxPool", &["x"], &["y", "i"]).ints("kernel_shape", &[2, 2]), &[1, 1, 8, 8], vec![]);
    accepted(&indices);
    refused(&plain(node("GlobalAveragePool", &["x"], &["y"])), Code::Shape);
}

/// The result of a model on `x: f32[2, 3]` of 0, 1, .. 5, or the kind of the error.
fn run(model: &ModelProto) -> Result<Vec<f64>, OpErrorKind> {
    let graph = accepted(model).graph;
    let x = satura_tensor::Tensor::from_vec((0..6u8).map(f32::from).collect(), &[2, 3]);
    match satura_ir::evaluate(&graph, &[x]) {
        Ok(outputs) => {
            match satura_tensor::cast(&outputs[0], satura_tensor::DType::F64).map(|t| t.to_elements()) {
                Some(satura_tensor::Elements::Float(v)) => Ok(v),
                other => panic!("numbers are expected, found {other:?}"),
            }
        }
        Err(satura_ir::ExecError::Node { error, .. }) => Err(error.kind),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn slices() {
    let slice = |starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]| {
        let mut model =
            with_vectors(node("Slice", &["x", "a", "b", "c", "d"], &["y"]), &[starts, ends, axes]);
        model.graph.as_mut().expect("has one").initializer.push(int64s("d", steps));
        model
    };
    assert_eq!(run(&slice(&[0], &[i64::MAX], &[1], &[2])), Ok(vec![0.0, 2.0, 3.0, 5.0]));
    assert_eq!(run(&slice(&[i64::MAX], &[i64::MIN], &[1], &[-1])), Ok(vec![2.0, 1.0, 0.0, 5.0, 4.0, 3.0]));
    assert_eq!(run(&slice(&[-2], &[-1], &[1], &[1])), Ok(vec![1.0, 4.0]));
    assert_eq!(run(&slice(&[i64::MAX], &[i64::MIN], &[0], &[i64::MIN])), Ok(vec![3.0, 4.0, 5.0]));
    assert_eq!(run(&slice(&[5], &[3], &[1], &[1])), Ok(vec![]));
    refused(&slice(&[0], &[1], &[1], &[0]), Code::BadAttribute);
    refused(&slice(&[0], &[1], &[2], &[1]), Code::BadAttribute);
    refused(&slice(&[0, 0], &[1, 1], &[1, -1], &[1, 1]), Code::BadAttribute);
    for bad in [
        slice(&[0, 0], &[1], &[1], &[1]),
        slice(&[0], &[1, 1], &[0, 1], &[1, 1]),
        slice(&[0], &[1], &[0], &[1, 1]),
    ] {
        let error = crate::common::refused_bytes(prost::Message::encode_to_vec(&bad));
        assert!(matches!(error[0].code, Code::Shape | Code::BadAttribute), "{}", error[0]);
    }
}

#[test]
fn indices_out_of_range_are_found_at_run_time() {
    let gather =
        |indices: &[i64]| with_vectors(node("Gather", &["x", "a"], &["y"]).int("axis", 1), &[indices]);
    assert_eq!(run(&gather(&[-1, 0])), Ok(vec![2.0, 0.0, 5.0, 3.0]));
    for bad in [3, -4, i64::MAX, i64::MIN] {
        assert_eq!(run(&gather(&[bad])), Err(OpErrorKind::Value));
    }
    let scatter = |index: i64| {
        let constants =
            vec![TensorProto { dims: vec![1, 1], ..int64s("a", &[index]) }, floats("b", &[1, 1], &[9.0])];
        one_op(node("ScatterElements", &["x", "a", "b"], &["y"]).int("axis", 1), &[2, 3], constants)
    };
    assert_eq!(run(&scatter(-1)), Ok(vec![0.0, 1.0, 9.0, 3.0, 4.0, 5.0]));
    assert_eq!(run(&scatter(3)), Err(OpErrorKind::Value));
    let gather_nd = |row: i64| {
        let constants = vec![TensorProto { dims: vec![1, 2], ..int64s("a", &[row, 0]) }];
        one_op(node("GatherND", &["x", "a"], &["y"]), &[2, 3], constants)
    };
    assert_eq!(run(&gather_nd(-1)), Ok(vec![3.0]));
    assert_eq!(run(&gather_nd(2)), Err(OpErrorKind::Value));
    refused(
        &with_vectors(node("GatherND", &["x", "a"], &["y"]).int("batch_dims", -1), &[&[0]]),
        Code::BadAttribute,
    );
    let reduction = node("ScatterElements", &["x", "a", "b"], &["y"]).text("reduction", "avg");
    refused(
        &one_op(reduction, &[2, 3], vec![int64s("a", &[0]), floats("b", &[1], &[0.0])]),
        Code::BadAttribute,
    );
}

#[test]
fn huge_results() {
    let size = 1 << 25;
    refused(&with_vectors(node("Tile", &["x", "a"], &["y"]), &[&[size, size]]), Code::ResourceLimit);
    let one =
        |op: &str, shape: &[i64]| one_op(node(op, &["x", "a"], &["y"]), &[1, 1], vec![int64s("a", shape)]);
    refused(&one("Expand", &[size, size]), Code::ResourceLimit);
    refused(&with_vectors(node("ConstantOfShape", &["a"], &["y"]), &[&[size, size]]), Code::ResourceLimit);
    refused(
        &with_vectors(node("ConstantOfShape", &["a"], &["y"]), &[&[i64::MAX, i64::MAX]]),
        Code::ResourceLimit,
    );
    let pads = [0, 0, 1i64 << 50, 0];
    refused(&with_vectors(node("Pad", &["x", "a"], &["y"]), &[&pads]), Code::ResourceLimit);
    let resize =
        one_op(node("Resize", &["x", "", "", "a"], &["y"]), &[2, 3], vec![int64s("a", &[size, size])]);
    refused(&resize, Code::ResourceLimit);
    let scalar = |name: &str, value: i64| TensorProto { dims: vec![], ..int64s(name, &[value]) };
    let range = |start, limit, delta| {
        let constants = vec![scalar("a", start), scalar("b", limit), scalar("c", delta)];
        one_op(node("Range", &["a", "b", "c"], &["y"]), &[2, 3], constants)
    };
    accepted(&range(0, 5, 1));
    refused(&range(0, 1 << 50, 1), Code::ResourceLimit);
    let error = crate::common::refused_bytes(prost::Message::encode_to_vec(&range(0, 5, 0)));
    assert!(matches!(error[0].code, Code::BadValue | Code::BadAttribute), "{}", error[0]);
    for negative in [
        with_vectors(node("ConstantOfShape", &["a"], &["y"]), &[&[-1]]),
        with_vectors(node("Tile", &["x", "a"], &["y"]), &[&[-1, 1]]),
    ] {
        let error = crate::common::refused_bytes(prost::Message::encode_to_vec(&negative));
        assert!(matches!(error[0].code, Code::BadValue | Code::Shape), "{}", error[0]);
    }
}

#[test]
fn splits() {
    let split = |outputs: &[&str], sizes: Option<&[i64]>, edit: fn(NodeProto) -> NodeProto| {
        let inputs: &[&str] = if sizes.is_some() { &["x", "a"] } else { &["x"] };
        let mut graph = graph(vec![edit(node("Split", inputs, outputs).int("axis", 1))]);
        graph.initializer = sizes.map(|s| int64s("a", s)).into_iter().collect();
        model(graph)
    };
    accepted(&split(&["y", "z"], Some(&[1, 2]), |n| n));
    accepted(&split(&["y", "z"], None, |n| n.int("num_outputs", 2)));
    accepted(&split(&["y", "b", "c"], None, |n| n));
    refused(&split(&["y", "z"], None, |n| n), Code::Shape);
    refused(&split(&["y", "z"], Some(&[1, 1]), |n| n), Code::Shape);
    refused(&split(&["y", "z"], Some(&[1, 1, 1]), |n| n), Code::InputCount);
    let negative = crate::common::refused_bytes(prost::Message::encode_to_vec(&split(
        &["y", "z"],
        Some(&[-1, 4]),
        |n| n,
    )));
    assert!(matches!(negative[0].code, Code::Shape | Code::BadAttribute), "{}", negative[0]);
    refused(&split(&["y", "z"], None, |n| n.int("num_outputs", 0)), Code::BadAttribute);
    refused(&split(&["y", "z"], Some(&[1, 2]), |n| n.int("num_outputs", 2)), Code::BadAttribute);
    // Five parts of three: 1, 1, 1, 0 and less than nothing.
    refused(&split(&["y", "b", "c", "d", "e"], None, |n| n.int("num_outputs", 5)), Code::Shape);
}

#[test]
fn resizes() {
    let resize = |scales: &[f32]| {
        let count = i64::try_from(scales.len()).expect("small");
        one_op(node("Resize", &["x", "", "a"], &["y"]), &[2, 3], vec![floats("a", &[count], scales)])
    };
    accepted(&resize(&[1.0, 2.0]));
    for bad in
        [&[1.0f32, 0.0][..], &[1.0, f32::INFINITY], &[1.0, f32::NAN], &[1.0, -1.0], &[1.0], &[1.0, 1.0, 1.0]]
    {
        let error = crate::common::refused_bytes(prost::Message::encode_to_vec(&resize(bad)));
        assert!(
            matches!(error[0].code, Code::BadValue | Code::BadAttribute | Code::Shape),
            "{bad:?}: {}",
            error[0]
        );
    }
    let both = one_op(
        node("Resize", &["x", "", "a", "b"], &["y"]),
        &[2, 3],
        vec![floats("a", &[2], &[1.0; 2]), int64s("b", &[2, 3])],
    );
    refused(&both, Code::InputCount);
    refused(&plain(node("Resize", &["x"], &["y"])), Code::InputCount);
    let edited = |edit: fn(NodeProto) -> NodeProto| {
        one_op(edit(node("Resize", &["x", "", "a"], &["y"])), &[2, 3], vec![floats("a", &[2], &[1.0, 2.0])])
    };
    refused(&edited(|n| n.text("mode", "cubist")), Code::BadAttribute);
    accepted(&edited(|n| n.int("antialias", 1).text("mode", "linear")));
    // The part of the input is not given.
    refused(&edited(|n| n.text("coordinate_transformation_mode", "tf_crop_and_resize")), Code::InputCount);
    // One element, enlarged from and shrunk to.
    let single = one_op(
        node("Resize", &["x", "", "", "a"], &["y"])
            .text("coordinate_transformation_mode", "pytorch_half_pixel")
            .text("mode", "linear"),
        &[2, 3],
        vec![int64s("a", &[1, 1])],
    );
    assert_eq!(run(&single), Ok(vec![0.0]));
}

#[test]
fn pads() {
    let pad = |pads: &[i64]| with_vectors(node("Pad", &["x", "a"], &["y"]), &[pads]);
    assert_eq!(run(&pad(&[0, -1, -1, 0])), Ok(vec![1.0, 2.0]));
    for bad in [&[0i64, 0, 0][..], &[0, -4, 0, 0], &[i64::MIN, 0, 0, 0]] {
        let error = crate::common::refused_bytes(prost::Message::encode_to_vec(&pad(bad)));
        assert!(matches!(error[0].code, Code::Shape | Code::BadValue), "{bad:?}: {}", error[0]);
    }
    refused(
        &with_vectors(node("Pad", &["x", "a"], &["y"]).text("mode", "round"), &[&[0; 4]]),
        Code::BadAttribute,
    );
}
