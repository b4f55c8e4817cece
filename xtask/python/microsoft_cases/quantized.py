"""Operators on quantised numbers."""
import numpy as np

from .case import case, table


def weights8(d, *shape):
    """Weights of 7 bits: on processors without instructions for it, onnxruntime's sums of products of bytes overflow with more."""
    return d.i8(*shape, least=-64, greatest=63)


def real(value):
    return np.array(value, np.float32)


def zero(value, dtype=np.uint8):
    return np.array(value, dtype)


def of_QuantizeLinear(d):
    yield case("u8", [d.f32(3, 5, scale=3), real(0.05), zero(128)])
    yield case("i8", [d.f32(3, 5, scale=3), real(0.05), zero(-5, np.int8)])
    yield case("u16", [d.f32(3, 5, scale=30), real(0.002), zero(32000, np.uint16)])
    yield case("axis", [d.f32(3, 5, scale=3), d.positive(5, least=0.01, greatest=0.1), d.u8(5)], axis=1)
    yield case("no_zero_point", [d.positive(3, 5), real(0.02)])


def of_DequantizeLinear(d):
    yield case("u8", [d.u8(3, 5), real(0.05), zero(128)])
    yield case("i8", [d.i8(3, 5), real(0.05), zero(-5, np.int8)])
    yield case("u16", [d.ints(np.uint16, 0, 65535, 3, 5), real(0.002), zero(32000, np.uint16)])
    yield case("axis", [d.i8(3, 5), d.positive(3, least=0.01, greatest=0.1), d.i8(3)], axis=0)
    yield case("i32", [d.ints(np.int32, -1000, 1000, 4), real(0.01)])


def binary(d):
    scales = (real(0.02), real(0.03), real(0.05))
    a, b, c = scales
    yield case("u8", [d.u8(2, 3, 4), a, zero(120), d.u8(2, 3, 4), b, zero(130), c, zero(128)])
    yield case("i8", [d.i8(2, 3, 4), a, zero(3, np.int8), d.i8(2, 3, 4), b, zero(-7, np.int8), c, zero(5, np.int8)])
    yield case("broadcast", [d.u8(2, 3, 4), a, zero(120), d.u8(3, 1), b, zero(130), c, zero(128)])
    yield case("scalar", [d.u8(2, 5), a, zero(120), d.u8(1), b, zero(130), c, zero(128)])
    # Many results lie in the middle of two integers.
    yield case("halves", [d.u8(16, 16), real(0.1), zero(100), d.u8(16, 16), real(0.1), zero(99), real(0.2), zero(127)])


def of_QLinearAdd(d):
    yield from binary(d)


def of_QLinearMul(d):
    yield from binary(d)


def unary(d, **attrs):
    yield case("u8", [d.u8(2, 3, 4), real(0.05), zero(128), real(0.008), zero(10)], **attrs)
    yield case("i8", [d.i8(2, 3, 4), real(0.05), zero(-10, np.int8), real(0.02), zero(3, np.int8)], **attrs)
    yield case("every_byte", [np.arange(256, dtype=np.uint8), real(0.06), zero(127), real(0.02), zero(4)], **attrs)


def of_QLinearSigmoid(d):
    yield from unary(d)


def of_QLinearLeakyRelu(d):
    yield from unary(d, alpha=0.1)
    yield case("default", [d.u8(3, 4), real(0.05), zero(128), real(0.04), zero(100)])
    yield case("no_zero_points", [d.i8(3, 4), real(0.05), None, real(0.04), None])


def of_QLinearSoftmax(d):
    yield case("new", [d.u8(2, 3, 8), real(0.05), zero(128), real(1 / 256), zero(0)], axis=-1, opset=13)
    yield case("old", [d.u8(2, 3, 4), real(0.05), zero(128), real(1 / 256), zero(0)], axis=1, opset=12)
    yield case("i8", [d.i8(2, 8), real(0.03), zero(3, np.int8), real(1 / 256), zero(-128, np.int8)], axis=1, opset=13)
    yield case("middle_axis", [d.u8(2, 5, 3), real(0.05), zero(128), real(1 / 256), zero(0)], axis=1, opset=13)
    # 1 / 255 is no whole number of steps in f32.
    yield case("steps_of_255", [d.u8(4, 16), real(0.05), zero(128), real(0.00392157), zero(0)], axis=1, opset=13)
    yield case("zero_point", [d.i8(4, 16), real(0.05), zero(-3, np.int8), real(0.004), zero(7, np.int8)], axis=1, opset=13)


