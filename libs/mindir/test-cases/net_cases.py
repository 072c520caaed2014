"""Whole nets of the kinds that are exported for serving: vision, text, recommenders, time series, control flow, dynamic shapes.

A net is a class with the decorator @net(inputs..., dyn={input: dims that are dynamic}, tol=tolerance). Weights are random but fixed.
"""

import numpy as np
import mindspore as ms
from mindspore import nn, ops, Tensor, Parameter, mint
import mindspore.ops.operations as P

f32 = ms.float32
i32 = ms.int32
R = np.random.RandomState(0)
NETS = {}


def X(*s, lo=-1, hi=1):
    return Tensor(R.uniform(lo, hi, s).astype(np.float32))


def I(n, *s):
    return Tensor(R.randint(0, n, s).astype(np.int32))


def net(*inputs, dyn=None, tol=None):
    def deco(c):
        NETS[c.__name__] = (c, inputs, dyn, tol)
        return c

    return deco


class CBR(nn.SequentialCell):
    def __init__(self, i, o, k=3, st=1, act=nn.ReLU, groups=1, dil=1):
        super().__init__(nn.Conv2d(i, o, k, st, pad_mode="same", group=groups, dilation=dil, has_bias=False), nn.BatchNorm2d(o), act())


# ---------- vision
@net(X(1, 3, 32, 32))
class MobileNetV3ish(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = CBR(3, 16, 3, 2, nn.HSwish)
        self.dw = CBR(16, 16, 3, 1, nn.ReLU6, 16)
        self.se1 = nn.Conv2d(16, 4, 1, has_bias=True)
        self.se2 = nn.Conv2d(4, 16, 1, has_bias=True)
        self.hs = nn.HSigmoid()
        self.p = nn.Conv2d(16, 24, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Dense(24, 10)
        self.do = nn.Dropout(p=0.2)

    def construct(self, x):
        x = self.a(x)
        x = self.dw(x)
        w = x.mean((2, 3), keep_dims=True)
        w = self.hs(self.se2(ops.relu(self.se1(w))))
        x = x * w
        x = self.p(x)
        x = self.pool(x).view(x.shape[0], -1)
        return self.fc(self.do(x))


@net(X(2, 3, 32, 32), dyn={0: (0,)})
class ResNetDyn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = CBR(3, 8)
        self.b = CBR(8, 8)
        self.d = CBR(8, 16, 3, 2)
        self.fc = nn.Dense(16, 5)
        self.mp = nn.MaxPool2d(3, 2, pad_mode="same")

    def construct(self, x):
        x = self.a(x)
        x = self.b(x) + x
        x = self.mp(self.d(x))
        x = ops.mean(x, (2, 3))
        return ops.softmax(self.fc(x), -1)


@net(X(1, 3, 33, 47), dyn={0: (0, 2, 3)})
class FCNDyn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = CBR(3, 8, 3, 2)
        self.b = CBR(8, 16, 3, 2)
        self.c = nn.Conv2d(16, 4, 1)

    def construct(self, x):
        y = self.c(self.b(self.a(x)))
        return ops.ResizeBilinearV2()(y, ops.shape(x)[2:4])


@net(X(1, 3, 32, 32))
class UNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e1 = CBR(3, 8)
        self.e2 = CBR(8, 16)
        self.e3 = CBR(16, 32)
        self.mp = nn.MaxPool2d(2, 2)
        self.u1 = nn.Conv2dTranspose(32, 16, 2, 2)
        self.d1 = CBR(32, 16)
        self.u2 = nn.Conv2dTranspose(16, 8, 3, 2, pad_mode="same")
        self.d2 = CBR(16, 8)
        self.o = nn.Conv2d(8, 2, 1)

    def construct(self, x):
        a = self.e1(x)
        b = self.e2(self.mp(a))
        c = self.e3(self.mp(b))
        d = self.d1(ops.concat((self.u1(c), b), 1))
        e = self.d2(ops.cat((self.u2(d), a), 1))
        y = self.o(e)
        return ops.softmax(y, 1), y.argmax(axis=1)


@net(X(1, 3, 33, 33))
class DeepLab(nn.Cell):
    def __init__(self):
        super().__init__()
        self.b = CBR(3, 16, 3, 2)
        self.a1 = CBR(16, 8, 1)
        self.a2 = CBR(16, 8, 3, 1, dil=2)
        self.a3 = CBR(16, 8, 3, 1, dil=4)
        self.gp = nn.AdaptiveAvgPool2d(1)
        self.gc = nn.Conv2d(16, 8, 1)
        self.pr = CBR(32, 8, 1)
        self.o = nn.Conv2d(8, 4, 1)

    def construct(self, x):
        y = self.b(x)
        g = self.gc(self.gp(y))
        g = ops.interpolate(g, size=y.shape[2:], mode="bilinear", align_corners=True)
        z = ops.cat([self.a1(y), self.a2(y), self.a3(y), g], 1)
        z = self.o(self.pr(z))
        return ops.interpolate(z, size=x.shape[-2:], mode="bilinear", align_corners=True)


@net(X(1, 3, 64, 64))
class YoloHead(nn.Cell):
    def __init__(self):
        super().__init__()
        self.b = CBR(3, 8, 3, 2, nn.SiLU)
        self.c = CBR(8, 16, 3, 2, nn.SiLU)
        self.h = nn.Conv2d(16, 3 * 7, 1, has_bias=True)
        self.anch = Tensor(np.array([[10, 13], [16, 30], [33, 23]], np.float32).reshape(1, 3, 1, 1, 2))
        self.sppf = nn.MaxPool2d(5, 1, pad_mode="same")

    def construct(self, x):
        y = self.c(self.b(x))
        y = ops.cat((y[:, :8], self.sppf(y)[:, 8:]), 1)
        y = self.h(y)
        B, _, H, W = y.shape
        y = y.view(B, 3, 7, H, W).transpose(0, 1, 3, 4, 2)
        y = ops.sigmoid(y)
        gx, gy = ops.meshgrid(ops.arange(W), ops.arange(H))
        g = ops.stack((gx, gy), -1).view(1, 1, H, W, 2).astype(f32)
        xy = (y[..., 0:2] * 2 - 0.5 + g) * 4
        wh = (y[..., 2:4] * 2) ** 2 * self.anch
        return ops.cat((xy, wh, y[..., 4:]), -1).view(B, -1, 7)


@net(X(1, 3, 64, 64))
class SSDPost(nn.Cell):
    def __init__(self):
        super().__init__()
        self.b = CBR(3, 8, 3, 2)
        self.c = CBR(8, 8, 3, 2)
        self.loc = nn.Conv2d(8, 16, 3, has_bias=True)
        self.cls = nn.Conv2d(8, 12, 3, has_bias=True)
        self.topk = ops.TopK(sorted=True)
        self.pri = Tensor(R.uniform(0.1, 0.9, (1024, 4)).astype(np.float32))

    def construct(self, x):
        y = self.c(self.b(x))
        l = self.loc(y).transpose(0, 2, 3, 1).reshape(1, -1, 4)
        c = self.cls(y).transpose(0, 2, 3, 1).reshape((1, -1, 3))
        c = ops.softmax(c, -1)
        ctr = l[..., :2] * 0.1 * self.pri[:, 2:] + self.pri[:, :2]
        sz = ops.exp(l[..., 2:] * 0.2) * self.pri[:, 2:]
        box = ops.concat([ctr - sz / 2, ctr + sz / 2], -1).clip(0, 1)
        sc, idx = self.topk(c[..., 1], 20)
        return ops.gather_d(box, 1, ops.tile(idx.expand_dims(-1), (1, 1, 4))), sc, idx


@net(X(1, 3, 64, 64))
class RCNNHead(nn.Cell):
    def __init__(self):
        super().__init__()
        self.b = CBR(3, 8, 3, 2)
        self.roi = ops.ROIAlign(4, 4, 0.5, 2)
        self.fc = nn.Dense(128, 16)
        self.c = nn.Dense(16, 3)
        self.r = nn.Dense(16, 4)
        self.rois = Tensor(np.array([[0, 2, 2, 30, 30], [0, 10, 5, 60, 44], [0, 0, 0, 20, 60]], np.float32))
        self.nms = ops.NMSWithMask(0.5)

    def construct(self, x):
        y = self.roi(self.b(x), self.rois)
        y = ops.relu(self.fc(y.reshape(y.shape[0], -1)))
        c = ops.softmax(self.c(y))
        bx = self.rois[:, 1:] + self.r(y)
        bx, idx, mask = self.nms(ops.cat((bx, c[:, 1:2]), 1))
        return bx, idx, mask


@net(X(1, 3, 32, 32))
class FPN(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c = nn.CellList([CBR(3 if k == 0 else 8, 8, 3, 2) for k in range(3)])
        self.l = nn.CellList([nn.Conv2d(8, 8, 1) for _ in range(3)])

    def construct(self, x):
        f = []
        for c in self.c:
            x = c(x)
            f.append(x)
        out = []
        t = self.l[2](f[2])
        out.append(t)
        for k in (1, 0):
            t = ops.ResizeNearestNeighbor((f[k].shape[2], f[k].shape[3]))(t) + self.l[k](f[k])
            out.append(t)
        return out


@net(X(2, 3, 32, 32))
class ViT(nn.Cell):
    def __init__(self):
        super().__init__()
        self.p = nn.Conv2d(3, 32, 8, 8, pad_mode="valid")
        self.cls = Parameter(Tensor(R.randn(1, 1, 32).astype(np.float32)), name="cls")
        self.pos = Parameter(Tensor(R.randn(1, 17, 32).astype(np.float32)), name="pos")
        self.ln = nn.LayerNorm((32,))
        self.qkv = nn.Dense(32, 96)
        self.pr = nn.Dense(32, 32)
        self.m1 = nn.Dense(32, 64)
        self.m2 = nn.Dense(64, 32)
        self.g = nn.GELU(approximate=False)
        self.h = nn.Dense(32, 7)
        self.ln2 = nn.LayerNorm((32,), epsilon=1e-6)

    def construct(self, x):
        x = self.p(x)
        B, C, H, W = x.shape
        x = x.reshape(B, C, H * W).swapaxes(1, 2)
        x = ops.cat((ops.broadcast_to(self.cls, (B, 1, C)), x), 1) + self.pos
        y = self.ln(x)
        q, k, v = (
            self.qkv(y).reshape(B, 17, 3, 4, 8).transpose(2, 0, 3, 1, 4).unbind(0)
            if False
            else ops.unbind(self.qkv(y).reshape(B, 17, 3, 4, 8).transpose(2, 0, 3, 1, 4), 0)
        )
        a = ops.softmax(ops.matmul(q, k.swapaxes(-2, -1)) * 8**-0.5, -1)
        y = ops.matmul(a, v).swapaxes(1, 2).reshape(B, 17, C)
        x = x + self.pr(y)
        x = x + self.m2(self.g(self.m1(self.ln2(x))))
        return self.h(x[:, 0])


@net(X(1, 1, 8, 8, 8))
class UNet3D(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv3d(1, 4, 3, pad_mode="same", has_bias=True)
        self.bn = nn.BatchNorm3d(4)
        self.mp = nn.MaxPool3d(2, 2)
        self.b = nn.Conv3d(4, 8, 3, pad_mode="same")
        self.u = nn.Conv3dTranspose(8, 4, 2, 2, pad_mode="valid")
        self.o = nn.Conv3d(8, 2, 1)

    def construct(self, x):
        a = ops.relu(self.bn(self.a(x)))
        b = ops.leaky_relu(self.b(self.mp(a)), 0.1)
        return self.o(ops.cat((self.u(b), a), 1))


@net(X(1, 3, 16, 16), X(1, 3, 16, 16))
class StyleGAN(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, pad_mode="pad", padding=1)
        self.gn = nn.GroupNorm(2, 8)
        self.d = nn.Conv2dTranspose(8, 3, 4, 2, pad_mode="pad", padding=1)
        self.pad = nn.ReflectionPad2d((1, 1, 1, 1))
        self.ps = nn.PixelShuffle(2)
        self.c2 = nn.Conv2d(3, 12, 3, pad_mode="valid")
        self.pr = nn.PReLU(8)

    def construct(self, x, y):
        m = x.mean((2, 3), keep_dims=True)
        v = x.var((2, 3), keepdims=True)
        a = (x - m) / ops.sqrt(v + 1e-5) * y.std((2, 3), keepdims=True) + y.mean((2, 3), keep_dims=True)
        return ops.tanh(self.d(self.pr(self.gn(self.c(a))))), self.ps(self.c2(self.pad(x)))


# ---------- NLP
class Attn(nn.Cell):
    def __init__(self, d=32, h=4):
        super().__init__()
        self.q = nn.Dense(d, d)
        self.k = nn.Dense(d, d)
        self.v = nn.Dense(d, d)
        self.o = nn.Dense(d, d)
        self.h = h
        self.d = d
        self.sc = float(np.sqrt(d / h))

    def construct(self, x, y, mask):
        B, L, _ = x.shape
        S = y.shape[1]
        q = self.q(x).reshape(B, L, self.h, -1).transpose(0, 2, 1, 3)
        k = self.k(y).reshape(B, S, self.h, -1).transpose(0, 2, 1, 3)
        v = self.v(y).reshape(B, S, self.h, -1).transpose(0, 2, 1, 3)
        w = ops.bmm(q, k.transpose(0, 1, 3, 2)) / self.sc
        if mask is not None:
            w = ops.masked_fill(w, mask, -1e9)
        return self.o(ops.bmm(ops.softmax(w, -1), v).transpose(0, 2, 1, 3).reshape(B, L, self.d))


@net(I(50, 2, 7), I(50, 2, 5))
class Seq2SeqTransformer(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(50, 32, padding_idx=0)
        self.sa = Attn()
        self.ca = Attn()
        self.ea = Attn()
        self.ln = nn.CellList([nn.LayerNorm([32]) for _ in range(4)])
        self.f1 = nn.Dense(32, 64)
        self.f2 = nn.Dense(64, 32)
        self.out = nn.Dense(32, 50)
        pe = np.zeros((16, 32), np.float32)
        pos = np.arange(16)[:, None]
        div = np.exp(np.arange(0, 32, 2) * -(np.log(10000.0) / 32))
        pe[:, 0::2] = np.sin(pos * div)
        pe[:, 1::2] = np.cos(pos * div)
        self.pe = Tensor(pe)

    def construct(self, src, tgt):
        sm = (src == 0).expand_dims(1).expand_dims(1)
        x = self.e(src) * 5.65685 + self.pe[: src.shape[1]]
        x = self.ln[0](x + self.ea(x, x, sm))
        y = self.e(tgt) + self.pe[: tgt.shape[1]]
        n = tgt.shape[1]
        cm = ops.triu(ops.ones((n, n), ms.float32), 1).astype(ms.bool_)
        y = self.ln[1](y + self.sa(y, y, cm))
        y = self.ln[2](y + self.ca(y, x, sm))
        y = self.ln[3](y + self.f2(ops.gelu(self.f1(y))))
        return ops.log_softmax(self.out(y), -1)


@net(I(50, 2, 7), dyn={0: (0, 1)})
class GPTDyn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(50, 32)
        self.p = nn.Embedding(64, 32)
        self.a = Attn()
        self.l1 = nn.LayerNorm([32])
        self.l2 = nn.LayerNorm([32])
        self.f1 = nn.Dense(32, 64)
        self.f2 = nn.Dense(64, 32)
        self.w = nn.Dense(32, 50, has_bias=False)

    def construct(self, x):
        B, L = x.shape
        h = self.e(x) + self.p(ops.arange(L))
        m = ops.logical_not(ops.tril(ops.ones((L, L), ms.float32)).astype(ms.bool_))
        h = h + self.a(self.l1(h), self.l1(h), m)
        h = h + self.f2(ops.gelu(self.f1(self.l2(h)), approximate="tanh"))
        return self.w(h)


@net(I(50, 2, 7))
class LlamaBlock(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(50, 32)
        self.q = nn.Dense(32, 32, has_bias=False)
        self.k = nn.Dense(32, 16, has_bias=False)
        self.v = nn.Dense(32, 16, has_bias=False)
        self.o = nn.Dense(32, 32, has_bias=False)
        self.g = nn.Dense(32, 64, has_bias=False)
        self.u = nn.Dense(32, 64, has_bias=False)
        self.d = nn.Dense(64, 32, has_bias=False)
        self.n = Parameter(Tensor(R.rand(32).astype(np.float32)), name="n")
        f = 1 / 10000 ** (np.arange(0, 8, 2) / 8)
        t = np.outer(np.arange(16), f)
        self.cos = Tensor(np.cos(np.concatenate([t, t], -1)).astype(np.float32))
        self.sin = Tensor(np.sin(np.concatenate([t, t], -1)).astype(np.float32))

    def norm(self, x):
        return self.n * (x * ops.rsqrt(ops.mean(ops.square(x), -1, True) + 1e-6))

    def rot(self, x):
        h = x.shape[-1] // 2
        return ops.cat((-x[..., h:], x[..., :h]), -1)

    def construct(self, ids):
        B, L = ids.shape
        x = self.e(ids)
        y = self.norm(x)
        q = self.q(y).reshape(B, L, 4, 8).swapaxes(1, 2)
        k = self.k(y).reshape(B, L, 2, 8).swapaxes(1, 2)
        v = self.v(y).reshape(B, L, 2, 8).swapaxes(1, 2)
        c = self.cos[:L]
        n = self.sin[:L]
        q = q * c + self.rot(q) * n
        k = k * c + self.rot(k) * n
        k = ops.repeat_interleave(k, 2, 1)
        v = ops.repeat_interleave(v, 2, 1)
        w = ops.matmul(q, k.swapaxes(2, 3)) / 8**0.5
        m = ops.full((L, L), -1e9, dtype=f32)
        m = ops.triu(m, 1)
        a = ops.softmax(w + m, -1)
        x = x + self.o(ops.matmul(a, v).swapaxes(1, 2).reshape(B, L, 32))
        y = self.norm(x)
        return x + self.d(ops.silu(self.g(y)) * self.u(y))


@net(I(50, 2, 9))
class TextCNN(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(50, 16)
        self.c = nn.CellList([nn.Conv1d(16, 8, k, pad_mode="valid", has_bias=True) for k in (2, 3, 4)])
        self.fc = nn.Dense(24, 3)

    def construct(self, x):
        x = self.e(x).swapaxes(1, 2)
        o = []
        for c in self.c:
            o.append(ops.max(ops.relu(c(x)), 2)[0])
        return self.fc(ops.cat(o, 1))


@net(I(50, 2, 9), Tensor(np.array([9, 5], np.int32)))
class BiLSTMTagger(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(50, 16)
        self.l = nn.LSTM(16, 12, 2, batch_first=True, bidirectional=True)
        self.fc = nn.Dense(24, 5)

    def construct(self, x, n):
        y, (h, c) = self.l(self.e(x), None, n)
        return ops.argmax(self.fc(y), -1), self.fc(y), h


@net(X(2, 9, 4), X(1, 2, 6))
class GRUNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.g = nn.GRU(4, 6, batch_first=True)
        self.fc = nn.Dense(6, 1)

    def construct(self, x, h):
        y, hn = self.g(x, h)
        return self.fc(y[:, -1]), hn


# ---------- recommender
@net(I(20, 4, 6), X(4, 3))
class DeepFM(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(20, 8)
        self.w = nn.Embedding(20, 1)
        self.f1 = nn.Dense(51, 16, activation="relu")
        self.f2 = nn.Dense(16, 1)

    def construct(self, x, d):
        v = self.e(x)
        fm = 0.5 * (ops.square(v.sum(1)) - ops.square(v).sum(1)).sum(1, keepdims=True)
        dp = self.f2(self.f1(ops.cat((v.view(x.shape[0], -1), d), 1)))
        return ops.sigmoid(fm + dp + self.w(x).sum(1))


@net(I(20, 4), I(20, 4, 7), X(4, 7))
class DIN(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(20, 8)
        self.a1 = nn.Dense(32, 16)
        self.a2 = nn.Dense(16, 1)
        self.fc = nn.Dense(16, 2)
        self.bn = nn.BatchNorm1d(16)

    def construct(self, item, hist, mask):
        q = self.e(item)
        h = self.e(hist)
        qq = ops.tile(q.expand_dims(1), (1, hist.shape[1], 1))
        a = ops.cat((qq, h, qq - h, qq * h), -1)
        a = self.a2(ops.sigmoid(self.a1(a))).squeeze(-1)
        a = ops.where(mask > 0, a, ops.full_like(a, -(2.0**20)))
        a = ops.softmax(a, -1)
        u = ops.matmul(a.expand_dims(1), h).squeeze(1)
        return ops.softmax(self.fc(self.bn(ops.cat((u, q), -1))), -1)


@net(X(4, 5), I(20, 4, 3))
class DLRM(nn.Cell):
    def __init__(self):
        super().__init__()
        self.b = nn.SequentialCell(nn.Dense(5, 16), nn.ReLU(), nn.Dense(16, 8), nn.ReLU())
        self.e = nn.CellList([nn.Embedding(20, 8) for _ in range(3)])
        self.t = nn.SequentialCell(nn.Dense(14, 8), nn.ReLU(), nn.Dense(8, 1), nn.Sigmoid())
        li, lj = np.tril_indices(4, -1)
        self.ix = Tensor((li * 4 + lj).astype(np.int32))

    def construct(self, d, sp):
        z = self.b(d)
        r = [z]
        for k in range(3):
            r.append(self.e[k](sp[:, k]))
        t = ops.stack(r, 1)
        m = ops.bmm(t, t.swapaxes(1, 2)).reshape(d.shape[0], -1)
        return self.t(ops.cat((z, ops.gather(m, self.ix, 1)), 1))


@net(I(20, 5), I(20, 5))
class NCF(nn.Cell):
    def __init__(self):
        super().__init__()
        self.u = nn.EmbeddingLookup(20, 8)
        self.i = nn.EmbeddingLookup(20, 8)
        self.f = nn.Dense(24, 1)

    def construct(self, u, i):
        a = self.u(u)
        b = self.i(i)
        return self.f(ops.cat((a * b, a, b), -1)), ops.TopK()(ops.sigmoid(self.f(ops.cat((a * b, a, b), -1))).reshape(1, -1), 3)[1]


# ---------- time series
@net(X(2, 4, 24))
class TCN(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c = nn.CellList([nn.Conv1d(4 if k == 0 else 8, 8, 3, pad_mode="pad", padding=0, dilation=2**k) for k in range(3)])
        self.d = nn.Conv1d(4, 8, 1)
        self.fc = nn.Dense(8, 2)

    def construct(self, x):
        y = x
        for k in range(3):
            y = ops.relu(self.c[k](ops.pad(y, ((2**k) * 2, 0))))
        return self.fc((y + self.d(x))[:, :, -1])


@net(X(2, 24, 3))
class DLinear(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = nn.Dense(24, 6)
        self.b = nn.Dense(24, 6)
        self.p = nn.AvgPool1d(5, 1)

    def construct(self, x):
        f = ops.tile(x[:, 0:1], (1, 2, 1))
        e = ops.tile(x[:, -1:], (1, 2, 1))
        t = self.p(ops.cat((f, x, e), 1).swapaxes(1, 2)).swapaxes(1, 2)
        r = x - t
        return (self.a(t.swapaxes(1, 2)) + self.b(r.swapaxes(1, 2))).swapaxes(1, 2)


@net(X(2, 12, 4))
class LSTMForecast(nn.Cell):
    def __init__(self):
        super().__init__()
        self.l = nn.LSTM(4, 8, 1, batch_first=True)
        self.c = nn.LSTMCell(8, 8)
        self.fc = nn.Dense(8, 1)

    def construct(self, x):
        h0 = ops.zeros((1, x.shape[0], 8), f32)
        y, (h, c) = self.l(x, (h0, h0))
        hh = h[0]
        cc = c[0]
        o = []
        for k in range(3):
            hh, cc = self.c(hh, (hh, cc))
            o.append(self.fc(hh))
        return ops.stack(o, 1)


@net(X(2, 16, 4), tol={"atol": 1e-3, "rtol": 1e-3})
class InformerAttn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.q = nn.Dense(4, 8)
        self.k = nn.Dense(4, 8)
        self.v = nn.Dense(4, 8)

    def construct(self, x):
        q = self.q(x)
        k = self.k(x)
        v = self.v(x)
        sc = ops.bmm(q, k.swapaxes(1, 2))
        M = sc.max(-1) - sc.mean(-1)
        top = ops.topk(M, 4)[1]
        qr = ops.gather_elements(q, 1, ops.broadcast_to(top.expand_dims(-1), (2, 4, 8)).astype(ms.int64))
        a = ops.softmax(ops.bmm(qr, k.swapaxes(1, 2)), -1)
        u = ops.bmm(a, v)
        ctx = ops.broadcast_to(v.mean(1, keep_dims=True), (2, 16, 8))
        return ops.tensor_scatter_elements(ctx, ops.broadcast_to(top.expand_dims(-1), (2, 4, 8)).astype(ms.int64), u, 1), v.cumsum(1)


# ---------- control flow
@net(X(3, 4), Tensor(5, i32))
class WhileBreak(nn.Cell):
    def __init__(self):
        super().__init__()
        self.fc = nn.Dense(4, 4)

    def construct(self, x, n):
        i = Tensor(0, i32)
        while i < n:
            x = self.fc(x)
            if x.sum() > 3:
                break
            i = i + 1
        return x, i


@net(X(3, 4), Tensor(6, i32))
class WhileContinue(nn.Cell):
    def construct(self, x, n):
        i = Tensor(0, i32)
        while i < n:
            i = i + 1
            if i % 2 == 0:
                continue
            x = x + i
        return x, i


@net(X(3, 4), Tensor(3, i32))
class NestedWhile(nn.Cell):
    def construct(self, x, n):
        i = Tensor(0, i32)
        while i < n:
            j = Tensor(0, i32)
            while j < i:
                x = x * 1.5 + j
                j = j + 1
            if x.mean() > 2:
                x = x - 1
            else:
                x = x + 0.25
            i = i + 1
        return x


@net(X(3, 4))
class IfReturn(nn.Cell):
    def construct(self, x):
        m = x.mean()
        if m > 0.5:
            return x * 2
        if m > 0.0:
            y = x + 1
        elif m > -0.1:
            y = x - 3
        else:
            y = ops.relu(x)
        if y.sum() > 3:
            return y - 1
        return y * 3


@net(X(2, 6), Tensor(4, i32), tol={"atol": 1e-3, "rtol": 1e-3})
class GreedyDecode(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c = nn.GRUCell(6, 6)
        self.fc = nn.Dense(6, 9)
        self.e = nn.Embedding(9, 6)

    def construct(self, h, n):
        tok = ops.zeros((2,), i32)
        out = ops.zeros((2, 8), i32)
        i = Tensor(0, i32)
        while i < n:
            h = self.c(self.e(tok), h)
            tok = ops.argmax(self.fc(h), -1).astype(i32)
            oh = (ops.arange(8) == i).astype(i32)
            out = out * (1 - oh) + tok.expand_dims(1) * oh
            i = i + 1
        return out, h


@net(X(3, 4), Tensor(2, i32))
class WhileReturn(nn.Cell):
    def construct(self, x, n):
        i = Tensor(0, i32)
        while i < 10:
            if i > n:
                return x * i
            x = x + 1
            i = i + 1
        return x


@net(X(3, 4), X(3, 4))
class ForBeam(nn.Cell):
    def construct(self, x, y):
        acc = []
        for k in range(4):
            if (x * k).sum() > y.sum():
                x = x - y
            else:
                x = x + y
            acc.append(x.max())
        return ops.stack(acc)


@net(X(2, 5, 4), dyn={0: (0, 1)})
class DynShapes(nn.Cell):
    def construct(self, x):
        b, l, d = x.shape
        y = x.reshape(b * l, d)
        m = ops.ones((b, l, 1), f32)
        p = ops.cat((x, m), -1)
        n = x.shape[1] // 2 + 1
        q = x[:, :n]
        return y, p.transpose(1, 0, 2).reshape(l, -1), q, x.reshape(b, -1, 2, d // 2).swapaxes(2, 3), x.sum((0, 1)) / (b * l), ops.tile(x[:, -1:], (1, 3, 1))


@net(X(6, 4), Tensor(np.array([1, 0, 1, 1, 0, 1], np.int32)))
class DynSelect(nn.Cell):
    def construct(self, x, m):
        y = ops.masked_select(x, m.astype(ms.bool_).expand_dims(-1))
        nz = ops.nonzero(m)
        return y.sum(), nz, ops.gather_nd(x, nz).mean(0)


# ---------- mint style
@net(X(2, 5, 8))
class MintAttn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.l = mint.nn.Linear(8, 24)

    def construct(self, x):
        q, k, v = mint.split(self.l(x), 8, dim=-1)
        a = mint.nn.functional.softmax(mint.matmul(q, mint.transpose(k, 1, 2)) / 2.5, dim=-1)
        y = mint.matmul(a, v)
        return y, mint.sum(y, dim=1, keepdim=True), mint.argmax(y, dim=-1), mint.where(y > 0, y, mint.zeros_like(y))


# ---------- fp16 / mixed
@net(Tensor(R.rand(2, 3, 16, 16).astype(np.float16)), tol={"atol": 2e-2, "rtol": 2e-2})
class FP16Conv(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, has_bias=True).to_float(ms.float16)
        self.bn = nn.BatchNorm2d(8)
        self.fc = nn.Dense(8, 4).to_float(ms.float16)

    def construct(self, x):
        y = ops.relu(self.bn(self.c(x).astype(f32)))
        return self.fc(y.mean((2, 3)))


@net(I(50, 2, 7), I(50, 2, 5), dyn={0: (0, 1), 1: (0, 1)})
class SeqDyn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(50, 16)
        self.g = nn.GRU(16, 8, batch_first=True)
        self.d = nn.Dense(8, 4)

    def construct(self, a, b):
        x = self.e(a).sum(1)
        y = self.e(b).max(1)
        return self.d((x * y)[:, :8]), x @ y.T


@net(X(1, 2, 10, 10), dyn={0: (0,)})
class Conv1dStack(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(2, 4, 3, stride=2, pad_mode="pad", padding=1, group=2, has_bias=True)
        self.bn = nn.BatchNorm2d(4, eps=1e-3)
        self.p = nn.AvgPool2d(2, 2, pad_mode="same")

    def construct(self, x):
        y = self.p(self.bn(self.c(x)))
        return ops.flatten(y), y.shape[0] * 2 + x.sum()


@net(X(2, 8, 6), I(6, 2))
class PointerNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.l = nn.LSTMCell(6, 6)
        self.a = nn.Dense(6, 6)

    def construct(self, x, i):
        h = ops.zeros((2, 6), f32)
        c = ops.zeros((2, 6), f32)
        for t in range(8):
            h, c = self.l(x[:, t], (h, c))
        w = ops.softmax(ops.matmul(x, self.a(h).expand_dims(-1)).squeeze(-1), 1)
        return w, ops.one_hot(i, 6, Tensor(1.0, f32), Tensor(0.0, f32)), ops.argmax(w, 1), ops.cumsum(w, 1), ops.sort(w, 1)[1]


@net(X(3, 4), X(4, 5), X(3, 5))
class Misc1(nn.Cell):
    def construct(self, a, b, c):
        y = ops.addmm(c, a, b, beta=0.5, alpha=2)
        z = ops.clamp(y, -1, 1)
        return (
            ops.norm(a),
            ops.logsumexp(y, 1),
            ops.var(a, axis=1, ddof=1),
            ops.std(a),
            ops.amax(y, 0),
            ops.median(a, 1)[0],
            ops.flip(a, (0, 1)),
            ops.roll(a, 1, 0) if False else a,
            ops.diff(a),
            ops.hstack((a, a)),
            ops.vstack((a, a)),
            ops.count_nonzero(z, 0),
            ops.nan_to_num(y, 0.0, 1.0, -1.0),
            ops.bernoulli(a, 0.0) if False else z,
            ops.prod(a, 1),
            ops.cosine_similarity(y, c, 1),
            ops.relu6(y),
            ops.hardtanh(y),
            ops.isclose(y, c),
            ops.dot(a, b),
            ops.t(a),
            ops.logical_and(a > 0, a < 0.5),
            ops.max(y, 1, True)[0],
        )


@net(X(2, 4, 6, 6), X(2, 4, 6, 6))
class Losses(nn.Cell):
    def __init__(self):
        super().__init__()
        self.m = nn.MSELoss()
        self.l1 = nn.L1Loss()
        self.s = nn.SmoothL1Loss()
        self.h = nn.HuberLoss() if hasattr(nn, "HuberLoss") else nn.L1Loss()
        self.b = nn.BCEWithLogitsLoss()
        self.ssim = nn.SSIM(filter_size=3) if hasattr(nn, "SSIM") else nn.L1Loss()

    def construct(self, a, b):
        return (
            self.m(a, b),
            self.l1(a, b),
            self.s(a, b),
            self.h(a, b),
            self.b(a, ops.sigmoid(b)),
            ops.cosine_embedding_loss(a[0, 0], b[0, 0], ops.ones((6,), f32)),
            ops.kl_div(a, ops.sigmoid(b)),
            ops.cross_entropy(a.reshape(2, 4, 36), ops.ones((2, 36), i32)),
        )


@net(X(2, 3, 20, 20))
class YoloX(nn.Cell):
    def __init__(self):
        super().__init__()
        self.f = nn.Conv2d(12, 8, 3)
        self.sp = nn.CellList([nn.MaxPool2d(k, 1, pad_mode="same") for k in (5, 9, 13)])
        self.o = nn.Conv2d(32, 6, 1, has_bias=True)

    def construct(self, x):
        y = ops.cat((x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]), 1)
        y = ops.silu(self.f(y))
        o = [y]
        for p in self.sp:
            o.append(p(y))
        y = self.o(ops.cat(o, 1))
        b, c, h, w = y.shape
        y = y.reshape(b, c, h * w).transpose(0, 2, 1)
        s = ops.sigmoid(y[..., 4:5]) * ops.softmax(y[..., 5:], -1)
        v, i = ops.max(s, -1)
        return ops.cat((y[..., :4], s), -1), v > 0.3, i


@net(X(1, 3, 24, 24))
class EfficientDet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = CBR(3, 8, 3, 2, nn.SiLU)
        self.b = CBR(8, 8, 3, 2, nn.SiLU)
        self.w = Parameter(Tensor(np.array([0.3, 0.7], np.float32)), name="w")
        self.up = nn.Upsample(scale_factor=2.0, mode="nearest", recompute_scale_factor=True) if hasattr(nn, "Upsample") else nn.Identity()

    def construct(self, x):
        a = self.a(x)
        b = self.b(a)
        w = ops.relu(self.w)
        w = w / (w.sum() + 1e-4)
        return w[0] * a + w[1] * self.up(b)


@net(X(2, 16, 4))
class Conformer(nn.Cell):
    def __init__(self):
        super().__init__()
        self.ln = nn.LayerNorm([4])
        self.pw = nn.Conv1d(4, 8, 1)
        self.dw = nn.Conv1d(4, 4, 3, pad_mode="same", group=4)
        self.bn = nn.BatchNorm1d(4)
        self.at = Attn(4, 2)

    def construct(self, x):
        y = self.ln(x).swapaxes(1, 2)
        y = ops.glu(self.pw(y), 1)
        y = self.dw(y)
        y = ops.silu(self.bn(y.swapaxes(1, 2).reshape(-1, 4)).reshape(2, 16, 4))
        return x + y + self.at(x, x, None)


@net(X(4, 6))
class VAE(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Dense(6, 8)
        self.m = nn.Dense(8, 2)
        self.v = nn.Dense(8, 2)
        self.d = nn.SequentialCell(nn.Dense(2, 8), nn.ELU(), nn.Dense(8, 6), nn.Sigmoid())

    def construct(self, x):
        h = ops.tanh(self.e(x))
        m = self.m(h)
        v = self.v(h)
        return self.d(m), m, ops.exp(0.5 * v)


@net(X(6, 4), I(6, 2, 10))
class GCN(nn.Cell):
    def __init__(self):
        super().__init__()
        self.w = nn.Dense(4, 8)
        self.a = nn.Dense(16, 1)

    def construct(self, x, ei):
        h = self.w(x)
        s = ei[0]
        d = ei[1]
        m = ops.gather(h, s, 0)
        agg = ops.tensor_scatter_add(ops.zeros((6, 8), f32), d.expand_dims(-1), m)
        deg = ops.unsorted_segment_sum(ops.ones((10,), f32), d, 6)
        e = ops.leaky_relu(self.a(ops.cat((ops.gather(h, s, 0), ops.gather(h, d, 0)), 1)), 0.2)
        mx = ops.unsorted_segment_max(e, d, 6)
        return ops.elu(agg / (deg + 1).expand_dims(-1)), e - ops.gather(mx, d, 0)


@net(X(2, 5, 4), Tensor(np.array([3, 5], np.int32)))
class Masked(nn.Cell):
    def construct(self, x, n):
        m = (ops.arange(5).expand_dims(0) < n.expand_dims(1)).astype(f32)
        y = x * m.expand_dims(-1)
        return y.sum(1) / n.expand_dims(-1), ops.reverse_sequence(x, n.astype(ms.int64), 1, 0), ops.sequence_mask(n, 5), ops.select(m > 0, m, -m)


@net(X(3, 4), Tensor(7, i32))
class SwitchIdx(nn.Cell):
    def __init__(self):
        super().__init__()
        self.b = nn.CellList([nn.Dense(4, 4), nn.Dense(4, 4), nn.Dense(4, 4)])

    def construct(self, x, n):
        y = self.b[n % 3](x)
        return y


@net(X(3, 4), Tensor(3, i32), Tensor(2, i32))
class NestedBreak(nn.Cell):
    def construct(self, x, n, m):
        i = Tensor(0, i32)
        s = ops.zeros((3, 4), f32)
        while i < 5:
            j = Tensor(0, i32)
            while j < 5:
                if j > m:
                    break
                s = s + x * j
                j = j + 1
                if s.sum() > 100:
                    return s
            if i > n:
                break
            i = i + 1
        return s - 1


@net(X(3, 4), Tensor(3, i32))
class GrowLoop(nn.Cell):
    def construct(self, x, n):
        i = Tensor(0, i32)
        acc = ops.zeros((3,), f32)
        while i < n:
            acc = acc * 0.5 + x.sum(1)
            for k in range(2):
                if acc.sum() > k:
                    acc = acc - 0.1 * k
            i += 1
        return acc, i * 2


@net(X(2, 3), X(2, 3))
class TupleArgs(nn.Cell):
    def construct(self, a, b):
        d = {"p": a + b, "q": a - b}
        l = [a, b, (a * b, a / (b + 3))]
        s = 0
        for v in d.values():
            s = s + v
        if a.sum() > b.sum():
            r = (l[0], l[2])
        else:
            r = (l[1], (b, a))
        return s, r[0], r[1][0], r[1][1]


@net(X(2, 2, 3, 4), dyn={0: (0, 1, 2, 3)})
class AllDyn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.fl = nn.Flatten()

    def construct(self, x):
        return (
            self.fl(x),
            ops.reduce_sum(x, (2, 3)) if hasattr(ops, "reduce_sum") else x,
            x.permute(0, 2, 3, 1),
            ops.concat((x, x), -1),
            ops.softmax(x, -1),
            x[:, 0],
            x[..., -1:],
            ops.relu(x) * ops.mean(x),
            ops.expand_dims(x, 0),
            ops.stack((x, x), 0),
            ops.squeeze(x[:1, :1, :1, :1]),
            x.reshape(-1),
            ops.shape(x)[1] * x,
            x.size if False else ops.ones_like(x),
            ops.pad(x, (1, 1)),
            ops.layer_norm(x, (4,), ops.ones((4,)), ops.zeros((4,))) if False else x,
        )


@net(X(5, 4))
class Int64Ops(nn.Cell):
    def construct(self, x):
        i = (x * 10).astype(ms.int64)
        j = (x * 10).astype(i32)
        u = (x.abs() * 10).astype(ms.uint8)
        k = (x * 10).astype(ms.int8)
        return (
            i // 3,
            j % 3,
            -(j // 2),
            u + u,
            k * k,
            i**2,
            j > i,
            ops.bitwise_and(j, 3),
            j / 2,
            i.sum(0),
            j.max(1),
            u.astype(f32) / 255,
            ops.relu(j),
            ops.abs(k),
            j.mean() if False else j,
            ops.minimum(i, 2),
            (x > 0).astype(i32).sum(),
            ops.floor_div(x, 0.3),
            x % 0.3,
            ops.clip_by_value(j, -2, 3),
            ops.where(x > 0, j, 0),
            i.astype(f32).cumsum(0),
            (x > 0).any(1),
            (x > -2).all(),
        )


@net(X(3, 4), X(3, 4))
class InplaceAdd_(nn.Cell):
    def construct(self, x, y):
        z = x * 2
        w = z * 3
        z.add_(y)
        return z + 1, w, z.mul_(y)


@net(X(3, 4), X(3, 4))
class SetItem(nn.Cell):
    def construct(self, x, y):
        z = x * 2
        z[0] = 1
        z[:, 1] = y[:, 0]
        z[1, 2] += 3
        z[z > 0.5] = 0
        return z, x


@net(X(3, 4), Tensor(2, i32))
class SetItemLoop(nn.Cell):
    def construct(self, x, n):
        out = ops.zeros((5, 4), f32)
        i = Tensor(0, i32)
        while i < n:
            out[i] = x[i] * 2
            i += 1
        return out


@net(X(3, 4))
class ParamConst(nn.Cell):
    def __init__(self):
        super().__init__()
        self.w = Parameter(Tensor(np.ones((3, 4), np.float32)), name="w")

    def construct(self, x):
        return x + self.w


@net(X(3, 4))
class ParamAssign(nn.Cell):
    def __init__(self):
        super().__init__()
        self.w = Parameter(Tensor(np.ones((3, 4), np.float32)), name="w", requires_grad=False)

    def construct(self, x):
        ops.assign(self.w, x + self.w)
        return self.w * 2


@net(X(2, 3, 8, 8))
class BNTrainStats(nn.Cell):
    def __init__(self):
        super().__init__()
        self.b = nn.BatchNorm2d(3, use_batch_statistics=True)
        self.i = nn.InstanceNorm2d(3)

    def construct(self, x):
        return self.b(x)


@net(X(2, 5, 4))
class FlashLike(nn.Cell):
    def construct(self, x):
        return (
            ops.einsum("bij,bkj->bik", x, x) if False else ops.matmul(x, x.swapaxes(1, 2)),
            ops.bmm(x, x.swapaxes(1, 2)),
            ops.tensor_dot(x, x, ((1, 2), (1, 2))),
            ops.outer(x[0, 0], x[1, 0]),
            ops.mm(x[0], x[1].T) if hasattr(ops, "mm") else x,
        )


@net(X(4, 7))
class LSTMPrim(nn.Cell):
    def __init__(self):
        super().__init__()
        self.l = P.LSTM(7, 5, 1, True, True, 0.0)
        self.w = Parameter(Tensor(R.uniform(-0.5, 0.5, (4 * 5 * (7 + 5 + 1) * 2, 1, 1)).astype(np.float32)), name="w")

    def construct(self, x):
        h = ops.zeros((2, 1, 5), f32)
        y = self.l(x.expand_dims(1), h, h, self.w)
        return y[0], y[1], y[2]


@net(X(4, 7))
class LSTMPrim2(nn.Cell):
    def __init__(self):
        super().__init__()
        self.l = P.LSTM(5, 5, 2, True, False, 0.0)
        self.w = Parameter(Tensor(R.uniform(-0.5, 0.5, (4 * 5 * (5 + 5 + 1) * 2, 1, 1)).astype(np.float32)), name="w")

    def construct(self, x):
        h = ops.zeros((2, 1, 5), f32)
        y = self.l(x[:, :5].expand_dims(1), h, h, self.w)
        return y[0], y[1], y[2]


@net(X(2, 8, 16))
class Mamba(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = nn.Dense(16, 32)
        self.c = nn.Conv1d(16, 16, 4, pad_mode="pad", padding=3, group=16, has_bias=True)
        self.A = Parameter(Tensor(R.uniform(-1, 0, (16, 4)).astype(np.float32)), name="A")
        self.bc = nn.Dense(16, 8)
        self.dt = nn.Dense(16, 16)

    def construct(self, x):
        u, g = ops.split(self.a(x), 16, -1)
        u = ops.silu(self.c(u.swapaxes(1, 2))[:, :, :8].swapaxes(1, 2))
        B, C = ops.split(self.bc(u), 4, -1)
        d = ops.softplus(self.dt(u))
        h = ops.zeros((2, 16, 4), f32)
        o = []
        for t in range(8):
            h = h * ops.exp(d[:, t, :, None] * self.A) + d[:, t, :, None] * B[:, t, None] * u[:, t, :, None]
            o.append((h * C[:, t, None]).sum(-1))
        return ops.stack(o, 1) * ops.silu(g)


@net(X(1, 4, 8, 8))
class SwinWin(nn.Cell):
    def __init__(self):
        super().__init__()
        self.l = nn.Dense(4, 4)
        self.rb = Parameter(Tensor(R.randn(49, 2).astype(np.float32)), name="rb")
        self.ix = Tensor(R.randint(0, 49, (16, 16)).astype(np.int32))

    def construct(self, x):
        x = x.transpose(0, 2, 3, 1)
        x = mint.roll(x, (-2, -2), (1, 2)) if False else ops.cat((x[:, 2:], x[:, :2]), 1)
        w = x.reshape(1, 2, 4, 2, 4, 4).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 16, 4)
        q = self.l(w).reshape(4, 16, 2, 2).transpose(0, 2, 1, 3)
        a = q @ q.swapaxes(-2, -1) + self.rb[self.ix.reshape(-1)].reshape(16, 16, 2).transpose(2, 0, 1)
        a = ops.softmax(a)
        y = (a @ q).swapaxes(1, 2).reshape(4, 16, 4)
        return y.reshape(1, 2, 2, 4, 4, 4).transpose(0, 1, 3, 2, 4, 5).reshape(1, 8, 8, 4)


@net(X(3, 10), Tensor(np.array([2, 7, 1], np.int32)))
class CTCish(nn.Cell):
    def construct(self, x, l):
        lp = ops.log_softmax(x, -1)
        p = ops.argmax(lp, 1)
        keep = ops.not_equal(p, 0)
        s = ops.gather_elements(lp, 1, p.expand_dims(1).astype(ms.int64))
        return p, keep, s.squeeze(1), ops.nll_loss(lp, l), ops.unique(l)[0] if False else l, ops.searchsorted(x.sort(1)[0], x), ops.bincount(l) if False else l


@net(X(2, 6, 5))
class MathMix(nn.Cell):
    def construct(self, x):
        a = ops.abs(x) + 0.1
        return (
            ops.pow(a, 0.5),
            a**2,
            2**x,
            ops.log2(a),
            ops.log10(a),
            ops.atan2(x, a),
            ops.hypot(x, a),
            ops.lerp(x, a, 0.3),
            ops.frac(x * 3),
            ops.trunc(x * 3),
            ops.fmod(x, 0.3),
            ops.remainder(x, 0.3),
            ops.floor_mod(x, a),
            ops.square(x),
            ops.reciprocal(a),
            ops.rsqrt(a),
            ops.exp2(x),
            ops.expm1(x),
            ops.sinc(x),
            ops.erfinv(x * 0.9),
            ops.logit(ops.sigmoid(x)),
            ops.celu(x),
            ops.selu(x),
            ops.softshrink(x),
            ops.hardshrink(x),
            ops.threshold(x, 0.1, -1.0),
            ops.mish(x),
            ops.tanhshrink(x),
            ops.logsigmoid(x),
            ops.swapaxes(x, 0, 2),
            ops.rot90(x, 1, (1, 2)),
            ops.trace(x[0]),
            ops.diagonal(x[0]),
            ops.diag(x[0, 0]),
            ops.triu(x[0]),
            ops.std(x, 1),
            ops.xlogy(a, a),
            ops.copysign(x, a) if False else x,
            ops.heaviside(x, a),
            ops.aminmax(x) if False else x,
            ops.cdist(x, x),
            ops.gcd(Tensor([4, 6]), Tensor([6, 9])) if False else x,
        )
