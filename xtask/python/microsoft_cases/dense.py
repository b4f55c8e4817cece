"""Activations and matrix products."""
import math

import numpy as np

from .case import case, table


def erf(x):
    return np.vectorize(math.erf)(x.astype(np.float64))


def gelu(x):
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def fast_gelu(x):
    x = x.astype(np.float64)
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def of_Gelu(d):
    yield case("vector", [d.f32(64, scale=2)])
    yield case("cube", [d.f32(2, 3, 5, scale=3)])
    yield case("infinite", [np.array([np.inf, -30, -8, -0.0, 0, 30, np.nan], np.float32)])
    yield case("symbols", [d.f32(2, 7)], dims={0: ["N", "M"]})


def of_FastGelu(d):
    yield case("plain", [d.f32(3, 8, scale=2)])
    yield case("bias", [d.f32(2, 3, 8, scale=2), d.f32(8)])
    yield case("constant_bias", [d.f32(2, 3, 8), d.f32(8)], const=[1], dims={0: ["B", "S", 8]})


def of_BiasGelu(d):
    yield case("matrix", [d.f32(4, 6), d.f32(6)])
    yield case("cube", [d.f32(2, 3, 6), d.f32(6)], const=[1])


def of_QuickGelu(d):
    yield case("default", [d.f32(3, 5, scale=2)])
    yield case("alpha", [d.f32(3, 5)], alpha=0.7)
    yield case("silu", [d.f32(2, 9)], alpha=1.0)


def of_BiasSplitGelu(d):
    def expect(x, bias):
        left, right = np.split(x + bias, 2, axis=-1)
        return [(left * gelu(right)).astype(np.float32)]

    yield case("rows", [d.f32(2, 3, 8), d.f32(8)], expect=expect)
    yield case("wide", [d.f32(1, 5, 12), d.f32(12)], expect=expect)


def of_BiasAdd(d):
    def expect(x, bias, skip):
        return [x + bias + skip]

    yield case("small", [d.f32(2, 4, 6), d.f32(6), d.f32(2, 4, 6)], expect=expect)
    yield case("constant", [d.f32(1, 3, 5), d.f32(5), d.f32(1, 3, 5)], const=[1], expect=expect)


def of_BiasDropout(d):
    def expect(x, bias, skip, *_):
        return [x + bias + (0 if skip is None else skip)]

    yield case("residual", [d.f32(2, 3, 4), d.f32(4), d.f32(2, 3, 4)], expect=expect)
    yield case("ratio", [d.f32(2, 4), d.f32(4), None, np.array(0.3, np.float32)], const=[3], expect=expect)


def of_BiasSoftmax(d):
    def softmax(x):
        raised = np.exp(x - x.max(-1, keepdims=True))
        return raised / raised.sum(-1, keepdims=True)

    def inner(x, bias):
        return [softmax(x + bias)]

    yield case("inner", [d.f32(2, 3, 4, 5), d.f32(2, 1, 1, 5)], axis=3, is_inner_broadcast=1, expect=inner)
    yield case("outer", [d.f32(2, 3, 4, 5), d.f32(1, 1, 4, 5)], axis=3, is_inner_broadcast=0, expect=inner)


def of_ScaledSiLU(d):
    yield case("default", [d.f32(3, 4)])
    yield case("alpha", [d.f32(3, 4)], alpha=1.5)
    yield case("input", [d.f32(3, 4), np.array(0.25, np.float32)])


def of_SwiGLU(d):
    def two(alpha=1.0, beta=0.0, limit=0.0):
        def expect(gate, up=None):
            if up is None:
                gate, up = np.split(gate, 2, axis=-1)
            if limit > 0:
                gate, up = np.minimum(gate, limit), np.clip(up, -limit, limit)
            return [(gate * sigmoid(alpha * gate) * (up + beta)).astype(np.float32)]

        return expect

    yield case("two", [d.f32(2, 5), d.f32(2, 5)], expect=two())
    yield case("one", [d.f32(2, 3, 8)], expect=two())
    yield case("limit", [d.f32(2, 8, scale=3), d.f32(2, 8, scale=3)], activation_alpha=1.702, activation_beta=1.0, limit=2.0, expect=two(1.702, 1.0, 2.0))


