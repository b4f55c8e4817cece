"""Judges models that were written from others: judge_written.py CASES.

CASES is a JSON file, a list of {"id", "folder", "written"}: the folder of a case of the backend suite, and the model written from its model.onnx. Prints one
JSON object, id -> {"checker", "onnxruntime"}. Each is "same" (for onnxruntime: the same bits), "close" (within the case's tolerance), "unoptimised" (only without
onnxruntime's own optimisations, which round in other places), "unjudged: why" where the original does not
get through or gives other outputs than the case expects, or "fail: why".

The judging runs in worker processes, since a model may bring one down.
"""
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import threading

WORKERS = 2


def one_line(error):
    return " ".join(str(error).split())[:300]


def judge(case):
    """Both verdicts on one case; runs in a worker."""
    folder = pathlib.Path(case["folder"])
    original, written = folder / "model.onnx", pathlib.Path(case["written"])
    return {"checker": checked(original, written), "onnxruntime": ran(folder, original, written)}


def checked(original, written):
    def error(path):
        try:
            onnx.checker.check_model(onnx.load(path), full_check=True)
        except Exception as error:  # whatever it raises, it does not accept the model
            return one_line(error)
        return None

    problem = error(written)
    if problem is None:
        return "same"
    before = error(original)
    return f"fail: {problem}" if before is None else f"unjudged: the original is refused: {before}"


def array_of(value):
    """A tensor of onnxruntime as an array; numpy knows some element types from `ml_dtypes` only."""
    if not isinstance(value, onnxruntime.OrtValue) or not value.is_tensor():
        return value
    tensor = TensorProto(data_type=value.element_type(), dims=value.shape())
    if tensor.data_type == TensorProto.STRING:
        return value.numpy()
    bits = PACKED_BITS.get(tensor.data_type) or 8 * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    size = (math.prod(value.shape()) * bits + 7) // 8
    tensor.raw_data = ctypes.string_at(value.data_ptr(), size) if size else b""
    return numpy_helper.to_array(tensor)


def value(path, declared):
    """A value of a case, arrays for tensors."""
    kind = declared.type.WhichOneof("value")
    data = path.read_bytes()
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    if kind == "map_type":
        return numpy_helper.to_dict(onnx.MapProto.FromString(data))
    return numpy_helper.to_array(TensorProto.FromString(data))


def boxed(array):
    """An array as a value of onnxruntime, with the memory that must live as long."""
    if array.dtype.kind in "biufOU" and not is_extended(array):
        return onnxruntime.OrtValue.ortvalue_from_numpy(array), array
    tensor = numpy_helper.from_array(array)
    memory = np.frombuffer(tensor.raw_data, np.uint16 if array.dtype.itemsize == 2 else np.uint8).reshape(array.shape)
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(memory, tensor.data_type), memory


def is_extended(array):
    return array.dtype.type.__module__ == "ml_dtypes"


def with_constants(path, feeds):
    """The model with the inputs of packed element types as constants: onnxruntime takes such tensors from files only."""
    model = onnx.load(path)
    packed = {name: numpy_helper.from_array(feed, name) for name, feed in feeds.items() if is_extended(feed)}
    packed = {name: tensor for name, tensor in packed.items() if tensor.data_type in PACKED_BITS}
    if not packed:
        return path
    inputs = [info for info in model.graph.input if info.name not in packed]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.graph.initializer.extend(packed.values())
    return model.SerializeToString()


def run(path, feeds, optimised=True):
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(with_constants(path, feeds), options, providers=["CPUExecutionProvider"])
    names = {info.name for info in session.get_inputs()}
    feeds = {name: feed for name, feed in feeds.items() if name in names}
    tensors = all(info.type.startswith("tensor(") for info in [*session.get_inputs(), *session.get_outputs()])
    if not tensors or any(feed.dtype.kind in "OU" for feed in feeds.values()):
        return session.run(None, feeds)
    values = {name: boxed(feed) for name, feed in feeds.items()}
    outputs = session.run_with_ort_values(None, {name: value for name, (value, _) in values.items()})
    return [array_of(output) for output in outputs]


