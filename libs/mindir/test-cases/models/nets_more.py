"""Idioms of model authors that the other files do not have: mindspore.numpy, functional helpers, rarer cells and padding modes."""
import math

import numpy as np
import mindspore as ms
import mindspore.numpy as mnp
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore.ops import composite as C
from mindspore.ops import functional as F

from registry import boolean, f16, f32, given, i32, i64, net


@net("mnp_features", f32(3, 6), i32(3, lo=0, hi=6))
class MnpFeatures(nn.Cell):
    def __init__(self):
        super().__init__()
        self.w = Parameter(Tensor(np.zeros((6, 4), np.float32)), name="w")

    def construct(self, x, i):
        y = mnp.dot(x, self.w)
        z = mnp.where(y > 0, y, mnp.exp(y) - 1)
        a = mnp.concatenate((z, mnp.sqrt(mnp.abs(y))), axis=1)
        m = mnp.mean(a, axis=0, keepdims=True)
        s = mnp.std(a, axis=0)
        return a - m, s, mnp.take(self.w, i, axis=0), mnp.tile(m, (2, 1)), mnp.clip(y, -0.5, 0.5), mnp.sum(a), mnp.argmax(a, axis=1)


@net("mnp_grid", f32(2, 4, 5))
class MnpGrid(nn.Cell):
    def construct(self, x):
        h, w = x.shape[1], x.shape[2]
        ys, xs = mnp.meshgrid(mnp.arange(h), mnp.arange(w), indexing="ij")
        grid = mnp.stack((ys, xs), axis=-1).astype(ms.float32)
        e = mnp.linspace(0.0, 1.0, 5)
        total = x.sum(axis=(1, 2))
        cy = (x * grid[..., 0]).sum(axis=(1, 2)) / total
        return mnp.stack([cy, (x * grid[..., 1]).sum(axis=(1, 2)) / total], -1), x * e, mnp.flip(x, 2), mnp.transpose(x, (2, 0, 1)), mnp.expand_dims(cy, -1), mnp.squeeze(x[:1])


@net("hyper_map", f32(2, 3), f32(2, 3))
class HyperMapNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.map = C.HyperMap()
        self.fc = nn.Dense(3, 3)

    def scale(self, x):
        return self.fc(x) * 2

    def construct(self, a, b):
        return self.map(self.scale, (a, b))


@net("functional_style", f32(2, 6, 4, 4))
class Functional(nn.Cell):
    def __init__(self):
        super().__init__()
        self.w = Parameter(Tensor(np.zeros((8, 6, 3, 3), np.float32)), name="w")
        self.b = Parameter(Tensor(np.zeros(8, np.float32)), name="b")
        self.weights = ParameterTuple((Parameter(Tensor(np.zeros((8, 8), np.float32)), name="w0"), Parameter(Tensor(np.zeros((8, 3), np.float32)), name="w1")))

    def construct(self, x):
        y = ops.conv2d(x, self.w, self.b, stride=1, pad_mode="pad", padding=1)
        y = F.relu(y)
        y = ops.max_pool2d(y, 2, 2) if hasattr(ops, "max_pool2d") else y
        y = y.mean((2, 3))
        for w in self.weights:
            y = F.tanh(ops.matmul(y, w))
        return y


@net("batch_statistics", f32(4, 3, 5, 5))
class BatchStatistics(nn.Cell):
    """Normalisation that uses the batch also in evaluation."""
    def construct(self, x):
        mean = x.mean((0, 2, 3), keep_dims=True)
        var = ops.square(x - mean).mean((0, 2, 3), keep_dims=True)
        return (x - mean) / ops.sqrt(var + 1e-5)


@net("moments_norms", f32(2, 3, 4))
class Moments(nn.Cell):
    def construct(self, x):
        mean, var = x.mean(-1, keep_dims=True), x.var(-1, keepdims=True)
        n1 = ops.norm(x, ord=1, dim=-1)
        return (x - mean) * ops.rsqrt(var + 1e-6), n1, ops.norm(x), x.std(axis=1), ops.cumsum(x, 1), ops.cumprod(x, 2)