def of_GatedAdd(d):
    yield case("rows", [d.f32(2, 3, 4), d.f32(2, 3, 4), d.f32(2, 3, 1)])
    yield case("matrix", [d.f32(5, 4), d.f32(5, 4), d.f32(5, 1)])


def of_FusedMatMul(d):
    yield case("plain", [d.f32(3, 4), d.f32(4, 5)])
    yield case("alpha", [d.f32(2, 3, 4), d.f32(2, 4, 5)], alpha=0.5)
    yield case("trans_a", [d.f32(2, 4, 3), d.f32(2, 4, 5)], transA=1)
    yield case("trans_b", [d.f32(2, 3, 4), d.f32(2, 5, 4)], transB=1, alpha=2.0)
    yield case("trans_both", [d.f32(4, 3), d.f32(5, 4)], transA=1, transB=1)
    yield case("batch_a", [d.f32(3, 2, 4), d.f32(2, 4, 5)], transBatchA=1)
    yield case("batch_b", [d.f32(2, 3, 4), d.f32(4, 2, 5)], transBatchB=1)
    yield case("batch_and_trans", [d.f32(4, 2, 6, 3), d.f32(4, 2, 6, 5)], transA=1, transBatchA=1, transBatchB=1)
    yield case("broadcast", [d.f32(2, 1, 3, 4), d.f32(5, 4, 2)], alpha=-1.5)


def of_TransposeMatMul(d):
    yield case("plain", [d.f32(2, 3, 4), d.f32(4, 5)], alpha=0.25)
    yield case("trans", [d.f32(2, 4, 3), d.f32(2, 5, 4)], transA=1, transB=1)


def of_FusedMatMulActivation(d):
    def expect(activation, scale=1.0):
        return lambda a, b: [activation(scale * (a @ b)).astype(np.float32)]

    yield case("relu", [d.f32(3, 4), d.f32(4, 5)], activation="Relu", expect=expect(lambda x: np.maximum(x, 0)))
    yield case("sigmoid", [d.f32(2, 3, 4), d.f32(2, 4, 5)], activation="Sigmoid", alpha=0.5, expect=expect(sigmoid, 0.5))
    yield case("leaky", [d.f32(3, 4), d.f32(4, 5)], activation="LeakyRelu", activation_alpha=0.2, expect=expect(lambda x: np.where(x < 0, 0.2 * x, x)))


def of_FusedGemm(d):
    yield case("relu", [d.f32(3, 4), d.f32(4, 5), d.f32(5)], activation="Relu")
    yield case("leaky", [d.f32(3, 4), d.f32(5, 4), d.f32(3, 5)], transB=1, beta=0.5, activation="LeakyRelu", activation_alpha=0.3)
    yield case("tanh", [d.f32(4, 3), d.f32(4, 5)], transA=1, alpha=0.7, activation="Tanh")
    yield case("hard_sigmoid", [d.f32(3, 4), d.f32(4, 5), d.f32(1, 5)], activation="HardSigmoid", activation_alpha=0.25, activation_beta=0.4)


def of_GemmFastGelu(d):
    def expect(x, w, bias=None):
        return [fast_gelu(x @ w + (0 if bias is None else bias)).astype(np.float32)]

    yield case("plain", [d.f32(2, 3, 4), d.f32(4, 5)], expect=expect)
    yield case("bias", [d.f32(2, 3, 4), d.f32(4, 5), d.f32(5)], expect=expect)


