"""Compares the .npy files of two folders: compare.py ACTUAL EXPECTED RTOL ATOL. Prints JSON: the worst absolute and relative difference, the worst
ratio of a difference to its bound `ATOL + RTOL * |expected|`, and what is missing or of another type. Exit status 0 whatever the outcome.
"""
import json
import pathlib
import sys

import numpy as np

actual, expected = map(pathlib.Path, sys.argv[1:3])
rtol, atol = map(float, sys.argv[3:5])
worst = {"absolute": 0.0, "relative": 0.0, "of_bound": 0.0}
problems = []
for file in sorted(expected.glob("*.npy")):
    if not (actual / file.name).exists():
        problems.append(f"{file.name} is missing")
        continue
    a, e = np.load(actual / file.name), np.load(file)
    if a.shape != e.shape or a.dtype != e.dtype:
        problems.append(f"{file.name} is {a.dtype}{list(a.shape)}, expected {e.dtype}{list(e.shape)}")
        continue
    a, e = a.astype(np.float64), e.astype(np.float64)
    if not np.array_equal(np.isnan(a), np.isnan(e)):
        problems.append(f"{file.name} has NaN in other places")
        continue
    with np.errstate(invalid="ignore"):
        difference = np.where((a == e) | np.isnan(e), 0.0, np.abs(a - e))
    size = np.abs(np.nan_to_num(e))
    if difference.size:
        worst["absolute"] = max(worst["absolute"], float(difference.max()))
        worst["relative"] = max(worst["relative"], float((difference / np.maximum(size, atol)).max()))
        worst["of_bound"] = max(worst["of_bound"], float((difference / (atol + rtol * size)).max()))
print(json.dumps({**worst, "problems": problems}))
