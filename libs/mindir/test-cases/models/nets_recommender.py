"""Click models, retrieval, tables, graphs."""
import math

import numpy as np
import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from registry import boolean, f32, given, i32, i64, net


class DenseLayer(nn.Cell):
    def __init__(self, cin, cout, act="relu", bn=False):
        super().__init__()
        self.weight = Parameter(Tensor(np.zeros((cin, cout), np.float32)), name="weight")
        self.bias = Parameter(Tensor(np.zeros(cout, np.float32)), name="bias")
        self.act = nn.get_activation(act) if act else None
        self.matmul = ops.MatMul(transpose_b=False)
        self.bias_add = ops.BiasAdd()
        self.bn = nn.BatchNorm1d(cout) if bn else None

    def construct(self, x):
        x = self.bias_add(self.matmul(x, self.weight), self.bias)
        if self.bn is not None:
            x = self.bn(x)
        return self.act(x) if self.act is not None else x


def tower(*sizes, bn=False):
    return nn.SequentialCell([DenseLayer(a, b, bn=bn) for a, b in zip(sizes, sizes[1:])])


@net("wide_and_deep", i32(4, 6, lo=0, hi=50), f32(4, 6, lo=0, hi=1))
class WideDeep(nn.Cell):
    def __init__(self):
        super().__init__()
        self.wide_w = Parameter(Tensor(np.zeros((50, 1), np.float32)), name="Wide_w")
        self.wide_b = Parameter(Tensor(np.zeros(1, np.float32)), name="Wide_b")
        self.table = Parameter(Tensor(np.zeros((50, 4), np.float32)), name="V_l2")
        self.deep = tower(24, 16, 8)
        self.last = DenseLayer(8, 1, act=None)
        self.gather = ops.Gather()
        self.mul = ops.Mul()
        self.sum_false = ops.ReduceSum(keep_dims=False)
        self.reshape = ops.Reshape()
        self.sigmoid = ops.Sigmoid()

    def construct(self, ids, values):
        mask = self.reshape(values, (4, 6, 1))
        wide = self.gather(self.wide_w, ids, 0)
        wide = self.reshape(self.sum_false(self.mul(wide, mask), 1) + self.wide_b, (-1, 1))
        deep = self.mul(self.gather(self.table, ids, 0), mask)
        deep = self.last(self.deep(self.reshape(deep, (-1, 24))))
        out = wide + deep
        return out, self.sigmoid(out)


@net("deepfm", i32(4, 5, lo=0, hi=40), f32(4, 5, lo=0, hi=1))
class DeepFm(nn.Cell):
    def __init__(self):
        super().__init__()
        self.w = Parameter(Tensor(np.zeros((40, 1), np.float32)), name="FM_W")
        self.v = Parameter(Tensor(np.zeros((40, 4), np.float32)), name="V")
        self.deep = nn.SequentialCell([DenseLayer(20, 12), DenseLayer(12, 8)])
        self.out = DenseLayer(8, 1, act=None)
        self.embedding = ops.Gather()

    def construct(self, ids, values):
        mask = ops.expand_dims(values, 2)
        linear = ops.ReduceSum()(self.embedding(self.w, ids, 0) * mask, 1)
        vx = self.embedding(self.v, ids, 0) * mask
        v1 = ops.Square()(ops.ReduceSum()(vx, 1))
        v2 = ops.ReduceSum()(ops.Square()(vx), 1)
        fm = 0.5 * ops.ReduceSum(keep_dims=True)(v1 - v2, 1)
        deep = self.out(self.deep(ops.reshape(vx, (-1, 20))))
        return ops.sigmoid(linear + fm + deep)


@net("deepfm_dynamic_batch", i32(4, 5, lo=0, hi=40), f32(4, 5, lo=0, hi=1), dynamic={0: (0,), 1: (0,)}, runs=[[i32(1, 5, lo=0, hi=40), f32(1, 5)], [i32(7, 5, lo=0, hi=40), f32(7, 5)]])
class DeepFmDynamic(DeepFm):
    pass


