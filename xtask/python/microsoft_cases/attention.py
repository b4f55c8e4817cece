"""Attention, its caches and its positions."""
import numpy as np
from onnx import TensorProto, helper

from .case import case, table


def angles(length, half, dtype=np.float32):
    """Cosines and sines of positions, `[length, half]`."""
    turns = np.outer(np.arange(length), 10000.0 ** (-np.arange(half) / half))
    return [np.cos(turns).astype(dtype), np.sin(turns).astype(dtype)]


def softmax(x):
    raised = np.exp(x - x.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def attend(q, k, v, heads, mask=0.0):
    """Attention of `[B, S, H * D]`, or of heads that lie apart before the last axis."""
    apart = [x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3) for x in (q, k, v)]
    scores = apart[0] @ apart[1].swapaxes(2, 3) / np.sqrt(apart[0].shape[-1]) + mask
    result = (softmax(scores) @ apart[2]).transpose(0, 2, 1, 3)
    return result.reshape(*result.shape[:2], -1).astype(q.dtype)


def of_Attention(d):
    x, weights, bias = d.f32(2, 4, 8), d.f32(8, 24, scale=0.4), d.f32(24)
    past = d.f32(2, 2, 2, 3, 4)
    raw = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    yield case("plain", [x, weights, bias], num_heads=2)
    yield case("no_bias", [x, weights], num_heads=4)
    yield case("causal", [x, weights, bias], num_heads=2, unidirectional=1)
    yield case("mask", [x, weights, bias, raw], num_heads=2)
    yield case("mask_causal", [x, weights, bias, raw], num_heads=2, unidirectional=1, mask_filter_value=-50.0)
    yield case("mask_nothing", [x, weights, bias, np.array([[0, 0, 0, 0], [1, 0, 1, 1]], np.int32)], num_heads=2)
    yield case("mask_rows", [x, weights, bias, d.ints(np.int32, 0, 1, 2, 4, 4)], num_heads=2)
    yield case("mask_rows_causal", [x, weights, bias, d.ints(np.int32, 0, 1, 2, 4, 4)], num_heads=2, unidirectional=1)
    yield case("lengths", [x, weights, bias, np.array([3, 2], np.int32)], num_heads=2)
    yield case("ends_and_starts", [x, weights, bias, np.array([4, 3, 1, 0], np.int32)], num_heads=2)
    yield case("past", [x, weights, bias, None, past], outputs=2, num_heads=2)
    yield case("present_only", [x, weights, bias], outputs=2, num_heads=2)
    yield case("past_causal_mask", [x, weights, bias, d.ints(np.int32, 0, 1, 2, 7), past], outputs=2, num_heads=2, unidirectional=1)
    yield case("past_lengths", [x, weights, bias, np.array([6, 5], np.int32), past], outputs=2, num_heads=2)
    yield case("attention_bias", [x, weights, bias, None, None, d.f32(2, 2, 4, 4)], num_heads=2)
    yield case("attention_bias_broadcast", [x, weights, bias, raw, None, d.f32(1, 1, 4, 4)], num_heads=2)
    yield case("hidden_sizes", [x, d.f32(8, 20, scale=0.4), d.f32(20)], num_heads=2, qkv_hidden_sizes=[8, 8, 4])
    yield case("wide_input", [d.f32(2, 4, 6), d.f32(6, 24, scale=0.4), bias], num_heads=2, scale=0.3)
    yield case("symbols", [x, weights, bias, raw], const=(1, 2), num_heads=2, dims={0: ["B", "S", 8], 3: ["B", "S"]})
    yield case("past_symbols", [x, weights, bias, None, past], outputs=2, const=(1, 2), num_heads=2, unidirectional=1, dims={0: ["B", "S", 8], 4: [2, "B", 2, "P", 4]})


