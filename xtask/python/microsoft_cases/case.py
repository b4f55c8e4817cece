"""What a case is, and where its numbers come from."""
import dataclasses
import zlib
from typing import Any, Callable

import numpy as np


@dataclasses.dataclass
class Case:
    """One run of one operator."""

    op: str
    variant: str
    # Arrays; `None` for an optional input that is absent.
    inputs: list
    attrs: dict[str, Any]
    # The positions of the outputs that are asked for.
    outputs: tuple[int, ...]
    # The positions of the inputs that are constants of the model.
    const: tuple[int, ...]
    # Symbols for the extents of an input, by its position.
    dims: dict[int, list]
    # Nodes before the operator, and the values of theirs that take the place of inputs.
    before: tuple
    computed: dict[int, str]
    # The inputs that those nodes read instead of the operator.
    fed: tuple[int, ...]
    # Nodes after the operator, and what its outputs that only they read are called; they give those outputs instead.
    after: tuple
    raw: dict[int, str]
    # What is expected, computed from the inputs, where onnxruntime has no kernel.
    expect: Callable | None
    # The element types of outputs that nothing decides.
    types: dict[int, Any]
    domain: str
    opset: int
    tolerance: tuple[float, float] | None


def case(variant, inputs, outputs=1, const=(), dims=None, before=(), computed=None, fed=(), after=(), raw=None, expect=None, types=None, domain="com.microsoft", model_opset=21, tolerance=None, **attrs):
    wanted = tuple(range(outputs)) if isinstance(outputs, int) else tuple(outputs)
    return Case("", variant, list(inputs), attrs, wanted, tuple(const), dims or {}, tuple(before), computed or {}, tuple(fed), tuple(after), raw or {}, expect, types or {}, domain, model_opset, tolerance)


class Draw:
    """Seeded random arrays."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(zlib.crc32(seed.encode()))

    def f32(self, *shape, scale=1.0):
        return (self.rng.standard_normal(shape) * scale).astype(np.float32)

    def f16(self, *shape, scale=1.0):
        return self.f32(*shape, scale=scale).astype(np.float16)

    def positive(self, *shape, least=0.5, greatest=1.5):
        return self.rng.uniform(least, greatest, shape).astype(np.float32)

    def ints(self, dtype, least, greatest, *shape):
        """Integers from `least` to `greatest`, both included."""
        return self.rng.integers(least, greatest + 1, shape).astype(dtype)

    def u8(self, *shape, least=0, greatest=255):
        return self.ints(np.uint8, least, greatest, *shape)

    def i8(self, *shape, least=-128, greatest=127):
        return self.ints(np.int8, least, greatest, *shape)


def table(*operators):
    """The cases of operators: functions named `of_OPERATOR` that give them, drawing from a generator seeded by the operator's name."""
    for operator in operators:
        name = operator.__name__.removeprefix("of_")
        for made in operator(Draw(name)):
            made.op = name
            yield made