class CrossLayer(nn.Cell):
    def __init__(self, n):
        super().__init__()
        self.w = Parameter(Tensor(np.zeros((n, 1), np.float32)), name="cross_weight")
        self.b = Parameter(Tensor(np.zeros((n, 1), np.float32)), name="cross_bias")
        self.bmm = ops.BatchMatMul()
        self.tdot = ops.MatMul()

    def construct(self, x0, x):
        x = ops.expand_dims(x, 2)
        a = ops.expand_dims(x0, 2)
        y = self.bmm(a, ops.transpose(x, (0, 2, 1)))
        y = ops.tensor_dot(y, self.w, ((2,), (0,))) + self.b + x
        return ops.squeeze(y, 2) if False else ops.Squeeze(2)(y)


@net("deep_and_cross", i32(3, 4, lo=0, hi=30), f32(3, 5))
class Dcn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(30, 3)
        self.cross = nn.CellList([CrossLayer(17), CrossLayer(17)])
        self.deep = tower(17, 16, 8, bn=True)
        self.last = nn.Dense(25, 1)

    def construct(self, cat, dense):
        e = self.table(cat)
        x0 = ops.concat((e.view(e.shape[0], -1), dense), 1)
        x = x0
        for layer in self.cross:
            x = layer(x0, x)
        return ops.sigmoid(self.last(ops.concat((x, self.deep(x0)), -1))).reshape(-1)


@net("dcn_v2_einsum", f32(4, 10))
class DcnV2(nn.Cell):
    def __init__(self):
        super().__init__()
        self.u = Parameter(Tensor(np.zeros((10, 3), np.float32)), name="u")
        self.v = Parameter(Tensor(np.zeros((3, 10), np.float32)), name="v")
        self.b = Parameter(Tensor(np.zeros(10, np.float32)), name="b")

    def construct(self, x0):
        x = x0
        for _ in range(2):
            x = x0 * (ops.matmul(ops.matmul(x, self.u), self.v) + self.b) + x
        return x


class Dice(nn.Cell):
    def __init__(self, n):
        super().__init__()
        self.bn = nn.BatchNorm1d(n, affine=False)
        self.alpha = Parameter(Tensor(np.zeros(n, np.float32)), name="alpha")

    def construct(self, x):
        p = ops.sigmoid(self.bn(x))
        return p * x + (1 - p) * self.alpha * x


@net("din", i32(3, lo=0, hi=20), i32(3, 6, lo=0, hi=20), i32(3, lo=1, hi=7))
class Din(nn.Cell):
    """Attention of the candidate over the history, masked by lengths."""
    def __init__(self):
        super().__init__()
        self.items = nn.Embedding(20, 4)
        self.att = nn.SequentialCell([nn.Dense(16, 8), nn.Sigmoid(), nn.Dense(8, 1)])
        self.fc1 = nn.Dense(12, 8)
        self.dice = Dice(8)
        self.prelu = nn.PReLU(1, w=0.25)
        self.fc2 = nn.Dense(8, 1)

    def construct(self, item, history, length):
        q = self.items(item)
        k = self.items(history)
        qs = ops.tile(q.expand_dims(1), (1, 6, 1))
        scores = self.att(ops.concat((qs, k, qs - k, qs * k), -1)).squeeze(-1)
        mask = ops.arange(6).expand_dims(0) < length.expand_dims(1)
        scores = ops.where(mask, scores, ops.ones_like(scores) * (-2 ** 31 + 1.0)) / math.sqrt(4)
        pooled = ops.bmm(ops.softmax(scores, -1).expand_dims(1), k).squeeze(1)
        x = self.dice(self.fc1(ops.concat((q, pooled, q * pooled), 1)))
        return ops.sigmoid(self.fc2(self.prelu(x)))


@net("sequence_mask_pooling", i32(3, 6, lo=1, hi=20), i32(3, lo=1, hi=7), only="2.10")
class MaskedPooling(nn.Cell):
    def __init__(self):
        super().__init__()
        self.items = nn.Embedding(20, 4)

    def construct(self, history, length):
        e = self.items(history)
        mask = ops.sequence_mask(length, 6).astype(ms.float32)
        return (e * mask.expand_dims(-1)).sum(1) / mask.sum(1, keepdims=True)


