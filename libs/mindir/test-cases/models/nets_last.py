"""More detection, segmentation, sequence and recommender nets in the style of the official model repository."""
import numpy as np
import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from registry import boolean, f16, f32, given, i32, i64, net
from nets_vision import ConvBn


@net("cascade_anchor_free", f32(1, 4, 12, 16), dynamic={0: (2, 3)}, runs=[[f32(1, 4, 6, 9)]])
class AnchorFreeDynamic(nn.Cell):
    """Points of a feature map whose size is open."""
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 5, 3, pad_mode="pad", padding=1, has_bias=True)

    def construct(self, x):
        y = self.conv(x)
        b, c, h, w = y.shape
        ys = ops.arange(0, h).astype(ms.float32)
        xs = ops.arange(0, w).astype(ms.float32)
        gx = ops.tile(xs.reshape(1, -1), (h, 1))
        gy = ops.tile(ys.reshape(-1, 1), (1, w))
        p = ops.stack((gx, gy), -1).reshape(-1, 2)
        flat = y.transpose(0, 2, 3, 1).reshape(b, h * w, c)
        return ops.sigmoid(flat[..., 4:]), p.expand_dims(0) + flat[..., :2]


@net("retina_multi_scale_topk", f32(1, 40, 3), f32(1, 40, 4))
class RetinaPost(nn.Cell):
    def __init__(self):
        super().__init__()
        self.topk = ops.TopK(sorted=True)

    def construct(self, logits, boxes):
        scores = ops.sigmoid(logits).reshape(1, -1)
        values, index = self.topk(scores, 12)
        anchor = index // 3
        label = index % 3
        picked = ops.gather_elements(boxes, 1, ops.tile(anchor.expand_dims(-1), (1, 1, 4)).astype(ms.int64))
        offset = label.astype(ms.float32).expand_dims(-1) * 100
        return picked + offset, values, label


@net("nms_loop", f32(8, 4, lo=0, hi=10), f32(8, lo=0, hi=1))
class NmsLoop(nn.Cell):
    """Greedy suppression in a while loop over sorted boxes."""
    def construct(self, xywh, scores):
        boxes = ops.concat((xywh[:, :2], xywh[:, :2] + xywh[:, 2:] * 0.6 + 1), 1)
        order = ops.argsort(scores, descending=True)
        boxes = boxes[order]
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        keep = ops.ones((8,), ms.float32)
        pos = ops.arange(8).astype(ms.int32)
        i = Tensor(0, ms.int32)
        while i < 8:
            box = ops.gather(boxes, i, 0)
            lt = ops.maximum(boxes[:, :2], box[:2])
            rb = ops.minimum(boxes[:, 2:], box[2:])
            wh = ops.maximum(rb - lt, Tensor(0.0, ms.float32))
            inter = wh[:, 0] * wh[:, 1]
            iou = inter / (area + ops.gather(area, i, 0) - inter)
            drop = ops.logical_and(ops.logical_and(iou > 0.3, pos > i), ops.gather(keep, i, 0) > 0)
            keep = ops.select(drop, ops.zeros_like(keep), keep)
            i = i + 1
        return boxes, keep, order


@net("bisenet", f32(1, 3, 32, 32))
class BiSeNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.spatial = nn.SequentialCell([ConvBn(3, 8, 3, 2), ConvBn(8, 8, 3, 2)])
        self.context = nn.SequentialCell([ConvBn(3, 6, 3, 4), ConvBn(6, 8, 3, 2)])
        self.attention = nn.SequentialCell([nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.Sigmoid()])
        self.fuse = ConvBn(16, 8, 1)
        self.out = nn.Conv2d(8, 3, 1, has_bias=True)
        self.mean = ops.ReduceMean(keep_dims=True)

    def construct(self, x):
        s = self.spatial(x)
        c = self.context(x)
        c = c * self.attention(self.mean(c, (2, 3)))
        c = ops.ResizeBilinearV2(align_corners=True)(c, s.shape[2:]) if hasattr(ops, "ResizeBilinearV2") else ops.interpolate(c, size=s.shape[2:], mode="bilinear", align_corners=True)
        y = self.out(self.fuse(ops.concat((s, c), 1)))
        y = ops.interpolate(y, size=(32, 32), mode="bilinear", align_corners=False)
        return ops.softmax(y, 1).argmax(1).astype(ms.int32)


