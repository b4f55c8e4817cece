"""Normalisation and embeddings."""
import numpy as np

from .case import case, table


def silu(x):
    return x / (1 + np.exp(-x))


def group_norm(x, scale, shift, groups, last=True, smooth=False, epsilon=1e-5):
    rows = x if last else np.moveaxis(x, 1, -1)
    apart = rows.astype(np.float64).reshape(rows.shape[0], -1, groups, rows.shape[-1] // groups)
    mean, variance = apart.mean((1, 3), keepdims=True), apart.var((1, 3), keepdims=True)
    normal = ((apart - mean) / np.sqrt(variance + epsilon)).reshape(rows.shape) * scale + shift
    normal = silu(normal) if smooth else normal
    return (normal if last else np.moveaxis(normal, -1, 1)).astype(x.dtype)


def of_LayerNormalization(d):
    # onnxruntime has it in the standard domain, from before that had one.
    yield case("old", [d.f32(2, 3, 8), d.f32(8), d.f32(8)], domain="", model_opset=16)
    yield case("old_statistics", [d.f32(2, 3, 8), d.f32(8), d.f32(8)], outputs=3, domain="", model_opset=15, axis=-1, epsilon=1e-4)
    yield case("old_two_axes", [d.f32(2, 3, 4), d.f32(3, 4), d.f32(3, 4)], domain="", model_opset=13, axis=1)


def of_SimplifiedLayerNormalization(d):
    yield case("plain", [d.f32(2, 3, 8), d.f32(8)], domain="", model_opset=16)
    yield case("statistics", [d.f32(2, 3, 8), d.f32(8)], outputs=2, domain="", model_opset=17, epsilon=1e-3)
    yield case("two_axes", [d.f32(2, 3, 4), d.f32(3, 4)], domain="", model_opset=21, axis=1)
    yield case("symbols", [d.f32(2, 3, 8), d.f32(8)], const=[1], domain="", model_opset=18, dims={0: ["B", "S", 8]})


def of_SkipLayerNormalization(d):
    x, skip, scale, shift, bias = d.f32(2, 3, 8), d.f32(2, 3, 8), d.f32(8), d.f32(8), d.f32(8)
    yield case("plain", [x, skip, scale, shift])
    yield case("bias", [x, skip, scale, shift, bias], epsilon=1e-5)
    yield case("no_shift", [x, skip, scale], epsilon=1e-3)
    yield case("sum", [x, skip, scale, shift, bias], outputs=(0, 3))
    yield case("no_batch", [x, d.f32(3, 8), scale, shift])
    yield case("one_batch", [x, d.f32(1, 3, 8), scale, shift, None], outputs=(0, 3))
    yield case("half", [a.astype(np.float16) for a in (x, skip, scale, shift, bias)], outputs=(0, 3), epsilon=1e-5)
    yield case("flat", [d.f32(6, 8), d.f32(6, 8), scale, shift])
    yield case("symbols", [x, skip, scale, shift, bias], const=(2, 3, 4), dims={0: ["B", "S", 8], 1: ["B", "S", 8]})


def of_SkipSimplifiedLayerNormalization(d):
    x, skip, scale, bias = d.f32(2, 3, 8), d.f32(2, 3, 8), d.f32(8), d.f32(8)
    yield case("plain", [x, skip, scale])
    yield case("bias", [x, skip, scale, bias], epsilon=1e-5)
    yield case("sum", [x, skip, scale], outputs=(0, 3), epsilon=1e-6)
    yield case("no_batch", [x, d.f32(3, 8), scale], outputs=(0, 3))
    yield case("half", [a.astype(np.float16) for a in (x, skip, scale)], outputs=(0, 3), epsilon=1e-5)


def of_EmbedLayerNormalization(d):
    words, segments = d.ints(np.int32, 0, 9, 2, 5), d.ints(np.int32, 0, 1, 2, 5)
    tables = [d.f32(10, 8), d.f32(6, 8), d.f32(2, 8), d.f32(8), d.f32(8)]
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
    positions = d.ints(np.int32, 0, 5, 2, 5)
    no_segments = [*tables[:2], None, *tables[3:]]
    yield case("plain", [words, segments, *tables], outputs=2)
    yield case("mask", [words, segments, *tables, mask], outputs=2, mask_index_type=1)
    yield case("no_segments", [words, None, *no_segments, mask], outputs=2, epsilon=1e-5)
    yield case("positions", [words, segments, *tables, mask, positions], outputs=3)
    yield case("one_position_row", [words, segments, *tables, None, positions[:1]], outputs=2)
    yield case("symbols", [words, segments, *tables, mask], outputs=2, const=(2, 3, 4, 5, 6), dims={at: ["B", "S"] for at in (0, 1, 7)})


def of_GroupNorm(d):
    scale, shift = d.f32(6), d.f32(6)

    def expect(groups, **options):
        return lambda x, scale, shift: [group_norm(x, scale, shift, groups, **options)]

    yield case("last", [d.f32(2, 3, 4, 6), scale, shift], groups=2, activation=0, expect=expect(2))
    yield case("swish", [d.f32(2, 3, 4, 6), scale, shift], groups=3, activation=1, epsilon=1e-3, expect=expect(3, smooth=True, epsilon=1e-3))
    yield case("first", [d.f32(2, 6, 3, 4), scale, shift], groups=2, activation=1, channels_last=0, expect=expect(2, last=False, smooth=True))


def of_SkipGroupNorm(d):
    x, scale, shift, skip, bias = d.f32(2, 3, 4, 6), d.f32(6), d.f32(6), d.f32(2, 3, 4, 6), d.f32(6)

    def expect(x, scale, shift, skip, bias=None, smooth=False):
        total = x + skip.reshape(skip.shape[0], *([1, 1] if skip.ndim == 2 else skip.shape[1:3]), -1) + (0 if bias is None else bias)
        return [group_norm(total, scale, shift, 2, smooth=smooth), total]

    yield case("plain", [x, scale, shift, skip], outputs=2, groups=2, activation=0, expect=expect)
    yield case("bias", [x, scale, shift, skip, bias], outputs=2, groups=2, activation=1, expect=lambda *a: expect(*a, smooth=True))
    yield case("per_channel", [x, scale, shift, d.f32(2, 6), bias], outputs=2, groups=2, activation=0, expect=expect)


def of_GatedRMSNorm(d):
    yield case("silu", [d.f32(2, 3, 8), d.f32(8), d.f32(2, 3, 8)])
    yield case("sigmoid", [d.f32(2, 3, 8), d.f32(8), d.f32(2, 3, 8)], activation="sigmoid", epsilon=1e-3)
    yield case("heads", [d.f32(2, 3, 8), d.f32(4), d.f32(2, 3, 8)], activation="swish")


def of_BranchwiseRMSNorm(d):
    yield case("grouped", [d.f32(2, 3, 4), d.f32(4)])
    yield case("flat", [d.f32(2, 12), d.f32(12)], num_branches=3)
    yield case("flat_rows", [d.f32(2, 12), d.f32(3, 4)], num_branches=3, epsilon=1e-3)
    yield case("no_scale", [d.f32(2, 3, 4)])


def of_QEmbedLayerNormalization(d):
    words, segments = d.ints(np.int32, 0, 9, 2, 5), d.ints(np.int32, 0, 1, 2, 5)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
    scalar = [np.array(v, np.float32) for v in (0.01, 0.02, 0.03, 0.015, 0.025)]
    tables = [d.u8(10, 8), d.u8(6, 8), d.u8(2, 8), d.u8(8), d.u8(8)]
    zeros = [np.array(v, np.uint8) for v in (120, 130, 128, 100, 140)]
    yield case("plain", [words, segments, *tables, None, *scalar, *zeros], outputs=2)
    yield case("mask", [words, segments, *tables, mask, *scalar, *zeros], outputs=2, epsilon=1e-5)
    without = [None if at in (2,) else value for at, value in enumerate(tables)]
    yield case("no_segments", [words, None, *without, mask, *scalar[:2], None, *scalar[3:], *zeros[:2], None, *zeros[3:]], outputs=2)


def cases():
    yield from table(of_LayerNormalization, of_SimplifiedLayerNormalization, of_SkipLayerNormalization, of_SkipSimplifiedLayerNormalization)
    yield from table(of_EmbedLayerNormalization, of_QEmbedLayerNormalization)
    yield from table(of_GroupNorm, of_SkipGroupNorm, of_GatedRMSNorm, of_BranchwiseRMSNorm)