@net("ncf", i32(5, lo=0, hi=30), i32(5, lo=0, hi=40))
class Ncf(nn.Cell):
    def __init__(self):
        super().__init__()
        self.user_mf = nn.Embedding(30, 4)
        self.item_mf = nn.Embedding(40, 4)
        self.user_mlp = nn.Embedding(30, 8)
        self.item_mlp = nn.Embedding(40, 8)
        self.mlp = nn.SequentialCell([nn.Dense(16, 8, activation="relu"), nn.Dense(8, 4, activation="relu")])
        self.logits = nn.Dense(8, 1)
        self.concat = ops.Concat(axis=1)
        self.squeeze = ops.Squeeze(axis=1)

    def construct(self, user, item):
        mf = self.user_mf(user) * self.item_mf(item)
        mlp = self.mlp(self.concat((self.user_mlp(user), self.item_mlp(item))))
        return self.squeeze(self.logits(self.concat((mf, mlp))))


@net("two_tower", i64(4, lo=0, hi=30), f32(4, 6), i64(6, lo=0, hi=40))
class TwoTower(nn.Cell):
    """User and item vectors of unit length, cosine scores, the best three."""
    def __init__(self):
        super().__init__()
        self.users = nn.Embedding(30, 8)
        self.items = nn.Embedding(40, 8)
        self.user_tower = nn.SequentialCell([nn.Dense(14, 12), nn.ReLU(), nn.Dense(12, 8)])
        self.item_tower = nn.SequentialCell([nn.Dense(8, 12), nn.ReLU(), nn.Dense(12, 8)])
        self.norm = ops.L2Normalize(axis=-1)
        self.topk = ops.TopK(sorted=True)

    def construct(self, user, features, items):
        u = self.norm(self.user_tower(ops.concat((self.users(user), features), -1)))
        v = self.item_tower(self.items(items))
        v = v / ops.norm(v, dim=-1, keepdim=True) if False else v / ops.sqrt(ops.reduce_sum(ops.square(v), -1).expand_dims(-1))
        scores = ops.MatMul(transpose_b=True)(u, v) / 0.05
        best, order = self.topk(scores, 3)
        return u, best, ops.gather(items, order, 0)


@net("multi_hot_fields", i32(4, lo=0, hi=5), f32(4, 6, lo=0, hi=2), i32(4, 3, lo=0, hi=8))
class MultiHot(nn.Cell):
    """One-hot, multi-hot by matmul, and a multi-valued field counted by scatter."""
    def __init__(self):
        super().__init__()
        self.one_hot = nn.OneHot(axis=-1, depth=5)
        self.table = Parameter(Tensor(np.zeros((6, 4), np.float32)), name="table")
        self.fc = nn.Dense(17, 2)

    def construct(self, cat, multi, tags):
        a = self.one_hot(cat)
        b = ops.matmul((multi > 1).astype(ms.float32), self.table)
        c = ops.one_hot(tags, 8, Tensor(1.0, ms.float32), Tensor(0.0, ms.float32)).sum(1)
        return self.fc(ops.concat((a, b, c), 1))


@net("xdeepfm_cin", f32(3, 5, 4))
class Cin(nn.Cell):
    def __init__(self):
        super().__init__()
        self.w1 = nn.Conv1d(25, 6, 1, has_bias=True)
        self.w2 = nn.Conv1d(30, 6, 1, has_bias=True)
        self.fc = nn.Dense(12, 1)

    def construct(self, x):
        b, m, d = x.shape
        z = (x.expand_dims(2) * x.expand_dims(1)).reshape(b, m * m, d)
        h1 = ops.relu(self.w1(z))
        z = ops.mul(ops.expand_dims(x, 2), ops.expand_dims(h1, 1)).reshape(b, m * 6, d)
        h2 = ops.relu(self.w2(z))
        return self.fc(ops.concat((h1.sum(-1), h2.sum(-1)), 1))


@net("autoint", i32(3, 5, lo=0, hi=20))
class AutoInt(nn.Cell):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, 4)
        self.wq = nn.Dense(4, 6, has_bias=False)
        self.wk = nn.Dense(4, 6, has_bias=False)
        self.wv = nn.Dense(4, 6, has_bias=False)
        self.wr = nn.Dense(4, 6, has_bias=False)
        self.fc = nn.Dense(30, 1)

    def construct(self, ids):
        x = self.table(ids)
        q, k, v = ops.stack(ops.split(self.wq(x), 3, axis=2)), ops.stack(ops.split(self.wk(x), 3, axis=2)), ops.stack(ops.split(self.wv(x), 3, axis=2))
        att = ops.softmax(ops.matmul(q, k.transpose(0, 1, 3, 2)), -1)
        y = ops.concat(ops.unbind(ops.matmul(att, v)), -1) if hasattr(ops, "unbind") else ops.concat(ops.Unstack(0)(ops.matmul(att, v)), -1)
        return self.fc(ops.relu(y + self.wr(x)).flatten(start_dim=1))


