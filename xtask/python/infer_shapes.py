"""Asks the `onnx` package for the type of every value: infer_shapes.py OUT ROOT MODEL...

Each MODEL is a path below ROOT. What the model itself says about values other than its inputs is removed first, so that both sides have to infer it:
OUT/MODEL is the model without it, and OUT/expected.json maps MODEL to {value: [shape or null]}; an extent is a number, or null where it is not known.
Models that the package cannot infer are left out, with the reason on the output.
"""
import json
import pathlib
import sys

import onnx


def strip(graph):
    """Removes every type that can be inferred; outputs keep their element type, which the format demands."""
    del graph.value_info[:]
    inputs = {value.name for value in graph.input}
    for value in graph.output:
        if value.name not in inputs and value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")


def shape_of(value):
    if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
        return None
    return [d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else None for d in value.type.tensor_type.shape.dim]


def main(out, root, models):
    out, root, expected = pathlib.Path(out), pathlib.Path(root), {}
    for name in models:
        model = onnx.load(root / name)
        strip(model.graph)
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, target)
        try:
            inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        except Exception as error:  # whatever the package raises, the case has no judge
            print(f"{name}: the onnx package infers nothing: {str(error).splitlines()[0][:160]}")
            continue
        values = [*inferred.graph.value_info, *inferred.graph.output]
        expected[name] = {value.name: shape_of(value) for value in values if value.type.HasField("tensor_type")}
    (out / "expected.json").write_text(json.dumps(expected))


main(sys.argv[1], sys.argv[2], [line.strip() for line in sys.stdin if line.strip()])