@net("segformer_block", f32(1, 16, 8))
class SegFormer(nn.Cell):
    """Attention over reduced keys, mix feed-forward with a depthwise conv."""
    def __init__(self):
        super().__init__()
        self.q = nn.Dense(8, 8)
        self.kv = nn.Dense(8, 16)
        self.sr = nn.Conv2d(8, 8, 2, 2, has_bias=True)
        self.norm = nn.LayerNorm((8,))
        self.fc1 = nn.Dense(8, 16)
        self.dw = nn.Conv2d(16, 16, 3, group=16, pad_mode="pad", padding=1, has_bias=True)
        self.fc2 = nn.Dense(16, 8)

    def construct(self, x):
        b, n, c = x.shape
        q = self.q(x).reshape(b, n, 2, 4).transpose(0, 2, 1, 3)
        y = x.transpose(0, 2, 1).reshape(b, c, 4, 4)
        y = self.norm(self.sr(y).reshape(b, c, -1).transpose(0, 2, 1))
        kv = self.kv(y).reshape(b, -1, 2, 2, 4).transpose(2, 0, 3, 1, 4)
        att = ops.softmax(ops.matmul(q, kv[0].transpose(0, 1, 3, 2)) * 0.5, -1)
        x = x + ops.matmul(att, kv[1]).transpose(0, 2, 1, 3).reshape(b, n, c)
        h = self.fc1(x).transpose(0, 2, 1).reshape(b, 16, 4, 4)
        h = self.dw(h).reshape(b, 16, -1).transpose(0, 2, 1)
        return x + self.fc2(ops.gelu(h))