@net("field_aware_fm", i32(3, 4, lo=0, hi=15))
class Ffm(nn.Cell):
    def __init__(self):
        super().__init__()
        self.v = Parameter(Tensor(np.zeros((15, 4, 3), np.float32)), name="v")

    def construct(self, ids):
        e = self.v[ids]
        total = 0.0
        for i in range(4):
            for j in range(i + 1, 4):
                total = total + (e[:, i, j] * e[:, j, i]).sum(-1)
        return ops.sigmoid(total)


@net("fibinet_bilinear", f32(3, 4, 5))
class FiBiNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.squeeze = nn.SequentialCell([nn.Dense(4, 2), nn.ReLU(), nn.Dense(2, 4), nn.ReLU()])
        self.w = nn.Dense(5, 5, has_bias=False)
        self.left = Tensor(np.array([0, 0, 0, 1, 1, 2], np.int32))
        self.right = Tensor(np.array([1, 2, 3, 2, 3, 3], np.int32))

    def construct(self, x):
        a = self.squeeze(ops.ReduceMean()(x, 2))
        x = x * a.expand_dims(-1)
        return ops.gather(self.w(x), self.left, 1) * ops.gather(x, self.right, 1)


@net("mmoe", f32(5, 8))
class Mmoe(nn.Cell):
    def __init__(self):
        super().__init__()
        self.experts = nn.CellList([nn.Dense(8, 6, activation="relu") for _ in range(3)])
        self.gates = nn.CellList([nn.SequentialCell([nn.Dense(8, 3), nn.Softmax()]) for _ in range(2)])
        self.towers = nn.CellList([nn.SequentialCell([nn.Dense(6, 4), nn.ReLU(), nn.Dense(4, 1), nn.Sigmoid()]) for _ in range(2)])

    def construct(self, x):
        outs = []
        for expert in self.experts:
            outs.append(expert(x))
        stacked = ops.stack(outs, 1)
        results = []
        for gate, t in zip(self.gates, self.towers):
            results.append(t((gate(x).expand_dims(-1) * stacked).sum(1)))
        return tuple(results)


@net("sasrec", i32(2, 8, lo=0, hi=25))
class SasRec(nn.Cell):
    def __init__(self):
        super().__init__()
        self.items = nn.Embedding(25, 8, padding_idx=0)
        self.positions = nn.Embedding(8, 8)
        self.q = nn.Dense(8, 8)
        self.k = nn.Dense(8, 8)
        self.v = nn.Dense(8, 8)
        self.norm = nn.LayerNorm((8,), epsilon=1e-8)
        self.conv1 = nn.Conv1d(8, 8, 1, has_bias=True)
        self.conv2 = nn.Conv1d(8, 8, 1, has_bias=True)
        self.causal = Tensor(np.tril(np.ones((8, 8), np.float32)))

    def construct(self, ids):
        keep = ops.cast(ids != 0, ms.float32).expand_dims(-1)
        x = (self.items(ids) * (8 ** 0.5) + self.positions(ops.arange(8))) * keep
        n = self.norm(x)
        att = ops.bmm(self.q(n), self.k(x).swapaxes(1, 2)) / (8 ** 0.5)
        att = ops.softmax(ops.masked_fill(att, self.causal == 0, float("-inf")), -1)
        x = n + ops.bmm(att, self.v(x))
        x = x + self.conv2(ops.relu(self.conv1(x.swapaxes(1, 2)))).swapaxes(1, 2)
        x = x * keep
        return ops.matmul(x[:, -1], self.items.embedding_table.swapaxes(0, 1))