def packed(d, rows, blocks, block, bits):
    return d.u8(rows, blocks, block * bits // 8)


def of_MatMulNBits(d):
    def sizes(n, k, block=16, bits=4):
        return dict(N=n, K=k, block_size=block, bits=bits)

    weights = (1, 2, 3, 5)
    yield case("four", [d.f32(3, 32), packed(d, 5, 2, 16, 4), d.positive(5, 2)], const=weights, **sizes(5, 32))
    yield case("four_zero_points", [d.f32(2, 3, 48), packed(d, 4, 3, 16, 4), d.positive(4, 3), d.u8(4, 2)], const=weights, **sizes(4, 48))
    yield case("four_float_zero_points", [d.f32(3, 32), packed(d, 5, 2, 16, 4), d.positive(5, 2), d.f32(5, 2) + 7], const=weights, **sizes(5, 32))
    yield case("four_bias", [d.f32(3, 32), packed(d, 5, 1, 32, 4), d.positive(5, 1), None, None, d.f32(5)], const=weights, **sizes(5, 32, 32))
    yield case("four_ragged", [d.f32(3, 40), packed(d, 5, 3, 16, 4), d.positive(5, 3), d.u8(5, 2)], const=weights, **sizes(5, 40))
    yield case("eight", [d.f32(3, 32), packed(d, 5, 2, 16, 8), d.positive(5, 2, greatest=0.6)], const=weights, **sizes(5, 32, bits=8))
    yield case("eight_zero_points", [d.f32(2, 32), packed(d, 5, 1, 32, 8), d.positive(5, 1), d.u8(5, 1)], const=weights, **sizes(5, 32, 32, 8))
    yield case("two", [d.f32(3, 64), packed(d, 4, 4, 16, 2), d.positive(4, 4)], const=weights, **sizes(4, 64, bits=2))
    yield case("two_zero_points", [d.f32(3, 64), packed(d, 4, 2, 32, 2), d.positive(4, 2), d.u8(4, 1)], const=weights, **sizes(4, 64, 32, 2))
    yield case("group_index", [d.f32(3, 32), packed(d, 5, 2, 16, 4), d.positive(5, 2), None, np.arange(32, dtype=np.int32) // 16], const=(1, 2, 4), **sizes(5, 32))
    yield case("shuffled_groups", [d.f32(3, 32), packed(d, 5, 2, 16, 4), d.positive(5, 2), None, d.rng.permutation(32).astype(np.int32) // 16], const=(1, 2, 4), **sizes(5, 32))
    yield case("half", [d.f16(3, 32), packed(d, 5, 2, 16, 4), d.positive(5, 2).astype(np.float16)], const=weights, **sizes(5, 32))
    yield case("symbols", [d.f32(1, 3, 32), packed(d, 5, 2, 16, 4), d.positive(5, 2)], const=weights, dims={0: ["B", "S", 32]}, **sizes(5, 32))


def of_MatMulBnb4(d):
    def weights(n, k, block):
        return [d.u8(n * k // 2), d.positive((n * k + block - 1) // block)]

    yield case("fp4", [d.f32(3, 32), *weights(6, 32, 16)], const=(1, 2), N=6, K=32, block_size=16, quant_type=0)
    yield case("nf4", [d.f32(2, 3, 64), *weights(4, 64, 32)], const=(1, 2), N=4, K=64, block_size=32, quant_type=1)
    yield case("nf4_across_rows", [d.f32(3, 24), *weights(4, 24, 32)], const=(1, 2), N=4, K=24, block_size=32, quant_type=1)


def of_GatherBlockQuantized(d):
    at = d.ints(np.int64, 0, 5, 2, 3)
    yield case("four", [d.u8(6, 16), at, d.positive(6, 2)], const=(0, 2), bits=4, block_size=16, quantize_axis=1, gather_axis=0)
    yield case("four_zero_points", [d.u8(6, 16), at, d.positive(6, 2), d.u8(6, 1)], const=(0, 2, 3), bits=4, block_size=16, quantize_axis=1, gather_axis=0)
    yield case("eight", [d.u8(6, 32), at, d.positive(6, 2)], const=(0, 2), bits=8, block_size=16, quantize_axis=1, gather_axis=0)


def of_MoE(d):
    def experts(count, hidden, inner, fused=1):
        return [d.f32(count, inner * fused, hidden, scale=0.3), d.f32(count, inner * fused), d.f32(count, hidden, inner, scale=0.3), d.f32(count, hidden)]

    yield case("relu", [d.f32(5, 8), d.f32(5, 4), *experts(4, 8, 6)], k=1, activation_type="relu")
    yield case("gelu_two", [d.f32(2, 3, 8), d.f32(6, 4), *experts(4, 8, 6)], k=2, activation_type="gelu", normalize_routing_weights=1)
    yield case("silu", [d.f32(5, 8), d.f32(5, 3), *experts(3, 8, 6)], k=2, activation_type="silu")
    yield case("swiglu", [d.f32(5, 8), d.f32(5, 4), *experts(4, 8, 6, 2)], k=2, activation_type="swiglu", swiglu_fusion=1, normalize_routing_weights=1, activation_alpha=1.702, activation_beta=1.0, swiglu_limit=1.5)
    first, _, second, _ = experts(3, 8, 6)
    yield case("identity_no_bias", [d.f32(4, 8), d.f32(4, 3), first, None, second, None], k=3, activation_type="identity")


def of_QMoE(d):
    def experts(count, hidden, inner, fused=1, bits=4, block=0):
        pack = 8 // bits

        def scales(rows, columns):
            return d.positive(*((count, rows, columns // block) if block else (count, rows)), least=0.005, greatest=0.02)

        rows = inner * fused
        first = [d.u8(count, rows, hidden // pack), scales(rows, hidden), d.f32(count, rows)]
        return first + [d.u8(count, hidden, inner // pack), scales(hidden, inner), d.f32(count, hidden)]

    const = tuple(range(2, 14))
    yield case("four", [d.f32(5, 32), d.f32(5, 4), *experts(4, 32, 16)], const=const, k=2, activation_type="silu", expert_weight_bits=4, weights_prepacked=0, normalize_routing_weights=1)
    yield case("eight", [d.f32(5, 32), d.f32(5, 4), *experts(4, 32, 16, bits=8)], const=const, k=1, activation_type="relu", expert_weight_bits=8, weights_prepacked=0)
    yield case("blocks", [d.f32(5, 32), d.f32(5, 4), *experts(4, 32, 32, 2, block=16)], const=const, k=2, activation_type="swiglu", swiglu_fusion=1, expert_weight_bits=4, block_size=16, weights_prepacked=0, normalize_routing_weights=1)
    zero_points = [None, None, None, d.u8(4, 32, 1), d.u8(4, 32, 1)]
    yield case("zero_points", [d.f32(5, 32), d.f32(5, 4), *experts(4, 32, 32, block=16), *zero_points], const=const, k=2, activation_type="silu", expert_weight_bits=4, block_size=16, weights_prepacked=0)
    shares = d.positive(5, 4)
    yield case("router_weights", [d.f32(5, 32), d.f32(5, 4), *experts(4, 32, 16), *[None] * 6, shares], const=range(2, 14), k=2, activation_type="identity", expert_weight_bits=4, weights_prepacked=0)
    yield case("router_weights_normalised", [d.f32(5, 32), d.f32(5, 4), *experts(4, 32, 16), *[None] * 6, shares], const=range(2, 14), k=3, activation_type="gelu", expert_weight_bits=4, weights_prepacked=0, normalize_routing_weights=1)


def cases():
    yield from table(of_Gelu, of_FastGelu, of_BiasGelu, of_QuickGelu, of_BiasSplitGelu, of_BiasAdd, of_BiasDropout, of_BiasSoftmax)
    yield from table(of_ScaledSiLU, of_SwiGLU, of_GatedAdd)
    yield from table(of_FusedMatMul, of_TransposeMatMul, of_FusedMatMulActivation, of_FusedGemm, of_GemmFastGelu)
    yield from table(of_MatMulNBits, of_MatMulBnb4, of_GatherBlockQuantized, of_MoE, of_QMoE)
