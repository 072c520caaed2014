"""Control flow, tuples, dtypes, dynamic sizes."""
import numpy as np
import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from registry import bf16, boolean, f16, f32, given, i32, i64, net, u8


@net("if_elif_else", f32(2, 3), given(0.5, "float32"), runs=[[f32(2, 3), given(-0.5, "float32")], [f32(2, 3), given(5.0, "float32")]])
class IfElif(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = nn.Dense(3, 4)
        self.b = nn.Dense(3, 4)

    def construct(self, x, t):
        if t < 0:
            y = self.a(x)
        elif t < 1:
            y = self.b(x) * t
        else:
            y = ops.relu(self.a(x) + self.b(x))
        return y + t


@net("early_return", f32(2, 3), runs=[[f32(2, 3, lo=0.1, hi=1)], [f32(2, 3, lo=-1, hi=-0.1)]])
class EarlyReturn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.fc = nn.Dense(3, 3)

    def construct(self, x):
        s = x.sum()
        if s > 1:
            return x * 2, s
        y = self.fc(x)
        if y.sum() < 0:
            return -y, s
        return y + 1, s


@net("nested_if_in_while", f32(2, 3), given(6, "int32"), runs=[[f32(2, 3, lo=-3, hi=-1), given(3, "int32")], [f32(2, 3), given(0, "int32")]])
class NestedWhile(nn.Cell):
    def __init__(self):
        super().__init__()
        self.fc = nn.Dense(3, 3)
        self.scale = Parameter(Tensor([0.9], ms.float32), name="scale")

    def construct(self, x, n):
        i = ops.zeros((), ms.int32)
        total = ops.zeros((2, 3), ms.float32)
        while i < n:
            if x.mean() > 0:
                x = ops.tanh(self.fc(x)) * self.scale
            else:
                x = x + 0.7
                if i % 2 == 0:
                    x = x * 0.9
            total = total + x
            i = i + 1
        return x, total, i


@net("while_break_continue", f32(4), given(10, "int32"), runs=[[f32(4, lo=0.5, hi=1), given(10, "int32")], [f32(4, lo=-1, hi=-0.5), given(4, "int32")]])
class BreakContinue(nn.Cell):
    def construct(self, x, n):
        i = ops.zeros((), ms.int32)
        s = ops.zeros((4,), ms.float32)
        while i < n:
            i = i + 1
            if i % 3 == 0:
                continue
            s = s + x
            if s.sum() > 5:
                break
        return s, i


@net("while_nested", f32(3, 3), given(3, "int32"), given(2, "int32"), runs=[[f32(3, 3), given(0, "int32"), given(5, "int32")], [f32(3, 3), given(2, "int32"), given(0, "int32")]])
class NestedLoops(nn.Cell):
    def __init__(self):
        super().__init__()
        self.fc = nn.Dense(3, 3)

    def construct(self, x, n, m):
        i = ops.zeros((), ms.int32)
        count = ops.zeros((), ms.float32)
        while i < n:
            j = ops.zeros((), ms.int32)
            while j < m:
                x = ops.sigmoid(self.fc(x))
                count += 1
                j = j + 1
            x = x - 0.1
            i = i + 1
        return x, count


@net("while_in_place", f32(3), given(4, "int32"), runs=[[f32(3), given(0, "int32")]])
class InPlaceLoop(nn.Cell):
    """`+=` on tensors is exported as an operator that writes in place."""
    def construct(self, x, n):
        total = ops.zeros((3,), ms.float32)
        count = ops.zeros((), ms.float32)
        while n > 0:
            x *= 0.5
            total += x
            if total.sum() > 0:
                count += 1
                total -= 0.1
            n -= 1
        return total, count, x


@net("while_flags", f32(1, 4), runs=[[f32(1, 4, lo=1, hi=2)]])
class Flags(nn.Cell):
    """A halting loop: runs until the change is small or 20 turns."""
    def __init__(self):
        super().__init__()
        self.w = Parameter(Tensor(np.zeros((4, 4), np.float32)), name="w")

    def construct(self, x):
        done = Tensor(False)
        step = Tensor(0, ms.int32)
        change = Tensor(1.0, ms.float32)
        while ops.logical_and(ops.logical_not(done), step < 20):
            y = ops.tanh(ops.matmul(x, self.w * 0.5) + 0.1)
            change = ops.abs(y - x).max()
            done = change < 1e-3
            x = y
            step = step + 1
        return x, step, change


@net("for_over_tensor", f32(4, 3))
class ForTensor(nn.Cell):
    def __init__(self):
        super().__init__()
        self.fc = nn.Dense(3, 3)

    def construct(self, x):
        h = ops.zeros((3,), ms.float32)
        outs = []
        for row in x:
            h = ops.tanh(self.fc((row + h).reshape(1, 3)).reshape(3))
            outs.append(h)
        return ops.stack(outs), h


@net("for_range_long", f32(2, 3))
class ForRange(nn.Cell):
    def construct(self, x):
        for i in range(12):
            x = x + i * 0.1
            if i % 2:
                x = x * 0.5
        return x


@net("newton_sqrt", f32(5, lo=0.5, hi=4))
class Newton(nn.Cell):
    """Carries several values of different dtypes, among them a Python number and a bool."""
    def construct(self, x):
        y = ops.ones_like(x)
        i = 0
        go = Tensor(True)
        while go:
            z = 0.5 * (y + x / y)
            go = ops.ReduceMax()(ops.abs(z - y)) > 1e-5
            y = z
            i += 1
            if i > 30:
                go = Tensor(False)
        return y


@net("switch_layers", f32(2, 4), given(1, "int32"), runs=[[f32(2, 4), given(0, "int32")], [f32(2, 4), given(2, "int32")]])
class SwitchLayers(nn.Cell):
    def __init__(self):
        super().__init__()
        self.layers = nn.CellList([nn.Dense(4, 3), nn.SequentialCell([nn.Dense(4, 6), nn.ReLU(), nn.Dense(6, 3)]), nn.Dense(4, 3, activation="tanh")])

    def construct(self, x, index):
        return self.layers[index](x)


@net("if_different_shapes_inside", f32(3, 4), runs=[[f32(3, 4, lo=-2, hi=-1)]])
class IfTuple(nn.Cell):
    def __init__(self):
        super().__init__()
        self.big = nn.Dense(4, 16)
        self.back = nn.Dense(16, 2)
        self.small = nn.Dense(4, 2)

    def construct(self, x):
        if x.mean() > 0:
            h = ops.relu(self.big(x))
            a, b = self.back(h), h.sum()
        else:
            a, b = self.small(x), x.max()
        return a, b, (a * b, ops.cast(a > 0, ms.int32))


@net("nested_tuples_out", f32(2, 3), f32(2, 3))
class NestedTuples(nn.Cell):
    def construct(self, x, y):
        pair = (x + y, x - y)
        return pair, [x * y, (pair[0] / 2.0, ops.maximum(x, y))], y


@net("scalar_inputs", f32(3), given(2, "int32"), given(0.5, "float32"), given(True, "bool"), runs=[[f32(3), given(7, "int32"), given(-0.5, "float32"), given(False, "bool")]])
class ScalarInputs(nn.Cell):
    def construct(self, x, n, a, flag):
        y = x * n + a
        return ops.select(ops.broadcast_to(flag, (3,)), y, -y), n + 1, ops.logical_not(flag)


@net("int_pipeline", i32(4, 5, lo=-9, hi=9), i64(5, lo=1, hi=9))
class IntPipeline(nn.Cell):
    def construct(self, a, b):
        c = a.astype(ms.int64) * b
        return c, c // 3, c % 5, a.sum(0), (a > 0).astype(ms.int32).sum(), ops.abs(a).max(1), ops.cumsum(a, 1), c.astype(ms.float32).mean()


@net("bool_logic", boolean(3, 4), boolean(4))
class BoolLogic(nn.Cell):
    def construct(self, a, b):
        c = ops.logical_and(a, b)
        d = ops.logical_or(a, ops.logical_not(b))
        return c, d, a.any(1), a.all(), ops.logical_xor(a, b), (c == d).astype(ms.float32).sum()


@net("fp16_io", f16(2, 3), f16(3), tolerance=4e-3)
class HalfIo(nn.Cell):
    def construct(self, x, y):
        z = x * y + x / (ops.abs(y) + 1)
        return z, z.sum(), z.astype(ms.float32), ops.softmax(z, -1), z > 0


@net("bf16_inside", f32(2, 8), tolerance=2e-2, only="2.10")
class Bf16Inside(nn.Cell):
    def __init__(self):
        super().__init__()
        self.w = Parameter(Tensor(np.zeros((8, 4), np.float32)), name="w")

    def construct(self, x):
        y = x.astype(ms.bfloat16) * 2 + ops.cast(1.0, ms.bfloat16)
        return ops.matmul(y.astype(ms.float32), self.w)


@net("bf16_weights", f32(2, 8), tolerance=3e-2, only="2.10")
class Bf16Weights(nn.Cell):
    def __init__(self):
        super().__init__()
        self.w = Parameter(Tensor(np.linspace(-1, 1, 32).reshape(8, 4).astype(np.float32)).astype(ms.bfloat16), name="w")
        self.b = Parameter(Tensor(np.linspace(-1, 1, 4).astype(np.float32)).astype(ms.float16), name="b")

    def construct(self, x):
        y = ops.matmul(x, self.w.astype(ms.float32)) + self.b
        return ops.relu(y)


@net("dynamic_all_dims", f32(2, 3, 4), dynamic="all", runs=[[f32(1, 5, 4)], [f32(4, 2, 6)]])
class DynamicAll(nn.Cell):
    def construct(self, x):
        b, n, d = x.shape
        y = x.reshape(b * n, d)
        z = ops.transpose(y, (1, 0)).reshape(d, b, n)
        return z, x.mean((1, 2)), ops.concat((x, x), 1), ops.expand_dims(x[:, 0], 1) + x, x.reshape(-1)


@net("dynamic_shape_arithmetic", f32(2, 6, 4), dynamic={0: (0, 1)}, runs=[[f32(3, 8, 4)], [f32(1, 2, 4)]])
class DynamicArithmetic(nn.Cell):
    def construct(self, x):
        b, n, d = x.shape
        half = n // 2
        left = x[:, :half]
        right = x[:, half:]
        y = x.reshape(b, half, 2 * d)
        return left + right, y, ops.tile(x.mean(1, keep_dims=True), (1, n, 1)), ops.zeros((b, d), ms.float32), x.sum() / (b * n)


@net("dynamic_two_inputs", f32(2, 5, 4), f32(2, 3, 4), dynamic={0: (0, 1), 1: (0, 1)}, runs=[[f32(1, 2, 4), f32(1, 7, 4)]])
class DynamicCross(nn.Cell):
    def __init__(self):
        super().__init__()
        self.q = nn.Dense(4, 8)
        self.k = nn.Dense(4, 8)

    def construct(self, a, b):
        q, k = self.q(a), self.k(b)
        s = ops.matmul(q, k.transpose(0, 2, 1)) / 8 ** 0.5
        w = ops.softmax(s, -1)
        return ops.matmul(w, b), w.argmax(-1), ops.topk(w.max(-2) if False else w.sum(1), 2)[0]


@net("dynamic_conv_pool_resize", f32(1, 3, 16, 16), dynamic={0: (0, 2, 3)}, runs=[[f32(2, 3, 20, 12)]])
class DynamicConv(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(3, 4, 3, 2, pad_mode="pad", padding=1, has_bias=True)
        self.c2 = nn.Conv2d(4, 4, 3, pad_mode="same")
        self.pool = nn.MaxPool2d(2, 2)
        self.up = nn.Conv2dTranspose(4, 2, 2, 2, pad_mode="valid")
        self.gap = nn.AdaptiveAvgPool2d(1)

    def construct(self, x):
        y = self.pool(ops.relu(self.c2(self.c1(x))))
        z = self.up(y)
        return z, ops.mean(y, (2, 3)), ops.interpolate(y, size=(10, 10), mode="bilinear", align_corners=True)


@net("dynamic_while", f32(2, 3), given(3, "int32"), dynamic={0: (0,)}, runs=[[f32(5, 3), given(2, "int32")]])
class DynamicWhile(nn.Cell):
    def __init__(self):
        super().__init__()
        self.fc = nn.Dense(3, 3)

    def construct(self, x, n):
        while n > 0:
            x = ops.relu(self.fc(x)) + x
            n = n - 1
        return x


@net("dynamic_nonzero", f32(3, 4), dynamic={0: (0,)}, runs=[[f32(5, 4)]], only="2.10")
class DynamicSelect(nn.Cell):
    def construct(self, x):
        mask = x > 0
        picked = ops.masked_select(x, mask)
        index = ops.nonzero(mask)
        return picked.sum(), index, picked * 2


@net("gather_scatter_update", f32(4, 3), given([2, 0], "int32"), f32(2, 3))
class ScatterUpdate(nn.Cell):
    def construct(self, x, index, update):
        x = ops.tensor_scatter_update(x, index.expand_dims(-1), update) if hasattr(ops, "tensor_scatter_update") else ops.TensorScatterUpdate()(x, index.expand_dims(-1), update)
        y = x * 1.0
        y[0] = 5.0
        y[1:3, 1] = update[:, 0]
        y[:, 2] = y[:, 2] + 1
        return x, y, x[index], x[1, ::2], x[..., -1]


@net("indexing_forms", f32(4, 5, 6), given([1, 3], "int64"), boolean(4))
class Indexing(nn.Cell):
    def construct(self, x, index, mask):
        return (x[0], x[-1, 2], x[:, 1:4:2], x[..., None, 0], x[::-1][:2] if False else x[2:], x[index], x[:, index, 2], x[index, index], x[None], x[1:, :-1, 3], x * mask.reshape(4, 1, 1),
                ops.flip(x, (1,)) if hasattr(ops, "flip") else x, x[:, :, -2:].sum())


@net("training_left_overs", f32(2, 3), f32(2, 2))
class LossInside(nn.Cell):
    """A net with its loss, exported for evaluation."""
    def __init__(self):
        super().__init__()
        self.fc = nn.Dense(3, 2)
        self.loss = nn.MSELoss()
        self.ce = nn.SoftmaxCrossEntropyWithLogits(sparse=False, reduction="mean")
        self.drop = nn.Dropout(p=0.5)

    def construct(self, x, label):
        y = self.fc(self.drop(x))
        return y, self.loss(y, label), self.ce(y, ops.softmax(label, -1)), ops.l1_loss(y, label) if hasattr(ops, "l1_loss") else y


@net("random_free_attention_mask", i32(2, lo=1, hi=6))
class LengthMask(nn.Cell):
    def construct(self, lengths):
        pos = ops.arange(6).astype(ms.int32)
        mask = (pos.expand_dims(0) < lengths.expand_dims(1)).astype(ms.float32)
        square = mask.expand_dims(1) * mask.expand_dims(2)
        causal = ops.tril(ops.ones((6, 6), ms.float32))
        return (1.0 - square * causal) * -1e4, mask.sum(1), ops.triu(ops.ones((6, 6), ms.float32), 1)


@net("list_comprehension", f32(2, 8))
class Comprehension(nn.Cell):
    def __init__(self):
        super().__init__()
        self.parts = nn.CellList([nn.Dense(2, 3) for _ in range(4)])

    def construct(self, x):
        parts = ops.split(x, 2, axis=1)
        ys = [part(piece) for part, piece in zip(self.parts, parts)]
        d = {"sum": ys[0] + ys[1], "max": ops.maximum(ys[2], ys[3])}
        s = ops.zeros_like(ys[0])
        for i, y in enumerate(ys):
            s += y * (i + 1)
        return d["sum"], d["max"], s, ops.addn(ys) if hasattr(ops, "addn") else s


@net("shared_cell_called_twice", f32(2, 3, 8, 8), f32(2, 3, 8, 8))
class Siamese(nn.Cell):
    def __init__(self):
        super().__init__()
        self.body = nn.SequentialCell([nn.Conv2d(3, 4, 3, has_bias=True), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dense(256, 8)])

    def construct(self, a, b):
        u, v = self.body(a), self.body(b)
        d = ops.sqrt(((u - v) ** 2).sum(1) + 1e-9)
        cos = (u * v).sum(1) / (ops.norm(u, dim=1) * ops.norm(v, dim=1) + 1e-8) if hasattr(ops, "norm") else d
        return d, cos, ops.exp(-d)


@net("jit_function_inside", f32(2, 4), given(3, "int32"))
class JitInside(nn.Cell):
    def __init__(self):
        super().__init__()
        self.fc = nn.Dense(4, 4)

    def power(self, x, n):
        result = ops.ones_like(x)
        while n > 0:
            result = result * x
            n = n - 1
        return result

    def construct(self, x, n):
        y = self.power(self.fc(x), n)
        f = lambda t: t * 2 + 1  # noqa: E731
        return f(y), self.power(x, n - 1)


@net("assign_state", f32(2, 3))
class StateInside(nn.Cell):
    """Running statistics are read (not written) in evaluation."""
    def __init__(self):
        super().__init__()
        self.mean = Parameter(Tensor(np.zeros(3, np.float32)), name="mean", requires_grad=False)
        self.var = Parameter(Tensor(np.ones((1, 3), np.float32)), name="var", requires_grad=False)

    def construct(self, x):
        if self.training:
            ops.assign(self.mean, x.mean(0))
        return (x - self.mean) / ops.sqrt(ops.abs(self.var) + 1e-5)


@net("mint_api", f32(2, 3, 4), f32(4, 5), only="2.10")
def mint_net():
    from mindspore import mint

    class MintNet(nn.Cell):
        def __init__(self):
            super().__init__()
            self.fc = nn.Dense(5, 6)

        def construct(self, x, w):
            y = mint.matmul(x, w)
            y = mint.nn.functional.relu(self.fc(y))
            return mint.nn.functional.softmax(y, dim=-1), mint.sum(y, dim=1, keepdim=True), mint.cat((x, x), 1), mint.permute(x, (2, 0, 1)), mint.where(x > 0, x, 0.5)

    return MintNet()
