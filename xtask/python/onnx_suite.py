"""Writes the ONNX backend test suite of the installed `onnx` package as folders: onnx_suite.py OUT.

Layout: OUT/KIND/CASE/model.onnx, OUT/KIND/CASE/test_data_set_N/{input,output}_M.pb and OUT/KIND/CASE/tolerance.json, the
package's own layout with the tolerance added. Cases that need a download are left out. The kind `light` holds the well-known
architectures that the package carries without weights, with the input that its runner makes and the output that it recorded.
"""
import json
import pathlib
import shutil
import sys
import warnings

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.model import collect_testcases as collect_model_cases
from onnx.backend.test.case.node import collect_testcases as collect_node_cases

# Nodes that only feed the operator under test.
HELPERS = {"Constant", "Identity"}
PACKAGED = ("simple", "pytorch-converted", "pytorch-operator")
# How a value becomes a message, by the kind of type that the graph declares for it.
WRITERS = {
    "map_type": numpy_helper.from_dict,
    "sequence_type": numpy_helper.from_list,
    "optional_type": numpy_helper.from_optional,
}


def message(value, declared):
    writer = WRITERS.get(declared.type.WhichOneof("value"))
    if writer is not None:
        return writer(value, declared.name)
    if isinstance(value, TensorProto):
        return value
    return numpy_helper.from_array(np.asarray(value), declared.name)


def write_case(case, folder):
    graph = case.model.graph
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    # Where several operators work together, the kind of case stands for them.
    kinds = {node.op_type for node in graph.node if node.op_type not in HELPERS}
    op = kinds.pop() if len(kinds) == 1 else case.kind
    (folder / "tolerance.json").write_text(json.dumps({"rtol": case.rtol, "atol": case.atol, "op": op}))
    for number, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{number}"
        data.mkdir()
        for side, values, declared in (("input", inputs, graph.input), ("output", outputs, graph.output)):
            for position, (value, info) in enumerate(zip(values, declared)):
                (data / f"{side}_{position}.pb").write_bytes(message(value, info).SerializeToString())


def write_light(case, source, folder):
    """A model of the package's `light` folder, with the tolerances of its case: every input is arange(n) / n in its shape."""
    model = onnx.load(source)
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    shutil.copy(source, folder / "model.onnx")
    shutil.copy(source.with_name(f"{source.stem}_output_0.pb"), data / "output_0.pb")
    initialized = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initialized]
    for position, value in enumerate(inputs):
        shape = [dim.dim_value if dim.HasField("dim_value") else 1 for dim in value.type.tensor_type.shape.dim]
        count = int(np.prod(shape))
        tensor = numpy_helper.from_array((np.arange(count).reshape(shape) / count).astype(np.float32), value.name)
        (data / f"input_{position}.pb").write_bytes(tensor.SerializeToString())
    (folder / "tolerance.json").write_text(json.dumps({"rtol": case.rtol, "atol": case.atol, "op": "light"}))


def main(out):
    warnings.filterwarnings("ignore")
    np.random.seed(0)  # some generators draw from the global state
    packaged = pathlib.Path(onnx.__file__).parent / "backend/test/data"
    written, failed = 0, []
    for case in [*collect_node_cases(None), *collect_model_cases()]:
        if case.kind == "real":
            source = packaged / "light" / f"light_{case.model_name}.onnx"
            write_light(case, source, out / "light" / source.stem)
            written += 1
            continue
        folder = out / case.kind / case.name
        shutil.rmtree(folder, ignore_errors=True)
        try:
            write_case(case, folder)
            written += 1
        except Exception as error:  # one generator at fault must not hide the other cases
            failed.append(f"{case.name}: {error!r}"[:200])
            shutil.rmtree(folder, ignore_errors=True)
    for kind in PACKAGED:
        for source in sorted((packaged / kind).iterdir()):
            shutil.copytree(source, out / kind / source.name, dirs_exist_ok=True)
            written += 1
    print(f"{written} cases written to {out}, {len(failed)} could not be written")
    for line in failed:
        print(" ", line)


main(pathlib.Path(sys.argv[1]))