def of_QLinearAveragePool(d):
    window = dict(kernel_shape=[2, 2])
    # No ratio of scales is a short fraction: a mean that lies between two steps would be a matter of the last bit.
    scales = [real(0.0517), zero(128), real(0.0413), zero(120)]
    yield case("plain", [d.u8(1, 3, 5, 5), *scales], **window)
    yield case("pads", [d.u8(1, 2, 5, 5), *scales], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    yield case("count_pads", [d.u8(1, 2, 5, 5), *scales], kernel_shape=[3, 3], pads=[1, 0, 1, 1], count_include_pad=1)
    yield case("last", [d.u8(1, 5, 5, 3), *scales], channels_last=1, **window)
    yield case("i8", [d.i8(1, 2, 6), real(0.0517), zero(1, np.int8), real(0.0473), zero(-3, np.int8)], kernel_shape=[3], strides=[2], ceil_mode=1)


def of_QLinearGlobalAveragePool(d):
    scales = [real(0.0517), zero(128), real(0.0331), zero(120)]
    yield case("first", [d.u8(2, 3, 5, 7), *scales])
    yield case("last", [d.u8(2, 5, 7, 3), *scales], channels_last=1)
    yield case("i8", [d.i8(1, 4, 9), real(0.0517), zero(1, np.int8), real(0.0223), zero(-3, np.int8)])


def of_QLinearReduceMean(d):
    def expect(axes, keep):
        def compute(x, scale, at, to, to_at):
            mean = ((x.astype(np.float64) - int(at)) * scale).mean(axes, keepdims=keep)
            low, high = np.iinfo(x.dtype).min, np.iinfo(x.dtype).max
            return [np.clip(np.rint(mean / to) + int(to_at), low, high).astype(x.dtype)]

        return compute

    scales = [real(0.0517), zero(128), real(0.0331), zero(120)]
    yield case("keep", [d.u8(2, 3, 5), *scales], axes=[1], keepdims=1, expect=expect((1,), True))
    yield case("drop", [d.u8(2, 3, 5), *scales], axes=[0, 2], keepdims=0, expect=expect((0, 2), False))


def of_QLinearConcat(d):
    inputs = [d.u8(2, 3), real(0.02), zero(100), d.u8(2, 4), real(0.05), zero(128)]
    yield case("two", [real(0.03), zero(120), *inputs], axis=1)
    yield case("three", [real(0.03), zero(120), *inputs, d.u8(2, 1), real(0.03), zero(120)], axis=-1)
    yield case("i8", [real(0.03), zero(-4, np.int8), d.i8(2, 3), real(0.02), zero(5, np.int8), d.i8(1, 3), real(0.04), zero(0, np.int8)], axis=0)


def of_QLinearWhere(d):
    condition = d.ints(np.bool_, 0, 1, 2, 3, 4)
    tail = [real(0.03), zero(120)]
    yield case("u8", [condition, d.u8(2, 3, 4), real(0.02), zero(100), d.u8(2, 3, 4), real(0.05), zero(128), *tail])
    yield case("broadcast", [condition, d.u8(3, 1), real(0.02), zero(100), d.u8(1), real(0.05), zero(128), *tail])
    yield case("i8", [condition, d.i8(2, 3, 4), real(0.02), zero(1, np.int8), d.i8(4), real(0.05), zero(-2, np.int8), real(0.04), zero(3, np.int8)])


def of_QGemm(d):
    a, b = d.u8(3, 4), weights8(d, 4, 5)
    scales = [real(0.02), zero(120)]
    yield case("float", [a, *scales, b, real(0.03), zero(0, np.int8)])
    yield case("bias", [a, *scales, b, real(0.03), zero(0, np.int8), d.ints(np.int32, -900, 900, 5)])
    yield case("quantized", [a, *scales, b, real(0.03), zero(2, np.int8), d.ints(np.int32, -900, 900, 3, 5), real(0.2), zero(130)])
    yield case("columns", [a, *scales, b, d.positive(5, least=0.01, greatest=0.05), d.i8(5, least=-5, greatest=5), d.ints(np.int32, -900, 900, 5), real(0.2), zero(130)])
    yield case("trans", [d.u8(4, 3), *scales, d.u8(5, 4), real(0.03), zero(128)], transA=1, transB=1, alpha=0.5)
    yield case("i8", [d.i8(3, 4), real(0.02), zero(3, np.int8), b, real(0.03), zero(0, np.int8), None, real(0.15), zero(-5, np.int8)])


def of_DynamicQuantizeMatMul(d):
    yield case("plain", [d.f32(3, 8), d.u8(8, 5), real(0.02)])
    yield case("zero_point", [d.f32(2, 3, 8), d.u8(8, 5), real(0.02), zero(128)], const=(1, 2, 3))
    yield case("columns", [d.f32(3, 8), weights8(d, 8, 5), d.positive(5, least=0.01, greatest=0.03), d.i8(5, least=-3, greatest=3)], const=(1, 2, 3))
    yield case("bias", [d.f32(3, 8), weights8(d, 8, 5), real(0.02), zero(1, np.int8), d.f32(5)])


def of_MatMulIntegerToFloat(d):
    yield case("plain", [d.u8(3, 8), d.u8(8, 5), real(0.02), real(0.03)])
    yield case("zero_points", [d.u8(2, 3, 8), weights8(d, 8, 5), real(0.02), real(0.03), zero(128), zero(3, np.int8)])
    yield case("columns", [d.i8(3, 8), weights8(d, 8, 5), real(0.02), d.positive(5, least=0.01, greatest=0.03), zero(-2, np.int8), d.i8(5)], const=(1, 3, 5))
    yield case("bias", [d.u8(3, 8), d.u8(8, 5), real(0.02), real(0.03), zero(128), zero(120), d.f32(5)])


def of_MatMulInteger16(d):
    yield case("i16", [d.ints(np.int16, -300, 300, 3, 4), d.ints(np.int16, -300, 300, 4, 5)])
    yield case("batch", [d.ints(np.int16, -300, 300, 2, 3, 4), d.ints(np.int16, -300, 300, 4, 5)])


def of_MulInteger(d):
    def expect(a, a_zero, b, b_zero):
        at = [0 if z is None else int(z) for z in (a_zero, b_zero)]
        return [(a.astype(np.int32) - at[0]) * (b.astype(np.int32) - at[1])]

    yield case("u8", [d.u8(2, 3), zero(5), d.u8(2, 3), zero(200)], expect=expect)
    yield case("broadcast", [d.i8(2, 3), zero(5, np.int8), d.i8(3), None], expect=expect)


def of_ReduceSumInteger(d):
    yield case("i8", [d.i8(2, 3, 5)], axes=[1], keepdims=1, expect=lambda x: [x.sum(1, keepdims=True, dtype=np.int32)])
    yield case("u8", [d.u8(2, 3, 5)], axes=[0, 2], keepdims=0, expect=lambda x: [x.sum((0, 2), dtype=np.uint32)])


def of_QLinearConv(d):
    scales = [real(0.02), zero(120)]
    weights = [weights8(d, 4, 3, 2, 2), d.positive(4, least=0.01, greatest=0.03), np.zeros(4, np.int8)]
    to = [real(0.1), zero(130)]
    yield case("first", [d.u8(1, 3, 5, 5), *scales, *weights, *to], const=range(1, 8))
    yield case("last", [d.u8(1, 5, 5, 3), *scales, *weights, *to, d.ints(np.int32, -900, 900, 4)], const=range(1, 9), channels_last=1, pads=[1, 0, 1, 0])


def of_QAttention(d):
    x, weights = d.u8(2, 4, 8), weights8(d, 8, 24)
    bias, scales = d.f32(24), [real(0.02), real(0.01)]
    yield case("plain", [x, weights, bias, *scales, None, zero(128), zero(2, np.int8)], num_heads=2, const=(1, 2))
    yield case("mask", [x, weights, bias, *scales, np.array([2, 4], np.int32), zero(128), zero(0, np.int8)], num_heads=2)
    yield case("columns", [x, weights, bias, scales[0], d.positive(24, least=0.005, greatest=0.02), None, zero(128), d.i8(24, least=-3, greatest=3)], num_heads=4)
    yield case("causal_past", [x, weights, bias, *scales, None, zero(128), zero(0, np.int8), d.f32(2, 2, 2, 3, 4)], outputs=2, num_heads=2, unidirectional=1)


def of_DynamicQuantizeLSTM(d):
    def weights(directions, hidden=4, features=3, dtype=np.int8):
        least, greatest = (-50, 50) if dtype == np.int8 else (70, 190)
        w, r = (d.ints(dtype, least, greatest, directions, size, 4 * hidden) for size in (features, hidden))
        scales = [d.positive(directions, least=0.01, greatest=0.02) for _ in range(2)]
        at = [np.full(directions, 0 if dtype == np.int8 else 128, dtype) for _ in range(2)]
        return w, r, scales, at

    for variant, directions, dtype, attrs in [
        ("forward", 1, np.int8, {}),
        ("reverse", 1, np.uint8, dict(direction="reverse")),
        ("bidirectional", 2, np.int8, dict(direction="bidirectional")),
    ]:
        w, r, scales, at = weights(directions, dtype=dtype)
        inputs = [d.f32(5, 2, 3), w, r, d.f32(directions, 32), None, d.f32(directions, 2, 4), d.f32(directions, 2, 4), None, scales[0], at[0], scales[1], at[1]]
        yield case(variant, inputs, outputs=3, const=(1, 2, 8, 9, 10, 11), hidden_size=4, **attrs)


def cases():
    yield from table(of_QuantizeLinear, of_DequantizeLinear, of_QLinearAdd, of_QLinearMul, of_QLinearSigmoid, of_QLinearLeakyRelu, of_QLinearSoftmax)
    yield from table(of_QLinearAveragePool, of_QLinearGlobalAveragePool, of_QLinearReduceMean, of_QLinearConcat, of_QLinearWhere, of_QLinearConv)
    yield from table(of_QGemm, of_DynamicQuantizeMatMul, of_MatMulIntegerToFloat, of_MatMulInteger16, of_MulInteger, of_ReduceSumInteger)
    yield from table(of_QAttention, of_DynamicQuantizeLSTM)