def of_MultiHeadAttention(d):
    q, k, v, bias = d.f32(2, 3, 8), d.f32(2, 5, 8), d.f32(2, 5, 8), d.f32(24)
    past = [d.f32(2, 2, 4, 4), d.f32(2, 2, 4, 4)]
    self_kv = [d.f32(2, 3, 8), d.f32(2, 3, 8)]
    yield case("self", [q, *self_kv], num_heads=2)
    yield case("cross", [q, k, v], num_heads=2)
    yield case("bias", [q, k, v, bias], num_heads=2, scale=0.7)
    yield case("value_size", [q, k, d.f32(2, 5, 4), d.f32(20)], num_heads=2)
    yield case("packed_qkv", [d.f32(2, 4, 2, 3, 4)], num_heads=2, expect=lambda x: [attend(*np.moveaxis(x, 3, 0), 2)])
    yield case("packed_kv", [q, d.f32(2, 5, 2, 2, 4)], num_heads=2, expect=lambda q, x: [attend(q, *np.moveaxis(x, 3, 0), 2)])
    yield case("heads_apart", [q, d.f32(2, 2, 5, 4), d.f32(2, 2, 5, 4)], num_heads=2)
    yield case("causal", [q, *self_kv, bias], num_heads=2, unidirectional=1)
    yield case("lengths", [q, k, v, None, np.array([3, 5], np.int32)], num_heads=2)
    yield case("padding", [q, k, v, bias, d.ints(np.int32, 0, 1, 2, 5)], num_heads=2)
    yield case("padding_rows", [q, k, v, bias, d.ints(np.int32, 0, 1, 2, 3, 5)], num_heads=2, mask_filter_value=-20.0)
    yield case("cumulative", [q, k, v, bias, np.array([4, 5, 0, 3, 6, 0, 5, 10], np.int32)], num_heads=2)
    yield case("attention_bias", [q, k, v, bias, None, d.f32(1, 2, 3, 5)], num_heads=2)
    yield case("attention_bias_padding", [q, k, v, None, d.ints(np.int32, 0, 1, 2, 5), d.f32(2, 1, 3, 5)], num_heads=2)
    yield case("present", [q, *self_kv, bias], outputs=3, num_heads=2)
    yield case("past", [q, *self_kv, bias, None, None, *past], outputs=3, num_heads=2)
    yield case("past_causal", [q, *self_kv, None, None, None, *past], outputs=3, num_heads=2, unidirectional=1)
    yield case("past_padding", [q, *self_kv, None, d.ints(np.int32, 0, 1, 2, 7), None, *past], outputs=3, num_heads=2)
    yield case("weights", [q, k, v], outputs=(0, 3), types={3: np.float32}, num_heads=2)
    yield case("symbols", [q, *self_kv, None, d.ints(np.int32, 0, 1, 2, 7), None, *past], outputs=3, num_heads=2, dims={0: ["B", "S", 8], 1: ["B", "S", 8], 2: ["B", "S", 8], 4: ["B", "T"], 6: ["B", 2, "P", 4], 7: ["B", 2, "P", 4]})


def of_DecoderMaskedMultiHeadAttention(d):
    q, k, v = d.f32(2, 1, 8), d.f32(2, 1, 8), d.f32(2, 1, 8)
    past = [d.f32(2, 2, 4, 4), d.f32(2, 2, 4, 4)]
    yield case("cross", [q, d.f32(2, 2, 5, 4), d.f32(2, 2, 5, 4)], num_heads=2)
    yield case("cross_mask", [q, d.f32(2, 2, 5, 4), d.f32(2, 2, 5, 4), d.ints(np.int32, 0, 1, 2, 5)], num_heads=2)

    def grown(q, k, v, mask, bias, past_key, past_value, *rest):
        if rest:
            q, k, v = (x + part for x, part in zip((q, k, v), np.split(rest[-1], 3)))
        keys, values = (np.concatenate([old, new.reshape(2, 1, 2, 4).transpose(0, 2, 1, 3)], 2) for old, new in ((past_key, k), (past_value, v)))
        flat = [x.transpose(0, 2, 1, 3).reshape(2, 5, 8) for x in (keys, values)]
        hidden = 0.0 if mask is None else np.where(mask > 0, 0, -10000.0)[:, None, None, :] + bias
        return [attend(q, *flat, 2, hidden), keys, values]

    yield case("self", [q, k, v, None, None, *past], outputs=3, num_heads=2, expect=grown)
    yield case("self_mask_bias", [q, k, v, d.ints(np.int32, 0, 1, 2, 5), d.f32(2, 2, 1, 5), *past, None, None, None, d.f32(24)], outputs=3, num_heads=2, expect=grown)