@net("unet_plus_plus", f32(1, 1, 16, 16))
class UNetPlus(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c00, self.c10, self.c20 = ConvBn(1, 4), ConvBn(4, 6), ConvBn(6, 8)
        self.pool = nn.MaxPool2d(2, 2)
        self.u10, self.u20, self.u11 = [nn.Conv2dTranspose(a, b, 2, 2) for a, b in ((6, 4), (8, 6), (6, 4))]
        self.c01, self.c11, self.c02 = ConvBn(8, 4), ConvBn(12, 6), ConvBn(12, 4)
        self.f1, self.f2 = nn.Conv2d(4, 2, 1, has_bias=True), nn.Conv2d(4, 2, 1, has_bias=True)

    def construct(self, x):
        x00 = self.c00(x)
        x10 = self.c10(self.pool(x00))
        x01 = self.c01(ops.concat((x00, self.u10(x10)), 1))
        x20 = self.c20(self.pool(x10))
        x11 = self.c11(ops.concat((x10, self.u20(x20)), 1))
        x02 = self.c02(ops.concat((x00, x01, self.u11(x11)), 1))
        return (self.f1(x01) + self.f2(x02)) / 2.0, ops.stack((self.f1(x01), self.f2(x02)), 0).mean(0)


@net("ernie_token_types", i64(2, 8, lo=0, hi=20), i64(2, 8, lo=0, hi=2), i64(2, 8, lo=0, hi=2))
class Ernie(nn.Cell):
    def __init__(self):
        super().__init__()
        self.word, self.kind, self.pos = nn.Embedding(20, 8), nn.Embedding(2, 8), nn.Embedding(16, 8)
        self.norm = nn.LayerNorm([8], epsilon=1e-12)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.fc = nn.Dense(8, 2)

    def construct(self, ids, types, mask):
        p = ops.broadcast_to(ops.arange(8).expand_dims(0), ids.shape)
        x = self.norm(self.word(ids) + self.kind(types) + self.pos(p))
        bias = (1.0 - mask.astype(ms.float32)) * -1e4
        y, w = self.attn(x, x, x, attn_mask=ops.tile(bias.reshape(2, 1, 1, 8), (1, 2, 8, 1)).reshape(4, 8, 8))
        return self.fc(y[:, 0]), w


@net("lstm_attention_stack", i32(2, 6, lo=0, hi=20))
class LstmAttention(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(20, 6)
        self.l1 = nn.LSTM(6, 5, batch_first=True, bidirectional=True)
        self.l2 = nn.GRU(10, 4, num_layers=2, batch_first=True)
        self.w = Parameter(Tensor(np.zeros((4, 1), np.float32)), name="w")
        self.fc = nn.Dense(4, 3)

    def construct(self, ids):
        x, _ = self.l1(self.e(ids))
        x, h = self.l2(ops.tanh(x))
        a = ops.softmax(ops.matmul(ops.tanh(x), self.w), 1)
        return self.fc((x * a).sum(axis=1)), h[-1], ops.squeeze(a, -1) if hasattr(ops, "squeeze") else a


@net("tacotron_prenet_cbhg", f32(2, 8, 5))
class Cbhg(nn.Cell):
    """Conv banks, max pool with stride one, highway layers, GRU."""
    def __init__(self):
        super().__init__()
        self.bank = nn.CellList([nn.Conv1d(5, 4, k, pad_mode="same", has_bias=True) for k in (1, 2, 3)])
        self.pool = nn.MaxPool1d(2, 1, pad_mode="same")
        self.project = nn.Conv1d(12, 5, 3, pad_mode="same", has_bias=True)
        self.h = nn.Dense(5, 5)
        self.t = nn.Dense(5, 5)
        self.gru = nn.GRU(5, 3, batch_first=True, bidirectional=True)

    def construct(self, x):
        y = x.transpose(0, 2, 1)
        outs = []
        for conv in self.bank:
            outs.append(ops.relu(conv(y)))
        y = self.project(self.pool(ops.concat(outs, axis=1)))
        y = y.transpose(0, 2, 1) + x
        t = ops.sigmoid(self.t(y))
        y = ops.relu(self.h(y)) * t + y * (1 - t)
        return self.gru(y)[0]


@net("ple_multitask", i32(4, 3, lo=0, hi=10), f32(4, 2))
class Ple(nn.Cell):
    def __init__(self):
        super().__init__()
        self.tables = nn.CellList([nn.Embedding(10, 3) for _ in range(3)])
        self.shared = nn.CellList([nn.SequentialCell([nn.Dense(11, 6), nn.ReLU()]) for _ in range(2)])
        self.special = nn.CellList([nn.SequentialCell([nn.Dense(11, 6), nn.ReLU()]) for _ in range(2)])
        self.gates = nn.CellList([nn.Dense(11, 3) for _ in range(2)])
        self.heads = nn.CellList([nn.Dense(6, 1) for _ in range(2)])

    def construct(self, ids, dense):
        parts = []
        for i, table in enumerate(self.tables):
            parts.append(table(ids[:, i]))
        x = ops.concat(parts + [dense], 1)
        outs = []
        for i in range(2):
            experts = ops.stack([self.shared[0](x), self.shared[1](x), self.special[i](x)], 1)
            g = ops.softmax(self.gates[i](x), -1).expand_dims(1)
            outs.append(ops.sigmoid(self.heads[i](ops.bmm(g, experts).squeeze(1))))
        return outs[0], outs[0] * outs[1]


@net("lightgcn", i32(3, lo=0, hi=4), i32(3, lo=0, hi=5))
class LightGcn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.user = Parameter(Tensor(np.zeros((4, 3), np.float32)), name="user")
        self.item = Parameter(Tensor(np.zeros((5, 3), np.float32)), name="item")
        a = (np.random.RandomState(3).rand(9, 9) > .6).astype(np.float32)
        self.adj = Tensor(((a + a.T) / (a.sum(0) + a.sum(1) + 1)).astype(np.float32))

    def construct(self, u, i):
        x = ops.concat((self.user, self.item), 0)
        layers = [x]
        for _ in range(2):
            x = ops.matmul(self.adj, x)
            layers.append(x)
        x = ops.stack(layers, axis=1).mean(axis=1)
        users, items = ops.split(x, [4, 5], axis=0) if not hasattr(ops, "SplitV") else (x[:4], x[4:])
        return (ops.gather(users, u, 0) * ops.gather(items, i, 0)).sum(-1), ops.matmul(users, items.T)


@net("masknet_senet_gate", i32(4, 5, lo=0, hi=20), f16(4, 3), tolerance=4e-3)
class MaskNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(20, 4)
        self.ln = nn.LayerNorm((4,), begin_norm_axis=-1)
        self.mask = nn.SequentialCell([nn.Dense(23, 8), nn.ReLU(), nn.Dense(8, 20)])
        self.fc = nn.Dense(20, 1)

    def construct(self, ids, dense):
        e = self.ln(self.e(ids)).reshape(4, -1)
        m = self.mask(ops.concat((e, dense.astype(ms.float32)), 1))
        return ops.sigmoid(self.fc(e * m)).astype(ms.float16), ops.round(m * 4) / 4


@net("bst_transformer_rec", i32(2, 6, lo=0, hi=15), i32(2, lo=0, hi=15))
class Bst(nn.Cell):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(15, 8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.fc = nn.SequentialCell([nn.Dense(56, 16), nn.LeakyReLU(), nn.Dense(16, 1), nn.Sigmoid()])

    def construct(self, history, item):
        x = ops.concat((self.e(history), self.e(item).expand_dims(1)), 1)
        return self.fc(self.encoder(x).reshape(x.shape[0], -1))
