"""Windows, images, signals, and what else there is."""
import numpy as np

from .case import case, table


def of_FusedConv(d):
    x, w, bias = d.f32(1, 3, 5, 5), d.f32(4, 3, 3, 3, scale=0.3), d.f32(4)
    yield case("relu", [x, w, bias], activation="Relu")
    yield case("clip", [x, w], activation="Clip", activation_params=[-0.5, 1.0], pads=[1, 1, 1, 1])
    yield case("leaky", [x, w, bias], activation="LeakyRelu", activation_params=[0.1], strides=[2, 2])
    yield case("hard_sigmoid", [x, w, bias], activation="HardSigmoid", activation_params=[0.2, 0.5])
    yield case("sum", [x, w, bias, d.f32(1, 4, 3, 3)], activation="Relu")
    yield case("groups", [d.f32(1, 4, 6), d.f32(4, 2, 3)], group=2, auto_pad="SAME_UPPER", activation="Tanh")


def convolved(x, w, bias=None, pads=(0, 0), stride=1):
    """A convolution of `[N, H, W, C]` with `[O, C, kH, kW]`."""
    x = np.pad(x, [(0, 0), (pads[0],) * 2, (pads[1],) * 2, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (1, 2))[:, ::stride, ::stride]
    return (np.einsum("nhwcij,ocij->nhwo", windows, w) + (0 if bias is None else bias)).astype(x.dtype)


def of_NhwcConv(d):
    yield case("plain", [d.f32(1, 5, 6, 3), d.f32(4, 3, 3, 2)], expect=lambda x, w: [convolved(x, w)])
    yield case("bias", [d.f32(2, 5, 5, 3), d.f32(4, 3, 3, 3), d.f32(4)], pads=[1, 1, 1, 1], strides=[2, 2], expect=lambda x, w, b: [convolved(x, w, b, (1, 1), 2)])


def of_NhwcFusedConv(d):
    yield case("relu", [d.f32(1, 5, 6, 3), d.f32(4, 3, 3, 2), d.f32(4)], activation="Relu", expect=lambda *a: [np.maximum(convolved(*a), 0)])
    yield case("sum", [d.f32(1, 5, 6, 3), d.f32(4, 3, 3, 2), d.f32(4), d.f32(1, 3, 5, 4)], activation="Relu", expect=lambda x, w, b, z: [np.maximum(convolved(x, w, b) + z, 0)])


def of_NhwcMaxPool(d):
    yield case("u8", [d.u8(1, 5, 5, 3)], kernel_shape=[2, 2])
    yield case("i8", [d.i8(2, 6, 6, 2)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    yield case("line", [d.u8(1, 7, 4)], kernel_shape=[3], strides=[2], ceil_mode=1)


def of_ConvTransposeWithDynamicPads(d):
    x, w = d.f32(1, 3, 4, 4), d.f32(3, 2, 3, 3)
    yield case("none", [x, w, np.zeros(4, np.int64)], const=[2])
    yield case("pads", [x, w, np.array([1, 0, 1, 1], np.int64), d.f32(2)], const=[2], strides=[2, 2], output_padding=[1, 1])
    yield case("pads_as_input", [x, w, np.array([1, 1, 1, 1], np.int64)], strides=[2, 2])


def of_Trilu(d):
    yield case("upper", [d.f32(3, 4)])
    yield case("lower", [d.f32(2, 4, 3), np.array(1, np.int64)], upper=0, const=[1])
    yield case("i64", [d.ints(np.int64, -9, 9, 4, 4), np.array(-1, np.int64)])


def of_Inverse(d):
    def apart(*shape):
        return d.f32(*shape) + 3 * np.eye(shape[-1], dtype=np.float32)

    yield case("three", [apart(3, 3)])
    yield case("batch", [apart(2, 3, 5, 5)])
    yield case("pivots", [np.array([[0, 2, 1], [1, 0, 3], [4, 1, 0]], np.float32)])
    yield case("one", [apart(4, 1, 1)])


def of_GatherND(d):
    yield case("elements", [d.f32(3, 4), np.array([[0, 1], [2, 3]], np.int64)])
    yield case("rows", [d.f32(3, 4, 2), np.array([[[0, 1]], [[2, 3]]], np.int32)])


def of_Unique(d):
    yield case("floats", [d.ints(np.float32, 0, 5, 12)], outputs=3)
    yield case("one", [np.array([3.0, 3.0], np.float32)], outputs=3)


def of_CropAndResize(d):
    x = d.f32(2, 3, 6, 7)
    rois = np.array([[0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], [-0.3, 0.1, 0.6, 1.4]], np.float32)
    images, size = np.array([0, 1, 1], np.int32), np.array([3, 4], np.int32)
    yield case("linear", [x, rois, images, size], const=[3])
    yield case("nearest", [x, rois, images, size], const=[3], mode="nearest")
    yield case("outside", [x, rois, images, size], const=[3], extrapolation_value=-5.0)
    yield case("one_cell", [x, rois, images, np.array([1, 1], np.int32)], const=[3])


def of_ExpandDims(d):
    yield case("front", [d.f32(3, 4), np.array(0, np.int32)], const=[1])
    yield case("back", [d.f32(3, 4), np.array(-1, np.int32)], const=[1])
    yield case("middle", [d.f32(3, 4), np.array(1, np.int32)], const=[1])


def of_Range(d):
    yield case("i32", [np.array(v, np.int32) for v in (2, 11, 3)], const=(0, 1, 2))
    yield case("f32", [np.array(v, np.float32) for v in (0.5, -2, -0.5)], const=(0, 1, 2))
    yield case("default", [np.array([v], np.int64) for v in (1, 5)], const=(0, 1))


def of_Pad(d):
    pads = np.array([1, 0, 0, 2], np.int64)
    yield case("constant", [d.f32(3, 4), pads, np.array([1.5], np.float32)], const=[1])
    yield case("edge", [d.f32(3, 4), pads], const=[1], mode="edge")
    yield case("reflect", [d.f32(3, 4), pads], const=[1], mode="reflect")
    yield case("matrix_of_pads", [d.f32(3, 4), pads[None]], const=[1])


def of_GridSample(d):
    x, grid = d.f32(2, 3, 5, 4), d.rng.uniform(-1.2, 1.2, (2, 3, 6, 2)).astype(np.float32)
    yield case("default", [x, grid])
    yield case("bicubic", [x, grid], mode="bicubic", align_corners=1)
    yield case("nearest", [x, grid], mode="nearest", padding_mode="border")
    yield case("reflection", [x, grid], padding_mode="reflection")


def pairs(z, dtype=np.float32):
    return np.stack([z.real, z.imag], -1).astype(dtype)


def of_Rfft(d):
    yield case("line", [d.f32(2, 8)], signal_ndim=1, onesided=1, normalized=0, expect=lambda x: [pairs(np.fft.rfft(x))])
    yield case("plane", [d.f32(2, 4, 6)], signal_ndim=2, onesided=1, normalized=0, expect=lambda x: [pairs(np.fft.rfft2(x))])


def of_Irfft(d):
    def complex_of(x):
        return x[..., 0] + 1j * x[..., 1]

    yield case("line", [pairs(np.fft.rfft(d.f32(2, 8)))], signal_ndim=1, onesided=1, normalized=0, expect=lambda x: [np.fft.irfft(complex_of(x)).astype(np.float32)])
    yield case("plane", [pairs(np.fft.rfft2(d.f32(2, 4, 6)))], signal_ndim=2, onesided=1, normalized=0, expect=lambda x: [np.fft.irfft2(complex_of(x)).astype(np.float32)])


def product(conjugate):
    def compute(a, b):
        left, right = (x[..., 0] + 1j * x[..., 1] for x in (a, b))
        return [pairs(left * (right.conj() if conjugate else right))]

    return compute


def of_ComplexMul(d):
    yield case("plain", [d.f32(3, 4, 2), d.f32(3, 4, 2)], expect=product(False))
    yield case("broadcast", [d.f32(3, 4, 2), d.f32(4, 2)], expect=product(False))


def of_ComplexMulConj(d):
    yield case("plain", [d.f32(3, 4, 2), d.f32(3, 4, 2)], expect=product(True))
    yield case("broadcast", [d.f32(3, 1, 2), d.f32(4, 2)], expect=product(True))


def of_CDist(d):
    yield case("euclidean", [d.f32(4, 3), d.f32(5, 3)], metric="euclidean")
    yield case("squares", [d.f32(4, 3), d.f32(5, 3)], metric="sqeuclidean")
    yield case("double", [d.f32(4, 3).astype(np.float64), d.f32(2, 3).astype(np.float64)], metric="euclidean")


def of_TorchEmbedding(d):
    def expect(weight, indices, *_):
        return [weight[indices]]

    yield case("plain", [d.f32(6, 3), d.ints(np.int64, 0, 5, 2, 4)], expect=expect)
    yield case("padding", [d.f32(6, 3), d.ints(np.int64, 0, 5, 4), np.array(2, np.int64)], const=[2], expect=expect)


def of_UnfoldTensor(d):
    yield case("last", [d.f32(2, 8)], size=3)
    yield case("step", [d.f32(2, 9, 3)], dim=1, size=4, step=2)


def of_SampleOp(d):
    yield case("plain", [d.f32(2, 3)])


def of_IsAllFinite(d):
    def expect(*inputs):
        return [np.array(all(np.isfinite(x).all() for x in inputs))]

    yield case("yes", [d.f32(2, 3), d.f32(4)], expect=expect)
    yield case("no", [d.f32(2, 3), np.array([1, np.inf], np.float32)], expect=expect)
    yield case("only_nan", [np.array([1, np.inf], np.float32), d.f32(3)], isnan_only=1, expect=lambda *_: [np.array(True)])
    yield case("only_infinite", [np.array([1, np.nan], np.float32), d.f32(3)], isinf_only=1, expect=lambda *_: [np.array(True)])


def of_NGramRepeatBlock(d):
    words = np.array([[1, 2, 3, 1, 2], [4, 4, 4, 4, 4]], np.int64)
    yield case("three", [words, d.f32(2, 6)], ngram_size=3)
    yield case("two", [words, d.f32(2, 6)], ngram_size=2)


def cases():
    yield from table(of_FusedConv, of_NhwcConv, of_NhwcFusedConv, of_NhwcMaxPool, of_ConvTransposeWithDynamicPads)
    yield from table(of_Trilu, of_Inverse, of_GatherND, of_Unique, of_CropAndResize, of_ExpandDims, of_Range, of_Pad, of_GridSample)
    yield from table(of_Rfft, of_Irfft, of_ComplexMul, of_ComplexMulConj, of_CDist, of_TorchEmbedding, of_UnfoldTensor, of_SampleOp)
    yield from table(of_IsAllFinite, of_NGramRepeatBlock)