def of_GroupQueryAttention(d):
    heads = dict(num_heads=4, kv_num_heads=2)

    def total(value):
        return np.array(value, np.int32)

    def new(batch, length):
        return [d.f32(batch, length, 64), d.f32(batch, length, 32), d.f32(batch, length, 32)]

    def cache(batch, length):
        return [d.f32(batch, 2, length, 16), d.f32(batch, 2, length, 16)]

    def lengths(*values):
        return np.array(values, np.int32) - 1

    prompt = [*new(2, 5), None, None, lengths(5, 5), total(5)]
    yield case("prompt", prompt, outputs=3, const=[6], **heads)
    yield case("prompt_total_as_input", prompt, outputs=3, **heads)
    yield case("prompt_padded", [*new(2, 5), None, None, lengths(5, 3), total(5)], outputs=3, const=[6], **heads)
    yield case("prompt_empty_past", [*new(2, 5), *cache(2, 0), lengths(5, 5), total(5)], outputs=3, const=[6], **heads)
    yield case("packed", [d.f32(2, 5, 128), None, None, None, None, lengths(5, 5), total(5)], outputs=3, const=[6], **heads)
    yield case("step", [*new(2, 1), *cache(2, 6), lengths(7, 7), total(7)], outputs=3, const=[6], **heads)
    yield case("step_different_lengths", [*new(2, 1), *cache(2, 6), lengths(7, 4), total(7)], outputs=3, const=[6], **heads)
    yield case("buffer", [*new(2, 1), *cache(2, 10), lengths(7, 5), total(7)], outputs=3, const=[6], **heads)
    yield case("buffer_prompt", [*new(2, 5), *cache(2, 10), lengths(5, 4), total(5)], outputs=3, const=[6], **heads)
    yield case("chunk", [*new(1, 3), *cache(1, 6), lengths(9), total(9)], outputs=3, const=[6], **heads)
    yield case("rotary_prompt", [*new(2, 5), None, None, lengths(5, 4), total(5), *angles(16, 8)], outputs=3, const=(6, 7, 8), do_rotary=1, **heads)
    yield case("rotary_step", [*new(2, 1), *cache(2, 6), lengths(7, 5), total(7), *angles(16, 8)], outputs=3, const=(6, 7, 8), do_rotary=1, **heads)
    yield case("rotary_interleaved", [*new(1, 3), *cache(1, 6), lengths(9), total(9), *angles(16, 8)], outputs=3, const=(6, 7, 8), do_rotary=1, rotary_interleaved=1, **heads)
    yield case("rotary_packed", [d.f32(2, 5, 128), None, None, *cache(2, 8), lengths(5, 5), total(5), *angles(16, 8)], outputs=3, const=(6, 7, 8), do_rotary=1, **heads)
    yield case("rotary_half", [*new(2, 5), None, None, lengths(5, 4), total(5), *angles(16, 8)], outputs=3, const=(6, 7, 8), do_rotary=1, num_heads=2, kv_num_heads=1)
    yield case("rotary_positions", [*new(2, 1), *cache(2, 6), lengths(7, 5), total(7), *angles(16, 8), np.array([[8], [3]], np.int64)], outputs=3, const=(6, 7, 8), do_rotary=1, **heads)
    # The first position of a prompt stands for all.
    yield case("rotary_positions_prompt", [*new(2, 5), None, None, lengths(5, 4), total(5), *angles(16, 8), d.ints(np.int64, 0, 9, 2, 5)], outputs=3, const=(6, 7, 8), do_rotary=1, **heads)
    valid = [*new(2, 3), *cache(2, 12), lengths(8, 5), total(12), *angles(16, 8), None, None, None, None, None, None, None]
    yield case("rows_counted", [*valid, np.array([3, 3], np.int32)], outputs=3, const=(6, 7, 8), local_window_size=4, do_rotary=1, **heads)
    # What the rows of padding give is not said; the first row is a token.
    first = [helper.make_node("Constant", [], ["row"], value_ints=[0]), helper.make_node("Gather", ["all", "row"], ["o0"], axis=1)]
    yield case("rows_of_padding", [*valid, np.array([1, 2], np.int32)], outputs=3, after=first, raw={0: "all"}, const=(6, 7, 8), local_window_size=2, do_rotary=1, **heads)
    yield case("window", [*new(2, 6), None, None, lengths(6, 6), total(6)], outputs=3, const=[6], local_window_size=3, **heads)
    # Rows of padding may see no key at all.
    numbers = [helper.make_node("IsNaN", ["all"], ["o0"])]
    yield case("window_padded", [*new(2, 6), None, None, lengths(6, 1), total(6)], outputs=3, after=numbers, raw={0: "all"}, const=[6], local_window_size=2, **heads)
    yield case("window_step", [*new(2, 1), *cache(2, 7), lengths(8, 5), total(8)], outputs=3, const=[6], local_window_size=2, **heads)
    yield case("softcap", [*new(2, 5), None, None, lengths(5, 5), total(5)], outputs=3, const=[6], softcap=2.0, scale=0.5, **heads)
    yield case("smooth", [*new(2, 5), None, None, lengths(5, 5), total(5)], outputs=3, const=[6], smooth_softmax=1, **heads)
    yield case("sink", [*new(2, 5), None, None, lengths(5, 5), total(5), None, None, None, None, d.f32(4)], outputs=3, const=[6], **heads)
    yield case("attention_bias", [*new(2, 5), None, None, lengths(5, 5), total(5), None, None, None, d.f32(2, 1, 5, 5)], outputs=3, const=[6], **heads)
    yield case("attention_bias_step", [*new(2, 1), *cache(2, 6), lengths(7, 6), total(7), None, None, None, d.f32(1, 4, 1, 7)], outputs=3, const=[6], softcap=3.0, **heads)
    yield case("not_causal", [*new(2, 5), None, None, lengths(5, 4), total(5)], outputs=3, const=[6], causal=0, **heads)
    yield case("scores", [*new(2, 5), None, None, lengths(5, 5), total(5)], outputs=4, const=[6], qk_output=1, **heads)
    yield case("weights", [*new(2, 5), None, None, lengths(5, 5), total(5)], outputs=4, const=[6], qk_output=2, **heads)
    def normed(q, k, v, *rest):
        q_scale, k_scale = rest[-2:]

        def heads_of(x, scale):
            apart = x.reshape(2, 5, -1, 16)
            if scale is not None:
                apart = apart / np.sqrt((apart**2).mean(-1, keepdims=True) + 1e-5) * scale
            return apart.transpose(0, 2, 1, 3)

        q, k, v = heads_of(q, q_scale), heads_of(k, k_scale), heads_of(v, None)
        hidden = np.triu(np.full((5, 5), -np.inf), 1)
        all_keys, all_values = np.repeat(k, 2, 1), np.repeat(v, 2, 1)
        weights = softmax(q @ all_keys.swapaxes(2, 3) / 4 + hidden)
        return [(weights @ all_values).transpose(0, 2, 1, 3).reshape(2, 5, 64).astype(np.float32), k, v]

    norms = [d.f32(16), d.f32(16)]
    yield case("norms", [*new(2, 5), None, None, lengths(5, 5), total(5), *[None] * 7, *norms], outputs=3, const=[6], qk_norm_epsilon=1e-5, expect=normed, **heads)
    half = [a.astype(np.float16) for a in [*new(2, 5), *cache(2, 8)]]
    yield case("half", [*half, lengths(5, 4), total(5)], outputs=3, const=[6], **heads)
    # As exporters write it: the lengths come from a mask.
    mask = np.array([[1] * 7, [1] * 7], np.int64)
    before = [
        helper.make_node("ReduceSum", ["i5", "axis"], ["counts"], keepdims=0),
        helper.make_node("Sub", ["counts", "one"], ["last"]),
        helper.make_node("Cast", ["last"], ["lengths"], to=TensorProto.INT32),
        helper.make_node("Shape", ["i5"], ["sizes"], start=1, end=2),
        helper.make_node("Cast", ["sizes"], ["sizes32"], to=TensorProto.INT32),
        helper.make_node("Squeeze", ["sizes32"], ["total"]),
    ]
    constants = [
        helper.make_node("Constant", [], ["axis"], value_ints=[1]),
        helper.make_node("Constant", [], ["one"], value_int=1),
    ]
    yield case(
        "from_mask",
        [*new(2, 1), *cache(2, 6), mask, total(7), *angles(16, 8)],
        outputs=3,
        const=(7, 8),
        before=(*constants, *before),
        computed={5: "lengths", 6: "total"},
        fed=(5,),
        dims={0: ["B", "S", 64], 1: ["B", "S", 32], 2: ["B", "S", 32], 3: ["B", 2, "P", 16], 4: ["B", 2, "P", 16], 5: ["B", "T"]},
        do_rotary=1,
        **heads,
    )


