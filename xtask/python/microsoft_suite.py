"""Writes cases for the operators of the domain `com.microsoft` as folders: microsoft_suite.py OUT.

Layout: OUT/microsoft/OPERATOR_VARIANT/, each as a case of the ONNX backend suite is. What is expected is what onnxruntime gives on the CPU; for operators
that it has no CPU kernel for, what the case computes from the operator's definition. The tables in `microsoft_cases` say what the cases are. Inputs are
seeded by the operator's name.
"""
import json
import pathlib
import shutil
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from microsoft_cases import attention, dense, norm, quantized, rest

KIND = "microsoft"
DOMAIN = "com.microsoft"
# The least relative and absolute distances that count as different, by what an output holds. Both sides sum in f32 and in their own order; f16 has 11 bits.
TOLERANCES = {np.dtype(np.float16): (4e-3, 2e-3)}
DEFAULT_TOLERANCE = (1e-3, 1e-5)


def declared(name, array, dims):
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), dims or array.shape)


def model(case, outputs):
    """The case's model; `outputs` are the declarations of its outputs."""
    names = ["" if value is None else f"i{at}" for at, value in enumerate(case.inputs)]
    given = [(at, name) for at, name in enumerate(names) if name]
    results = [case.raw.get(at, f"o{at}") if at in case.outputs else "" for at in range(max(case.outputs) + 1)]
    for at, name in case.computed.items():
        names[at] = name
    node = helper.make_node(case.op, names, results, name="node", domain=case.domain, **case.attrs)
    graph = helper.make_graph(
        [*case.before, node, *case.after],
        "case",
        [declared(name, case.inputs[at], case.dims.get(at)) for at, name in given if at not in case.const and (at not in case.computed or at in case.fed)],
        outputs,
        [numpy_helper.from_array(case.inputs[at], name) for at, name in given if at in case.const],
    )
    opsets = [helper.make_opsetid("", case.opset), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run(built, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    # What is asked of an operator is what that operator's own kernel gives.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(built.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = {value.name for value in session.get_inputs()}
    return session.run(None, {name: value for name, value in feeds.items() if name in wanted})


def write(case, folder):
    feeds = {f"i{at}": value for at, value in enumerate(case.inputs) if value is not None}
    untyped = [onnx.ValueInfoProto(name=f"o{at}") for at in case.outputs]
    for at, value in zip(case.outputs, untyped):
        if at in case.types:
            value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(case.types[at]))
    if case.expect is not None:
        expected = [np.asarray(value) for value in case.expect(*case.inputs)]
    else:
        expected = run(model(case, untyped), feeds)
    built = model(case, [declared(value.name, array, None) for value, array in zip(untyped, expected)])
    if case.dims:
        # The outputs' extents follow from the inputs' symbols.
        for value in built.graph.output:
            value.type.tensor_type.ClearField("shape")
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(built.SerializeToString())
    for position, value in enumerate(built.graph.input):
        (data / f"input_{position}.pb").write_bytes(numpy_helper.from_array(feeds[value.name], value.name).SerializeToString())
    for position, (value, array) in enumerate(zip(untyped, expected)):
        (data / f"output_{position}.pb").write_bytes(numpy_helper.from_array(np.asarray(array, order="C"), value.name).SerializeToString())
    pairs = [TOLERANCES.get(array.dtype, DEFAULT_TOLERANCE) for array in expected]
    rtol, atol = case.tolerance or tuple(map(max, zip(*pairs)))
    (folder / "tolerance.json").write_text(json.dumps({"rtol": rtol, "atol": atol, "op": f"{DOMAIN}::{case.op}" if case.domain else case.op}))


def main(out):
    written, failed = 0, []
    for table in (dense, norm, attention, quantized, rest):
        for case in table.cases():
            folder = out / KIND / f"{case.op}_{case.variant}"
            shutil.rmtree(folder, ignore_errors=True)
            try:
                write(case, folder)
                written += 1
            except Exception as error:  # one case at fault must not hide the others
                failed.append(f"{folder.name}: {error}"[:400])
                shutil.rmtree(folder, ignore_errors=True)
    print(f"{written} cases of {DOMAIN} written to {out}, {len(failed)} could not be written")
    for line in failed:
        print(" ", line)


main(pathlib.Path(sys.argv[1]))
