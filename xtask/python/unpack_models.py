"""Unpacks the .onnx files of the wheels in one folder: unpack_models.py WHEELS OUT. Paths inside the wheels are kept."""
import pathlib
import sys
import zipfile

wheels, out = map(pathlib.Path, sys.argv[1:3])
for wheel in sorted(wheels.glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".onnx"):
                archive.extract(name, out)
                print(name)