def of_RotaryEmbedding(d):
    positions = d.ints(np.int64, 0, 15, 2, 5)
    yield case("flat", [d.f32(2, 5, 16), positions, *angles(16, 8)])
    yield case("heads", [d.f32(2, 2, 5, 8), positions, *angles(16, 4)])
    yield case("offset", [d.f32(2, 5, 16), np.array([3], np.int64), *angles(16, 8)])
    yield case("interleaved", [d.f32(2, 2, 5, 8), positions, *angles(16, 4)], interleaved=1)
    yield case("part", [d.f32(2, 5, 16), positions, *angles(16, 2)], num_heads=2, rotary_embedding_dim=4)
    yield case("several_heads", [d.f32(2, 5, 16), positions, *angles(16, 4)])
    yield case("scale", [d.f32(2, 5, 16), positions, *angles(16, 8)], scale=2.0)
    yield case("symbols", [d.f32(2, 5, 16), positions, *angles(16, 4)], const=(2, 3), dims={0: ["B", "S", 16], 1: ["B", "S"]})


def of_MRotaryEmbedding(d):
    positions = d.ints(np.int64, 0, 15, 3, 2, 5)
    yield case("sections", [d.f32(2, 5, 16), positions, *angles(16, 8)], mrope_section=[2, 3, 3], num_heads=1)
    yield case("interleaved_sections", [d.f32(2, 2, 5, 16), positions, *angles(16, 8)], mrope_section=[4, 2, 2], mrope_layout=1)
    yield case("part", [d.f32(2, 5, 32), positions, *angles(16, 4)], mrope_section=[2, 1, 1], num_heads=2, rotary_embedding_dim=8)


