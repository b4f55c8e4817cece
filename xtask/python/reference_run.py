"""Runs a model in onnxruntime on seeded inputs: reference_run.py MODEL OUT SPEC [--time RUNS THREADS].

SPEC is a JSON object, input name -> {"shape": [..], "values": "normal" | "uniform" | "zeros" | [..]}; the element type is the
model's. Writes OUT/inputs/NAME.npy, OUT/expected/NAME.npy (`/` and `:` in names become `_`) and prints JSON: the file of each
input, and with --time the median milliseconds of a run.
"""
import json
import pathlib
import statistics
import sys
import time

import numpy as np
import onnxruntime

DTYPES = {"float": np.float32, "double": np.float64, "float16": np.float16, "int64": np.int64, "int32": np.int32, "uint8": np.uint8, "bool": np.bool_}


def file_name(name):
    return name.replace("/", "_").replace(":", "_") + ".npy"


def session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def make(spec, dtype, rng):
    values = spec.get("values", "normal")
    if isinstance(values, list):
        return np.asarray(values, dtype).reshape(spec["shape"])
    if values == "zeros":
        return np.zeros(spec["shape"], dtype)
    draw = rng.standard_normal(spec["shape"]) if values == "normal" else rng.random(spec["shape"])
    return draw.astype(dtype)


def main(model, out, spec, *rest):
    out, spec = pathlib.Path(out), json.loads(spec)
    threads = int(rest[2]) if rest else 2
    run = session(model, threads)
    rng = np.random.default_rng(0)
    feeds, files = {}, {}
    for folder in ("inputs", "expected"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for info in run.get_inputs():
        dtype = DTYPES[info.type.removeprefix("tensor(").removesuffix(")")]
        feeds[info.name] = make(spec[info.name], dtype, rng)
        files[info.name] = str(out / "inputs" / file_name(info.name))
        np.save(files[info.name], feeds[info.name])
    for info, value in zip(run.get_outputs(), run.run(None, feeds)):
        np.save(out / "expected" / file_name(info.name), value)
    result = {"inputs": files}
    if rest:
        for _ in range(2):
            run.run(None, feeds)
        times = []
        for _ in range(int(rest[1])):
            start = time.perf_counter()
            run.run(None, feeds)
            times.append((time.perf_counter() - start) * 1e3)
        result["median_ms"] = statistics.median(times)
    print(json.dumps(result))


main(*sys.argv[1:])