@net("gru4rec_dien", i32(2, 5, lo=0, hi=20), i32(2, lo=0, hi=20))
class Dien(nn.Cell):
    """GRU over the history, attention as the update gate of a second loop."""
    def __init__(self):
        super().__init__()
        self.items = nn.Embedding(20, 4)
        self.gru = nn.GRU(4, 4, batch_first=True)
        self.gate = nn.Dense(8, 4)
        self.cand = nn.Dense(8, 4)
        self.out = nn.Dense(8, 2)

    def construct(self, history, item):
        h, _ = self.gru(self.items(history))
        q = self.items(item)
        att = ops.softmax((h * q.expand_dims(1)).sum(-1), 1)
        s = ops.zeros_like(q)
        for t in range(5):
            x = ops.concat((h[:, t], s), 1)
            u = att[:, t:t + 1] * ops.sigmoid(self.gate(x))
            s = (1 - u) * s + u * ops.tanh(self.cand(x))
        return ops.softmax(self.out(ops.concat((s, q), 1)), -1)


@net("tabular_mlp", f32(6, 9), i32(6, 2, lo=0, hi=4))
class Tabular(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = nn.Embedding(4, 2)
        self.b = nn.Embedding(4, 3)
        self.bn = nn.BatchNorm1d(9)
        self.body = nn.SequentialCell([nn.Dense(14, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(p=0.3), nn.Dense(16, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dense(8, 3)])

    def construct(self, x, cat):
        x = ops.concat((self.bn(x), self.a(cat[:, 0]), self.b(cat[:, 1])), axis=1)
        y = self.body(x)
        return ops.softmax(y, -1), ops.argmax(y, -1), ops.max(y, -1)[0] if isinstance(ops.max(y, -1), tuple) else y


@net("tabnet_step", f32(4, 6))
class TabNetStep(nn.Cell):
    """GLU blocks and sparsemax by sorting."""
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm1d(6)
        self.fc1 = nn.Dense(6, 12, has_bias=False)
        self.bn1 = nn.BatchNorm1d(12)
        self.att = nn.Dense(6, 6, has_bias=False)
        self.sort = ops.Sort(axis=-1, descending=True)
        self.k = Tensor(np.arange(1, 7, dtype=np.float32))

    def sparsemax(self, x):
        s, _ = self.sort(x)
        total = ops.cumsum(s, -1)
        support = (1 + self.k * s > total).astype(ms.float32)
        count = support.sum(-1, keepdims=True)
        tau = ((s * support).sum(-1, keepdims=True) - 1) / count
        return ops.maximum(x - tau, ops.zeros_like(x))

    def construct(self, x):
        x = self.bn(x)
        mask = self.sparsemax(self.att(x))
        h = self.bn1(self.fc1(x * mask))
        return h[:, :6] * ops.sigmoid(h[:, 6:]), mask, ops.sum(-mask * ops.log(mask + 1e-5), 1) if False else ops.reduce_sum(-mask * ops.log(mask + 1e-5), 1)


@net("gcn", f32(5, 6), given(np.eye(5) + np.eye(5, k=1) + np.eye(5, k=-1), "float32"))
class Gcn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.w1 = nn.Dense(6, 4, has_bias=False)
        self.w2 = nn.Dense(4, 3)

    def construct(self, x, adj):
        d = ops.rsqrt(adj.sum(-1))
        a = d.expand_dims(1) * adj * d.expand_dims(0)
        h = ops.relu(ops.matmul(a, self.w1(x)))
        return ops.log_softmax(ops.matmul(a, self.w2(h)), -1)


@net("gat_edges", f32(5, 4), given([[0, 1], [1, 2], [2, 3], [3, 4], [4, 0], [1, 0], [2, 1]], "int32"))
class Gat(nn.Cell):
    """Attention over an edge list: gather, segment sums by scatter."""
    def __init__(self):
        super().__init__()
        self.w = nn.Dense(4, 4, has_bias=False)
        self.src = nn.Dense(4, 1, has_bias=False)
        self.dst = nn.Dense(4, 1, has_bias=False)
        self.segment_sum = ops.UnsortedSegmentSum()

    def construct(self, x, edges):
        h = self.w(x)
        s, d = edges[:, 0], edges[:, 1]
        e = ops.leaky_relu(self.src(h)[s] + self.dst(h)[d], 0.2)
        e = ops.exp(e - e.max())
        total = self.segment_sum(e, d, 5)
        a = e / (ops.gather(total, d, 0) + 1e-9)
        y = self.segment_sum(a * ops.gather(h, s, 0), d, 5)
        z = ops.tensor_scatter_add(ops.zeros_like(h), d.expand_dims(1), a * h[s])
        return ops.elu(y), z


@net("anomaly_autoencoder", f32(4, 12))
class AutoEncoder(nn.Cell):
    def __init__(self):
        super().__init__()
        self.enc = nn.SequentialCell([nn.Dense(12, 8), nn.ELU(), nn.Dense(8, 3)])
        self.dec = nn.SequentialCell([nn.Dense(3, 8), nn.ELU(), nn.Dense(8, 12)])
        self.threshold = Parameter(Tensor([0.3], ms.float32), name="threshold", requires_grad=False)

    def construct(self, x):
        y = self.dec(self.enc(x))
        error = ops.sqrt(((x - y) ** 2).mean(axis=1))
        return y, error, error > self.threshold, ops.stop_gradient(error).mean()


@net("mixture_density", f32(3, 5))
class MixtureDensity(nn.Cell):
    def __init__(self):
        super().__init__()
        self.h = nn.Dense(5, 8, activation="tanh")
        self.pi = nn.Dense(8, 3)
        self.mu = nn.Dense(8, 3)
        self.sigma = nn.Dense(8, 3)

    def construct(self, x):
        h = self.h(x)
        pi = ops.softmax(self.pi(h), -1)
        sigma = ops.softplus(self.sigma(h)) + 1e-3 if hasattr(ops, "softplus") else ops.log(1 + ops.exp(self.sigma(h))) + 1e-3
        mu = self.mu(h)
        mean = (pi * mu).sum(-1)
        logs = ops.logsumexp(ops.log(pi) - ops.log(sigma) - 0.5 * ops.square((0.3 - mu) / sigma), -1)
        return mean, logs, ops.gather_elements(mu, 1, pi.argmax(-1).expand_dims(-1).astype(ms.int32))


@net("actor_critic", f32(2, 6), f32(2, 3, 8, 8))
class ActorCritic(nn.Cell):
    """Dueling values, clipped log standard deviation, masked actions."""
    def __init__(self):
        super().__init__()
        self.conv = nn.SequentialCell([nn.Conv2d(3, 4, 3, 2, pad_mode="valid"), nn.ReLU(), nn.Flatten()])
        self.fc = nn.Dense(36 + 6, 12)
        self.value = nn.Dense(12, 1)
        self.advantage = nn.Dense(12, 4)
        self.mu = nn.Dense(12, 2)
        self.log_std = nn.Dense(12, 2)

    def construct(self, state, image):
        x = ops.relu(self.fc(ops.concat((self.conv(image / 255.0), state), 1)))
        a = self.advantage(x)
        q = self.value(x) + a - a.mean(1, keep_dims=True)
        std = ops.exp(ops.clip_by_value(self.log_std(x), -5.0, 2.0))
        return q, ops.tanh(self.mu(x)), std, q.argmax(1)


@net("kmeans_assign", f32(6, 3))
class KMeans(nn.Cell):
    def __init__(self):
        super().__init__()
        self.centres = Parameter(Tensor(np.zeros((4, 3), np.float32)), name="centres")

    def construct(self, x):
        d = ((x.expand_dims(1) - self.centres.expand_dims(0)) ** 2).sum(-1)
        index = ops.argmin(d, 1) if hasattr(ops, "argmin") else d.argmin(1)
        one = ops.one_hot(index, 4, Tensor(1.0, ms.float32), Tensor(0.0, ms.float32))
        counts = one.sum(0)
        means = ops.matmul(one.T, x) / ops.maximum(counts, Tensor(1.0, ms.float32)).expand_dims(-1)
        return index, counts, means, ops.sort(d, axis=1)[0]


@net("physics_informed", f32(7, 2))
class FourierNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.b = Tensor(np.random.RandomState(1).randn(2, 6).astype(np.float32))
        self.fc1 = nn.Dense(12, 10, activation="tanh")
        self.fc2 = nn.Dense(10, 10, activation=nn.SiLU())
        self.fc3 = nn.Dense(10, 1)

    def construct(self, x):
        p = 2 * np.pi * ops.matmul(x, self.b)
        h = ops.concat((ops.sin(p), ops.cos(p)), -1)
        h = self.fc2(self.fc1(h))
        return self.fc3(h) * (x[:, :1] ** 2 - 1) + ops.exp(-ops.square(x[:, 1:]))