def of_GemmaRotaryEmbedding(d):
    def expect(angle, q, q_turned, k, k_turned):
        cos, sin = (np.expand_dims(f(angle), 1).astype(q.dtype) for f in (np.cos, np.sin))
        return [q * cos + q_turned * sin, k * cos + k_turned * sin]

    heads = [d.f32(2, 3, 4, 8) for _ in range(4)]
    yield case("plain", [d.f32(2, 4, 8), *[h.astype(np.float16) for h in heads]], outputs=2, expect=expect)


def packed_heads(q, k, v, counts, heads, bias=0.0, scale=None):
    """Attention of each sequence by itself; rows are tokens."""
    rows, start = [], 0
    for batch, count in enumerate(counts):
        part = slice(start, start + count)
        apart = [x[part].reshape(count, heads, -1).transpose(1, 0, 2) for x in (q, k, v)]
        factor = scale or 1 / np.sqrt(apart[0].shape[-1])
        scores = apart[0] @ apart[1].transpose(0, 2, 1) * factor
        if not np.isscalar(bias):
            scores = scores + bias[min(batch, len(bias) - 1), :, :count, :count]
        rows.append((softmax(scores) @ apart[2]).transpose(1, 0, 2).reshape(count, -1))
        start += count
    return np.concatenate(rows).astype(q.dtype)