def agree(a, b, arrays):
    """Whether two values are of the same kind and `arrays` accepts all pairs of arrays in them."""
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(agree(x, y, arrays) for x, y in zip(a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(agree(a[key], b[key], arrays) for key in a)
    if a is None or b is None:
        return a is None and b is None
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and arrays(a, b)


def same(a, b):
    """The same bits; a NaN is as good as another."""
    if a.dtype.kind not in "fc" and not is_extended(a):
        return bool(np.array_equal(a, b))
    rows = [np.frombuffer(x.tobytes(), np.uint8).reshape(x.size, x.dtype.itemsize) for x in (a, b)]
    nans = [np.isnan(x.astype(np.float64) if is_extended(x) else x).ravel() for x in (a, b)]
    return bool(((rows[0] == rows[1]).all(axis=1) | (nans[0] & nans[1])).all())


def close(rtol, atol):
    def arrays(a, b):
        if is_extended(a):
            # The suite's runner compares bfloat16 within two units of its precision at least.
            loose = max(rtol, 2.0**-6) if a.dtype.name == "bfloat16" else rtol
            return bool(np.allclose(a.astype(np.float64), b.astype(np.float64), rtol=loose, atol=atol, equal_nan=True))
        if a.dtype.kind in "biufc":
            return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True))
        return bool(np.array_equal(a, b))

    return arrays


def ran(folder, original, written):
    settings = json.loads((folder / "tolerance.json").read_text()) if (folder / "tolerance.json").exists() else {}
    within = close(settings.get("rtol", 1e-3), settings.get("atol", 1e-7))
    graph = onnx.load(original).graph
    data = folder / "test_data_set_0"
    try:
        initialized = {tensor.name for tensor in graph.initializer}
        inputs = [declared for declared in graph.input if declared.name not in initialized]
        files = [data / f"input_{position}.pb" for position in range(len(inputs))]
        feeds = {info.name: value(file, info) for info, file in zip(inputs, files) if file.exists()}
        before = run(original, feeds)
        expected = [value(data / f"output_{position}.pb", info) for position, info in enumerate(graph.output)]
    except Exception as error:  # nothing can be said about what cannot be run
        return f"unjudged: the original does not run: {one_line(error)}"
    if not agree(before, expected, within):
        return "unjudged: the original gives other outputs than the case expects"
    try:
        after = run(written, feeds)
    except Exception as error:
        return f"fail: {one_line(error)}"
    if agree(after, before, same):
        return "same"
    if agree(after, before, within):
        return "close"
    before, after = (run(path, feeds, optimised=False) for path in (original, written))
    return "unoptimised" if agree(after, before, same) else "fail: the outputs differ from those of the original"


def work():
    for line in sys.stdin:
        print(json.dumps(judge(json.loads(line))), flush=True)


class Worker:
    """A process that judges one case after the other."""

    def __init__(self):
        self.process = None

    def judge(self, case):
        if self.process is None:
            command = [sys.executable, __file__, "--work"]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            self.process.stdin.write(json.dumps(case) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            status = self.process.wait()
            self.process = None
            died = f"fail: the judging process ended with status {status}"
            return {"checker": died, "onnxruntime": died}


def main(cases):
    local = threading.local()

    def judged(case):
        if not hasattr(local, "worker"):
            local.worker = Worker()
        return case["id"], local.worker.judge(case)

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        print(json.dumps(dict(pool.map(judged, json.loads(pathlib.Path(cases).read_text())))))


if sys.argv[1] == "--work":
    import ctypes
    import math

    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, numpy_helper

    PACKED_BITS = {TensorProto.INT2: 2, TensorProto.UINT2: 2, TensorProto.INT4: 4, TensorProto.UINT4: 4, TensorProto.FLOAT4E2M1: 4}

    work()
else:
    main(sys.argv[1])