@net("upsample_paths", f32(1, 4, 5, 6))
class Upsamples(nn.Cell):
    def __init__(self):
        super().__init__()
        self.up = nn.Upsample(size=(10, 12), mode="nearest")
        self.unshuffle = nn.PixelUnshuffle(2)
        self.shuffle = nn.ChannelShuffle(2)
        self.pad = nn.ConstantPad2d((1, 1, 0, 1), 0.5)
        self.zero = nn.ZeroPad2d((1, 0, 1, 0))
        self.reflect = nn.ReflectionPad2d((1, 1, 1, 1))
        self.replicate = nn.ReplicationPad2d((1, 1, 1, 1))

    def construct(self, x):
        y = self.up(x)
        return self.unshuffle(y), self.pad(x), self.zero(x), self.reflect(x), self.replicate(x), ops.interpolate(x, scale_factor=2.0, mode="nearest", recompute_scale_factor=True)


@net("activations_zoo", f32(2, 8))
class Activations(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = nn.SequentialCell([nn.Dense(8, 8), nn.ELU(), nn.Dense(8, 8), nn.SeLU(), nn.Dense(8, 8), nn.Softsign(), nn.Dense(8, 8), nn.Mish(), nn.Dense(8, 8), nn.Hardtanh()])
        self.b = nn.SequentialCell([nn.Dense(8, 8), nn.SoftShrink(0.1), nn.Dense(8, 8), nn.HShrink(0.05), nn.Dense(8, 8), nn.LogSigmoid(), nn.Dense(8, 8), nn.Tanhshrink(), nn.Dense(8, 8), nn.FastGelu()])
        self.c = nn.SequentialCell([nn.Dense(8, 8), nn.CELU(0.5), nn.Dense(8, 8), nn.Softmin(), nn.Dense(8, 8), nn.HSigmoid()])

    def construct(self, x):
        return self.a(x), self.b(x), self.c(x)


@net("pooling_zoo", f32(1, 3, 11, 13))
class Poolings(nn.Cell):
    def __init__(self):
        super().__init__()
        self.max_same = nn.MaxPool2d(3, 2, pad_mode="same")
        self.avg_same = nn.AvgPool2d(3, 2, pad_mode="same")
        self.max_valid = nn.MaxPool2d((2, 3), (1, 2))
        self.max_pad = nn.MaxPool2d(3, 2, pad_mode="pad", padding=1)
        self.max_ceil = nn.MaxPool2d(3, 2, pad_mode="pad", padding=1, ceil_mode=True)
        self.avg_pad = nn.AvgPool2d(3, 2, pad_mode="pad", padding=1, count_include_pad=False)
        self.adaptive = nn.AdaptiveAvgPool2d((3, 4))
        self.adaptive_max = nn.AdaptiveMaxPool2d((None, 3))
        self.big_stride = nn.MaxPool2d(2, 3, pad_mode="same")

    def construct(self, x):
        return (self.max_same(x), self.avg_same(x), self.max_valid(x), self.max_pad(x), self.max_ceil(x), self.avg_pad(x), self.adaptive(x), self.adaptive_max(x), self.big_stride(x),
                ops.adaptive_avg_pool1d(x[0][:, :, :12], 4), ops.max_pool3d(x.expand_dims(0), 2, 2)[0] if False else x[:, :, 0])


@net("conv_zoo", f32(1, 4, 9, 10))
class Convolutions(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(4, 4, 3, stride=2, pad_mode="same", dilation=1, group=2, has_bias=True)
        self.b = nn.Conv2d(4, 4, (1, 5), pad_mode="pad", padding=(0, 0, 2, 2))
        self.c = nn.Conv2d(4, 8, 3, pad_mode="valid", dilation=(2, 1), group=4)
        self.d = nn.Conv2dTranspose(4, 6, 3, stride=2, pad_mode="pad", padding=1, output_padding=1, has_bias=True)
        self.e = nn.Conv2dTranspose(4, 4, 5, stride=3, pad_mode="same", group=2)
        self.f = nn.Conv1d(9, 4, 3, stride=2, pad_mode="same")
        self.g = nn.Conv1dTranspose(9, 3, 4, stride=2, pad_mode="pad", padding=1, has_bias=True)
        self.h = nn.Conv2dTranspose(4, 4, 2, stride=3, pad_mode="valid")

    def construct(self, x):
        return self.a(x), self.b(x), self.c(x), self.d(x), self.e(x), self.f(x[:, 0].expand_dims(1).repeat(9, 1) if False else ops.tile(x[:, :1, 0], (1, 9, 1))), self.g(ops.tile(x[:, :1, 1], (1, 9, 1))), self.h(x)


@net("metric_learning", f32(4, 6), f32(5, 6))
class MetricLearning(nn.Cell):
    def __init__(self):
        super().__init__()
        self.centres = Parameter(Tensor(np.zeros((7, 6), np.float32)), name="centres")
        self.norm = ops.L2Normalize(axis=1, epsilon=1e-10)

    def construct(self, a, b):
        sim = ops.matmul(self.norm(a), self.norm(b).T)
        theta = ops.acos(ops.clip_by_value(ops.matmul(self.norm(a), self.norm(self.centres).T), -1 + 1e-6, 1 - 1e-6))
        d = ops.cdist(a, b, 2.0)
        return sim, ops.cos(theta + 0.5) * 64, d, ops.topk(-d, 2)[1], ops.sort(sim, axis=1, descending=True)[1]


@net("hungarian_like_matching", f32(5, 4, lo=0, hi=1), f32(3, 4, lo=0, hi=1))
class Giou(nn.Cell):
    def corners(self, b):
        cx, cy, w, h = ops.split(b, 1, axis=-1)
        return ops.concat((cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h), -1)

    def construct(self, p, t):
        a, b = self.corners(p), self.corners(t)
        lt = ops.maximum(a[:, None, :2], b[None, :, :2])
        rb = ops.minimum(a[:, None, 2:], b[None, :, 2:])
        wh = ops.clamp(rb - lt, min=0.0) if hasattr(ops, "clamp") else ops.maximum(rb - lt, Tensor(0.0, ms.float32))
        inter = wh[:, :, 0] * wh[:, :, 1]
        area = lambda q: (q[:, 2] - q[:, 0]) * (q[:, 3] - q[:, 1])  # noqa: E731
        union = area(a)[:, None] + area(b)[None] - inter
        iou = inter / union
        lt = ops.minimum(a[:, None, :2], b[None, :, :2])
        rb = ops.maximum(a[:, None, 2:], b[None, :, 2:])
        hull = (rb - lt)[..., 0] * (rb - lt)[..., 1]
        giou = iou - (hull - union) / hull
        return giou, giou.argmax(0), ops.abs(p[:, None] - t[None]).sum(-1)


@net("voxel_pointnet", f32(2, 16, 3))
class PointNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.mlp1 = nn.SequentialCell([nn.Conv1d(3, 8, 1, has_bias=True), nn.BatchNorm2d(8) if False else nn.ReLU()])
        self.mlp2 = nn.SequentialCell([nn.Conv1d(8, 12, 1, has_bias=True), nn.ReLU()])
        self.fc = nn.Dense(12, 9)
        self.eye = Tensor(np.eye(3, dtype=np.float32).reshape(9))
        self.max = ops.ReduceMax()
        self.knn = ops.TopK(sorted=True)

    def construct(self, x):
        f = self.max(self.mlp2(self.mlp1(x.transpose(0, 2, 1))), 2)
        t = (self.fc(f) * 0.1 + self.eye).reshape(-1, 3, 3)
        y = ops.bmm(x, t)
        inner = -2 * ops.matmul(y, y.transpose(0, 2, 1))
        sq = (y ** 2).sum(-1, keepdims=True)
        d = -(sq + inner + sq.transpose(0, 2, 1))
        _, index = self.knn(d, 4)
        base = Tensor(np.arange(2).reshape(2, 1, 1).astype(np.int32)) * 16
        flat = (index + base).reshape(-1)
        neighbours = ops.gather(y.reshape(-1, 3), flat, 0).reshape(2, 16, 4, 3)
        return neighbours - y.expand_dims(2), f


@net("tracker_kalman", f32(3, 4), f32(3, 2))
class Kalman(nn.Cell):
    def __init__(self):
        super().__init__()
        f = np.eye(4, dtype=np.float32)
        f[0, 2] = f[1, 3] = 1.0
        self.f = Tensor(f)
        self.h = Tensor(np.eye(2, 4).astype(np.float32))
        self.p = Parameter(Tensor(np.eye(4, dtype=np.float32)), name="p")

    def construct(self, x, z):
        x = ops.matmul(x, self.f.T)
        p = ops.matmul(ops.matmul(self.f, self.p), self.f.T)
        s = ops.matmul(ops.matmul(self.h, p), self.h.T) + ops.eye(2, 2, ms.float32)
        det = s[0, 0] * s[1, 1] - s[0, 1] * s[1, 0]
        inv = ops.stack((ops.stack((s[1, 1], -s[0, 1])), ops.stack((-s[1, 0], s[0, 0])))) / det
        k = ops.matmul(ops.matmul(p, self.h.T), inv)
        return x + ops.matmul(z - ops.matmul(x, self.h.T), k.T), (ops.eye(4, 4, ms.float32) - ops.matmul(k, self.h)) @ p


@net("string_mode_switch", f32(2, 3))
class ModeSwitch(nn.Cell):
    """Python-level choices by strings, None and isinstance, resolved while compiling."""
    def __init__(self, mode="mean", extra=None):
        super().__init__()
        self.mode = mode
        self.extra = extra
        self.sizes = [3, 4]

    def helper(self, x, scale=None, *rest):
        if scale is None:
            scale = 2.0
        for r in rest:
            x = x + r
        return x * scale

    def construct(self, x):
        if self.mode == "sum":
            y = x.sum(-1)
        elif self.mode in ("mean", "avg"):
            y = x.mean(-1)
        else:
            raise ValueError("mode")
        if self.extra is not None:
            y = y + self.extra
        assert x.ndim == 2
        z = self.helper(x, None, 1.0, 2) if isinstance(x, Tensor) else x
        return y, z, x.reshape(len(x), -1), ops.ones(tuple(self.sizes), ms.float32) * y.sum()


@net("dynamic_string_checks", f32(2, 6), dynamic={0: (0, 1)}, runs=[[f32(4, 3)]])
class DynamicChecks(nn.Cell):
    def construct(self, x):
        if x.shape[1] > 4:
            y = x[:, :4]
        else:
            y = x * 2
        n = x.shape[0]
        pad = ops.zeros((n, 1), x.dtype)
        return y.sum(), ops.concat((x, pad), 1), ops.flatten(x.expand_dims(1))


@net("dynamic_nlp_pool", i32(2, 5, lo=0, hi=12), dynamic="all", runs=[[i32(3, 9, lo=0, hi=12)], [i32(1, 1, lo=1, hi=12)]])
class DynamicPool(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(12, 6, padding_idx=0)
        self.conv = nn.Conv1d(6, 6, 3, pad_mode="same", has_bias=True)
        self.fc = nn.Dense(12, 3)

    def construct(self, ids):
        mask = (ids > 0).astype(ms.float32)
        x = self.e(ids)
        c = ops.relu(self.conv(x.transpose(0, 2, 1)))
        mean = (x * mask.expand_dims(-1)).sum(1) / ops.maximum(mask.sum(1, keepdims=True), Tensor(1.0, ms.float32))
        return self.fc(ops.concat((mean, c.max(-1)), -1)), ops.arange(ids.shape[1])


@net("dynamic_attention_heads", f32(2, 5, 8), dynamic={0: (0, 1)}, runs=[[f32(1, 9, 8)], [f32(3, 1, 8)]])
class DynamicHeads(nn.Cell):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Dense(8, 24)
        self.norm = nn.LayerNorm((8,))
        self.out = nn.Dense(8, 8)

    def construct(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, n, 3, 2, 4).transpose(2, 0, 3, 1, 4)
        att = ops.matmul(q, k.transpose(0, 1, 3, 2)) * 0.5
        causal = ops.triu(ops.ones((n, n), ms.float32), 1) * -1e9
        y = ops.matmul(ops.softmax(att + causal, -1), v).transpose(0, 2, 1, 3).reshape(b, n, d)
        return x + self.out(y)


@net("dynamic_detection_post", f32(6, 4), f32(6), dynamic={0: (0,), 1: (0,)}, runs=[[f32(9, 4), f32(9)]])
class DynamicPost(nn.Cell):
    def construct(self, boxes, scores):
        order = ops.argsort(scores, descending=True)
        b = ops.gather(boxes, order, 0)
        s = ops.gather(scores, order, 0)
        wh = b[:, 2:] - b[:, :2]
        keep = ops.logical_and(s > 0, wh.min(axis=1) > -1.5)
        return b * keep.astype(ms.float32).expand_dims(-1), s * keep, keep.astype(ms.int32).sum(), ops.stack((s, s), -1)


@net("rank_unknown", f32(2, 3), dynamic="rank", runs=[[f32(4)], [f32(2, 3, 4)]], only="2.10")
class ElementWise(nn.Cell):
    def construct(self, x):
        return ops.tanh(x) * 2 + ops.relu(-x)


@net("scatter_pillars", f32(5, 3), given([[0, 1], [2, 3], [1, 0], [3, 3], [0, 0]], "int32"))
class PillarScatter(nn.Cell):
    def construct(self, x, index):
        canvas = ops.scatter_nd(index, x, (4, 4, 3))
        flat = index[:, 0] * 4 + index[:, 1]
        other = ops.zeros((16, 3), ms.float32)
        other = ops.index_add(other, flat, x, 0) if hasattr(ops, "index_add") and False else ops.tensor_scatter_add(other, flat.expand_dims(-1), x)
        return canvas.transpose(2, 0, 1), other, ops.gather_nd(canvas, index), ops.unsorted_segment_max(x, flat, 16)


@net("crf_log_partition", f32(2, 5, 3))
class CrfPartition(nn.Cell):
    def __init__(self):
        super().__init__()
        self.t = Parameter(Tensor(np.zeros((3, 3), np.float32)), name="t")

    def construct(self, e):
        a = e[:, 0]
        i = Tensor(1, ms.int32)
        while i < 5:
            a = ops.logsumexp(a.expand_dims(2) + self.t.expand_dims(0), 1) + ops.gather(e, i, 1)
            i = i + 1
        return ops.logsumexp(a, 1)


@net("sampling_free_decode", f32(1, 4), given(6, "int32"), runs=[[f32(1, 4), given(2, "int32")]])
class GrowingDecode(nn.Cell):
    """Greedy with a stop token: break out of the loop by a tensor condition."""
    def __init__(self):
        super().__init__()
        self.step = nn.Dense(4, 4)
        self.head = nn.Dense(4, 5)

    def construct(self, h, limit):
        tokens = ops.full((1, 8), 4, dtype=ms.int32) if hasattr(ops, "full") else ops.ones((1, 8), ms.int32) * 4
        i = Tensor(0, ms.int32)
        score = Tensor(0.0, ms.float32)
        pos = ops.arange(8).astype(ms.int32)
        while i < limit:
            h = ops.tanh(self.step(h) + h)
            p = ops.log_softmax(self.head(h), -1)
            t = p.argmax(-1).astype(ms.int32)
            score = score + p.max()
            tokens = ops.where((pos == i).expand_dims(0), t.expand_dims(1), tokens)
            i = i + 1
            if t[0] == 3:
                break
        return tokens, score, i


@net("multi_exit", f32(2, 4), given(0.3, "float32"), runs=[[f32(2, 4), given(2.0, "float32")], [f32(2, 4), given(-1.0, "float32")]])
class MultiExit(nn.Cell):
    def __init__(self):
        super().__init__()
        self.blocks = nn.CellList([nn.Dense(4, 4) for _ in range(3)])
        self.exits = nn.CellList([nn.Dense(4, 3) for _ in range(3)])

    def construct(self, x, threshold):
        for i in range(2):
            x = ops.relu(self.blocks[i](x))
            y = ops.softmax(self.exits[i](x), -1)
            if y.max() > threshold:
                return y, Tensor(i, ms.int32)
        x = ops.relu(self.blocks[2](x))
        return ops.softmax(self.exits[2](x), -1), Tensor(2, ms.int32)


@net("quantise_dequantise", f32(3, 8))
class FakeQuant(nn.Cell):
    def construct(self, x):
        scale = ops.abs(x).max() / 127.0
        q = ops.clip_by_value(ops.round(x / scale), Tensor(-128.0, ms.float32), Tensor(127.0, ms.float32)).astype(ms.int8)
        return q, q.astype(ms.float32) * scale, ops.floor(x * 3).astype(ms.int32), ops.ceil(x), ops.trunc(x * 2.5)


@net("fourier_mixing", f32(2, 8, 4))
class FourierMixing(nn.Cell):
    """FNet by DFT matrices."""
    def __init__(self):
        super().__init__()
        def dft(n):
            k = -2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n
            m = np.exp(k)
            return m.real.astype(np.float32), m.imag.astype(np.float32)
        self.nr, self.ni = [Tensor(a) for a in dft(8)]
        self.dr, self.di = [Tensor(a) for a in dft(4)]
        self.norm = nn.LayerNorm((4,))

    def construct(self, x):
        hr, hi = ops.matmul(x, self.dr), ops.matmul(x, self.di)
        return self.norm(x + ops.matmul(self.nr, hr) - ops.matmul(self.ni, hi))


@net("state_space_scan", f32(2, 6, 4))
class StateSpace(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = Parameter(Tensor(np.zeros(4, np.float32)), name="a")
        self.bc = nn.Dense(4, 8)
        self.dt = nn.Dense(4, 4)

    def construct(self, x):
        b, c = ops.chunk(self.bc(x), 2, axis=-1) if hasattr(ops, "chunk") else ops.split(self.bc(x), 4, axis=-1)
        dt = ops.log(1 + ops.exp(self.dt(x)))
        decay = ops.exp(-ops.exp(self.a) * dt)
        h = ops.zeros((2, 4), ms.float32)
        ys = []
        for t in range(6):
            h = decay[:, t] * h + dt[:, t] * b[:, t] * x[:, t]
            ys.append(h * c[:, t])
        return ops.stack(ys, 1)


@net("adaptive_max_dynamic", f32(1, 3, 8, 10), dynamic={0: (0, 2, 3)}, runs=[[f32(2, 3, 7, 9)]])
class AdaptiveMaxDynamic(nn.Cell):
    """Global pools of images of any size."""
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, has_bias=True)
        self.pool = nn.AdaptiveMaxPool2d((1, 1))
        self.mean = nn.AdaptiveAvgPool2d((1, 1))

    def construct(self, x):
        x = self.conv(x)
        return ops.concat((self.pool(x), self.mean(x)), 1).reshape(x.shape[0], -1)