OFFSETS = np.array([[0, 4, 5, 8], [9, 10, 11, 1], [2, 3, 6, 7]], np.int32)
CUMULATIVE = np.array([0, 1, 3, 7], np.int32)


def of_PackedAttention(d):
    def expect(x, weights, bias, offsets, cumulative, more=None):
        q, k, v = np.split(x @ weights + bias, 3, axis=-1)
        return [packed_heads(q, k, v, np.diff(cumulative), 2, 0.0 if more is None else more)]

    x, weights, bias = d.f32(7, 8), d.f32(8, 24, scale=0.4), d.f32(24)
    yield case("plain", [x, weights, bias, OFFSETS, CUMULATIVE], num_heads=2, expect=expect)
    yield case("attention_bias", [x, weights, bias, OFFSETS, CUMULATIVE, d.f32(1, 2, 4, 4)], num_heads=2, expect=expect)


def of_PackedMultiHeadAttention(d):
    def expect(q, k, v, bias, offsets, cumulative, more=None):
        if k is None:
            q, k, v = (part.reshape(len(q), -1) for part in np.split(q, 3, axis=2))
        if bias is not None:
            q, k, v = (x + part for x, part in zip((q, k, v), np.split(bias, 3)))
        return [packed_heads(q, k, v, np.diff(cumulative), 2, 0.0 if more is None else more)]

    apart = [d.f32(7, 8), d.f32(7, 8), d.f32(7, 8)]
    yield case("apart", [*apart, None, OFFSETS, CUMULATIVE], num_heads=2, expect=expect)
    yield case("bias", [*apart, d.f32(24), OFFSETS, CUMULATIVE, d.f32(3, 2, 4, 4)], num_heads=2, expect=expect)
    yield case("together", [d.f32(7, 2, 3, 4), None, None, None, OFFSETS, CUMULATIVE], num_heads=2, expect=expect)


def of_LinearAttention(d):
    heads = dict(q_num_heads=2, kv_num_heads=2)
    x = [d.f32(2, 4, 8), d.f32(2, 4, 8, scale=0.5), d.f32(2, 4, 8)]
    decay, beta = -d.positive(2, 4, 2), d.positive(2, 4, 2, least=0.1, greatest=0.9)
    yield case("gated_delta", [*x, None, decay, beta], outputs=2, update_rule="gated_delta", **heads)
    yield case("linear", x, outputs=2, update_rule="linear", **heads)
    yield case("gated_past", [*x, d.f32(2, 2, 4, 4), decay], outputs=2, update_rule="gated", scale=0.3, **heads)


def of_LinearAttentionGate(d):
    yield case("decay", [d.f32(2, 3, 4), d.f32(4), -d.positive(4)])
    yield case("both", [d.f32(2, 3, 4), d.f32(4), -d.positive(4), d.f32(2, 3, 4)], outputs=2)


def of_CausalConvWithState(d):
    yield case("plain", [d.f32(2, 3, 6), d.f32(3, 1, 4)], outputs=2)
    yield case("silu_past", [d.f32(2, 3, 6), d.f32(3, 1, 4), d.f32(3), d.f32(2, 3, 3)], outputs=2, activation="silu")
    yield case("dilated", [d.f32(2, 3, 6), d.f32(3, 1, 3), d.f32(3)], outputs=2, dilation=2)
    yield case("last", [d.f32(2, 6, 3), d.f32(3, 1, 4)], outputs=2, channels_last=1)


def cases():
    yield from table(of_Attention, of_MultiHeadAttention, of_DecoderMaskedMultiHeadAttention, of_GroupQueryAttention)
    yield from table(of_RotaryEmbedding, of_MRotaryEmbedding, of_GemmaRotaryEmbedding)
    yield from table(of_PackedAttention, of_PackedMultiHeadAttention)
    yield from table(of_LinearAttention, of_LinearAttentionGate, of_CausalConvWithState)
