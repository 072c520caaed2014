"""Image classifiers in small."""
import numpy as np
import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from registry import f16, f32, net, u8


class ConvBn(nn.Cell):
    def __init__(self, cin, cout, kernel=3, stride=1, groups=1, act=None, pad_mode="same", padding=0):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, pad_mode=pad_mode, padding=padding, group=groups)
        self.bn = nn.BatchNorm2d(cout)
        self.act = act if act is not None else nn.ReLU()

    def construct(self, x):
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Cell):
    def __init__(self, cin, mid, stride):
        super().__init__()
        cout = mid * 4
        self.conv1 = nn.Conv2d(cin, mid, 1)
        self.bn1 = nn.BatchNorm2d(mid)
        self.conv2 = nn.Conv2d(mid, mid, 3, stride, pad_mode="pad", padding=1)
        self.bn2 = nn.BatchNorm2d(mid)
        self.conv3 = nn.Conv2d(mid, cout, 1)
        self.bn3 = nn.BatchNorm2d(cout)
        self.relu = nn.ReLU()
        self.down = nn.SequentialCell([nn.Conv2d(cin, cout, 1, stride), nn.BatchNorm2d(cout)]) if stride != 1 or cin != cout else None

    def construct(self, x):
        identity = x
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if self.down is not None:
            identity = self.down(x)
        return self.relu(y + identity)


@net("resnet_bottleneck", f32(2, 3, 32, 32))
class ResNetBottleneck(nn.Cell):
    def __init__(self):
        super().__init__()
        self.stem = nn.SequentialCell([nn.Conv2d(3, 8, 7, 2, pad_mode="pad", padding=3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, pad_mode="same")])
        self.layers = nn.SequentialCell([Bottleneck(8, 4, 1), Bottleneck(16, 8, 2), Bottleneck(32, 8, 1)])
        self.mean = ops.ReduceMean(keep_dims=True)
        self.flatten = nn.Flatten()
        self.end_point = nn.Dense(32, 10)

    def construct(self, x):
        x = self.layers(self.stem(x))
        return self.end_point(self.flatten(self.mean(x, (2, 3))))


@net("resnet_dynamic_batch", f32(2, 3, 32, 32), dynamic={0: (0,)}, runs=[[f32(1, 3, 32, 32)], [f32(5, 3, 32, 32)]])
class ResNetDynamic(ResNetBottleneck):
    pass


@net("resnet_dynamic_image", f32(1, 3, 32, 40), dynamic={0: (0, 2, 3)}, runs=[[f32(2, 3, 48, 32)]])
class ResNetDynamicImage(ResNetBottleneck):
    pass


class SqueezeExcite(nn.Cell):
    def __init__(self, channels):
        super().__init__()
        self.pool = ops.ReduceMean(keep_dims=True)
        self.reduce = nn.Conv2d(channels, max(4, channels // 4), 1, has_bias=True)
        self.expand = nn.Conv2d(max(4, channels // 4), channels, 1, has_bias=True)
        self.relu = nn.ReLU()
        self.gate = nn.HSigmoid()

    def construct(self, x):
        return x * self.gate(self.expand(self.relu(self.reduce(self.pool(x, (2, 3))))))


class InvertedResidual(nn.Cell):
    def __init__(self, cin, cout, stride, expand, act, se):
        super().__init__()
        hidden = cin * expand
        layers = [ConvBn(cin, hidden, 1, act=act()), ConvBn(hidden, hidden, 3, stride, hidden, act(), "pad", 1)]
        if se:
            layers.append(SqueezeExcite(hidden))
        layers += [nn.Conv2d(hidden, cout, 1), nn.BatchNorm2d(cout)]
        self.conv = nn.SequentialCell(layers)
        self.add = ops.Add()
        self.residual = stride == 1 and cin == cout

    def construct(self, x):
        y = self.conv(x)
        if self.residual:
            y = self.add(x, y)
        return y


@net("mobilenet_v2", f32(1, 3, 32, 32))
class MobileNetV2(nn.Cell):
    def __init__(self):
        super().__init__()
        self.features = nn.SequentialCell([ConvBn(3, 8, 3, 2, act=nn.ReLU6()), InvertedResidual(8, 8, 1, 2, nn.ReLU6, False), InvertedResidual(8, 16, 2, 4, nn.ReLU6, False), ConvBn(16, 32, 1, act=nn.ReLU6())])
        self.head = nn.SequentialCell([nn.Dropout(p=0.2), nn.Dense(32, 10)])

    def construct(self, x):
        x = self.features(x)
        x = ops.mean(x, (2, 3))
        return self.head(x)


@net("mobilenet_v3", f32(1, 3, 32, 32))
class MobileNetV3(nn.Cell):
    def __init__(self):
        super().__init__()
        self.stem = ConvBn(3, 8, 3, 2, act=nn.HSwish())
        self.blocks = nn.CellList([InvertedResidual(8, 8, 1, 2, nn.ReLU, True), InvertedResidual(8, 16, 2, 3, nn.HSwish, True), InvertedResidual(16, 16, 1, 3, nn.HSwish, False)])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.SequentialCell([nn.Dense(16, 32), nn.HSwish(), nn.Dropout(p=0.2), nn.Dense(32, 10)])

    def construct(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        x = self.avgpool(x)
        x = x.view(x.shape[0], -1)
        return self.classifier(x)


class Swish(nn.Cell):
    def construct(self, x):
        return x * ops.sigmoid(x)


@net("efficientnet_swish", f32(1, 3, 32, 32))
class EfficientNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.stem = ConvBn(3, 8, 3, 2, act=Swish(), pad_mode="pad", padding=1)
        self.expand = ConvBn(8, 16, 1, act=Swish())
        self.depth = ConvBn(16, 16, 5, 2, 16, Swish(), "pad", 2)
        self.se_reduce = nn.Conv2d(16, 2, 1, has_bias=True)
        self.se_expand = nn.Conv2d(2, 16, 1, has_bias=True)
        self.project = nn.SequentialCell(nn.Conv2d(16, 12, 1), nn.BatchNorm2d(12, eps=1e-3, momentum=0.99))
        self.swish = Swish()
        self.sigmoid = nn.Sigmoid()
        self.fc = nn.Dense(12, 10)

    def construct(self, x):
        x = self.depth(self.expand(self.stem(x)))
        s = ops.adaptive_avg_pool2d(x, 1)
        s = self.se_expand(self.swish(self.se_reduce(s)))
        x = self.project(self.sigmoid(s) * x)
        return ops.softmax(self.fc(x.mean((2, 3))), -1)


class ShuffleUnit(nn.Cell):
    def __init__(self, cin, stride):
        super().__init__()
        self.stride = stride
        half = cin // 2
        branch_in = half if stride == 1 else cin
        self.left = None if stride == 1 else nn.SequentialCell([nn.Conv2d(cin, cin, 3, 2, group=cin), nn.BatchNorm2d(cin), ConvBn(cin, half, 1)])
        self.right = nn.SequentialCell([ConvBn(branch_in, half, 1), nn.Conv2d(half, half, 3, stride, pad_mode="pad", padding=1, group=half), nn.BatchNorm2d(half), ConvBn(half, half, 1)])
        self.concat = ops.Concat(axis=1)

    def construct(self, x):
        if self.stride == 1:
            b, c, h, w = x.shape
            x = ops.reshape(x, (b * c // 2, 2, h * w))
            x = ops.transpose(x, (1, 0, 2))
            x = ops.reshape(x, (2, -1, c // 2, h, w))
            left, right = x[0], x[1]
            return self.concat((left, self.right(right)))
        return self.concat((self.left(x), self.right(x)))


@net("shufflenet_v2", f32(2, 3, 32, 32))
class ShuffleNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.conv = ConvBn(3, 16, 3, 2)
        self.pool = nn.MaxPool2d(3, 2, pad_mode="same")
        self.stage = nn.SequentialCell([ShuffleUnit(16, 2), ShuffleUnit(16, 1), ShuffleUnit(16, 1)])
        self.fc = nn.Dense(16, 10)

    def construct(self, x):
        x = self.stage(self.pool(self.conv(x)))
        x = x.mean(3).mean(2)
        return self.fc(x)


class DenseLayer(nn.Cell):
    def __init__(self, cin, growth):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(cin)
        self.conv1 = nn.Conv2d(cin, growth * 2, 1)
        self.norm2 = nn.BatchNorm2d(growth * 2)
        self.conv2 = nn.Conv2d(growth * 2, growth, 3, pad_mode="pad", padding=1)
        self.relu = nn.ReLU()

    def construct(self, features):
        x = self.conv1(self.relu(self.norm1(features)))
        return ops.concat((features, self.conv2(self.relu(self.norm2(x)))), 1)


@net("densenet", f32(1, 3, 32, 32))
class DenseNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.conv0 = nn.Conv2d(3, 8, 7, 2, pad_mode="pad", padding=3)
        self.block1 = nn.SequentialCell([DenseLayer(8, 4), DenseLayer(12, 4), DenseLayer(16, 4)])
        self.transition = nn.SequentialCell([nn.BatchNorm2d(20), nn.ReLU(), nn.Conv2d(20, 10, 1), nn.AvgPool2d(2, 2)])
        self.block2 = nn.SequentialCell([DenseLayer(10, 4), DenseLayer(14, 4)])
        self.norm5 = nn.BatchNorm2d(18)
        self.classifier = nn.Dense(18, 10)

    def construct(self, x):
        x = self.block2(self.transition(self.block1(self.conv0(x))))
        x = ops.relu(self.norm5(x))
        x = ops.ReduceMean()(x, (-1, -2))
        return self.classifier(x)


class Inception(nn.Cell):
    def __init__(self, cin):
        super().__init__()
        self.b0 = ConvBn(cin, 4, 1)
        self.b1 = nn.SequentialCell([ConvBn(cin, 4, 1), ConvBn(4, 6, (1, 7)), ConvBn(6, 6, (7, 1))])
        self.b2 = nn.SequentialCell([ConvBn(cin, 4, 1), ConvBn(4, 6, 3), ConvBn(6, 6, 3)])
        self.b3_pool = nn.AvgPool2d(kernel_size=3, stride=1, pad_mode="same")
        self.b3_conv = ConvBn(cin, 4, 1)
        self.concat = ops.Concat(axis=1)

    def construct(self, x):
        return self.concat((self.b0(x), self.b1(x), self.b2(x), self.b3_conv(self.b3_pool(x))))


@net("inception", f32(1, 3, 35, 35))
class InceptionNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.stem = ConvBn(3, 8, 3, 2, pad_mode="valid")
        self.pool = nn.MaxPool2d(3, 2)
        self.mixed = nn.SequentialCell([Inception(8), Inception(20)])
        self.gap = nn.AvgPool2d(8, pad_mode="valid")
        self.flatten = nn.Flatten()
        self.logits = nn.Dense(20, 10)

    def construct(self, x):
        x = self.mixed(self.pool(self.stem(x)))
        x = self.gap(ops.ResizeBilinear((8, 8))(x)) if x.shape[2] < 8 else self.gap(x)
        return self.logits(self.flatten(x))


@net("vgg", f32(1, 3, 32, 32))
class Vgg(nn.Cell):
    def __init__(self):
        super().__init__()
        layers = []
        cin = 3
        for v in [8, "M", 16, 16, "M", 16, "M"]:
            if v == "M":
                layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
            else:
                layers += [nn.Conv2d(cin, v, 3, padding=1, pad_mode="pad", has_bias=True), nn.ReLU()]
                cin = v
        self.layers = nn.SequentialCell(layers)
        self.flatten = ops.Flatten()
        self.classifier = nn.SequentialCell([nn.Dense(16 * 16, 32), nn.ReLU(), nn.Dropout(p=0.5), nn.Dense(32, 10)])

    def construct(self, x):
        return self.classifier(self.flatten(self.layers(x)))


class Fire(nn.Cell):
    def __init__(self, cin, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(cin, squeeze, 1, has_bias=True)
        self.expand1 = nn.Conv2d(squeeze, expand, 1, has_bias=True)
        self.expand3 = nn.Conv2d(squeeze, expand, 3, pad_mode="same", has_bias=True)
        self.relu = nn.ReLU()
        self.cat = ops.Concat(axis=1)

    def construct(self, x):
        x = self.relu(self.squeeze(x))
        return self.cat((self.relu(self.expand1(x)), self.relu(self.expand3(x))))


@net("squeezenet", f32(1, 3, 40, 40))
class SqueezeNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.features = nn.SequentialCell([nn.Conv2d(3, 12, 7, stride=2, pad_mode="valid", has_bias=True), nn.ReLU(), nn.MaxPool2d(3, 2), Fire(12, 4, 8), Fire(16, 4, 8), nn.MaxPool2d(3, 2), Fire(16, 6, 12)])
        self.final_conv = nn.Conv2d(24, 10, 1, has_bias=True)
        self.relu = nn.ReLU()
        self.mean = ops.ReduceMean(keep_dims=True)
        self.flatten = nn.Flatten()

    def construct(self, x):
        x = self.relu(self.final_conv(self.features(x)))
        return self.flatten(self.mean(x, (2, 3)))


class GhostModule(nn.Cell):
    def __init__(self, cin, cout, relu=True):
        super().__init__()
        init = cout // 2
        self.cout = cout
        self.primary = nn.SequentialCell([nn.Conv2d(cin, init, 1), nn.BatchNorm2d(init), nn.ReLU() if relu else nn.Identity()])
        self.cheap = nn.SequentialCell([nn.Conv2d(init, init, 3, group=init), nn.BatchNorm2d(init), nn.ReLU() if relu else nn.Identity()])

    def construct(self, x):
        x1 = self.primary(x)
        out = ops.cat((x1, self.cheap(x1)), axis=1)
        return out[:, :self.cout, :, :]


@net("ghostnet", f32(1, 3, 24, 24), only="2.10")
class GhostNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.stem = ConvBn(3, 8, 3, 2)
        self.g1 = GhostModule(8, 16)
        self.g2 = GhostModule(16, 8, False)
        self.se = SqueezeExcite(16)
        self.head = nn.Dense(8, 10)

    def construct(self, x):
        x = self.stem(x)
        y = self.g2(self.se(self.g1(x)))
        x = x + y
        return self.head(x.mean(axis=(2, 3)))


class Attention(nn.Cell):
    def __init__(self, dim, heads, qkv_bias=True):
        super().__init__()
        self.heads = heads
        self.scale = Tensor((dim // heads) ** -0.5, ms.float32)
        self.qkv = nn.Dense(dim, dim * 3, has_bias=qkv_bias)
        self.attn_drop = nn.Dropout(p=0.1)
        self.out = nn.Dense(dim, dim)
        self.mul = ops.Mul()
        self.reshape = ops.Reshape()
        self.transpose = ops.Transpose()
        self.unstack = ops.Unstack(axis=0)
        self.attn_matmul_v = ops.BatchMatMul()
        self.q_matmul_k = ops.BatchMatMul(transpose_b=True)
        self.softmax = nn.Softmax(axis=-1)

    def construct(self, x):
        b, n, c = x.shape
        qkv = self.qkv(x)
        qkv = self.reshape(qkv, (b, n, 3, self.heads, c // self.heads))
        qkv = self.transpose(qkv, (2, 0, 3, 1, 4))
        q, k, v = self.unstack(qkv)
        attn = self.mul(self.q_matmul_k(q, k), self.scale)
        attn = self.attn_drop(self.softmax(attn))
        out = self.attn_matmul_v(attn, v)
        out = self.reshape(self.transpose(out, (0, 2, 1, 3)), (b, n, c))
        return self.out(out)


class Mlp(nn.Cell):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1 = nn.Dense(dim, hidden)
        self.act = nn.GELU(approximate=False)
        self.fc2 = nn.Dense(hidden, dim)
        self.drop = nn.Dropout(p=0.1)

    def construct(self, x):
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


@net("vit", f32(2, 3, 16, 16))
class ViT(nn.Cell):
    def __init__(self):
        super().__init__()
        dim = 16
        self.patch = nn.Conv2d(3, dim, 4, 4, has_bias=True)
        self.cls_token = Parameter(Tensor(np.zeros((1, 1, dim), np.float32)), name="cls")
        self.pos = Parameter(Tensor(np.zeros((1, 17, dim), np.float32)), name="pos")
        self.norm1 = nn.LayerNorm((dim,), epsilon=1e-6)
        self.attn = Attention(dim, 2)
        self.norm2 = nn.LayerNorm((dim,), epsilon=1e-6)
        self.mlp = Mlp(dim, 32)
        self.norm = nn.LayerNorm((dim,))
        self.head = nn.Dense(dim, 10)
        self.tile = ops.Tile()

    def construct(self, x):
        x = self.patch(x)
        b, c, h, w = x.shape
        x = ops.transpose(ops.reshape(x, (b, c, h * w)), (0, 2, 1))
        cls = self.tile(self.cls_token, (b, 1, 1))
        x = ops.concat((cls, x), 1) + self.pos
        x = x + self.attn(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return self.head(self.norm(x)[:, 0])


@net("vit_dynamic_batch", f32(2, 3, 16, 16), dynamic={0: (0,)}, runs=[[f32(1, 3, 16, 16)], [f32(3, 3, 16, 16)]])
class ViTDynamic(ViT):
    pass


class Roll(nn.Cell):
    def __init__(self, size, shift):
        super().__init__()
        self.size = size
        self.shift = shift

    def construct(self, x):
        if self.shift == 0:
            return x
        x = ops.concat((x[:, -self.shift:, :, :], x[:, :-self.shift, :, :]), 1)
        return ops.concat((x[:, :, -self.shift:, :], x[:, :, :-self.shift, :]), 2)


class SwinBlock(nn.Cell):
    def __init__(self, dim, heads, window, resolution, shift):
        super().__init__()
        self.dim, self.heads, self.window, self.h, self.w, self.shift = dim, heads, window, resolution, resolution, shift
        self.norm1 = nn.LayerNorm([dim], epsilon=1e-5)
        self.q = nn.Dense(dim, dim)
        self.k = nn.Dense(dim, dim)
        self.v = nn.Dense(dim, dim)
        self.proj = nn.Dense(dim, dim)
        self.norm2 = nn.LayerNorm([dim], epsilon=1e-5)
        self.mlp = Mlp(dim, dim * 2)
        self.roll = Roll(resolution, window - shift if shift else 0)
        self.roll_back = Roll(resolution, shift)
        span = 2 * window - 1
        coords = np.stack(np.meshgrid(np.arange(window), np.arange(window), indexing="ij")).reshape(2, -1)
        relative = (coords[:, :, None] - coords[:, None, :]).transpose(1, 2, 0) + window - 1
        index = (relative[..., 0] * span + relative[..., 1]).astype(np.int32).reshape(-1)
        self.relative_index = Tensor(np.eye(span * span, dtype=np.float32)[index])
        self.bias_table = Parameter(Tensor(np.zeros((span * span, heads), np.float32)), name="bias_table")
        mask = np.zeros((resolution // window) ** 2 * window * window * window * window, np.float32).reshape((resolution // window) ** 2, 1, window ** 2, window ** 2)
        mask[-1, :, :, : window] = -100.0
        self.mask = Tensor(mask) if shift else None
        self.softmax = nn.Softmax(axis=-1)

    def heads_of(self, x, projection):
        n = self.window * self.window
        x = projection(x).view(-1, n, self.heads, self.dim // self.heads)
        return x.transpose(0, 2, 1, 3)

    def construct(self, x):
        b, length, c = x.shape
        n = self.window * self.window
        short = x
        x = self.norm1(x).view(b, self.h, self.w, c)
        x = self.roll(x)
        x = x.view(b, self.h // self.window, self.window, self.w // self.window, self.window, c)
        x = x.transpose(0, 1, 3, 2, 4, 5).view(-1, n, c)
        q, k, v = self.heads_of(x, self.q), self.heads_of(x, self.k), self.heads_of(x, self.v)
        attn = ops.BatchMatMul(transpose_b=True)(q * (self.dim // self.heads) ** -0.5, k)
        bias = ops.matmul(self.relative_index, self.bias_table).view(n, n, -1).transpose(2, 0, 1)
        attn = attn + ops.expand_dims(bias, 0)
        if self.mask is not None:
            windows = self.mask.shape[0]
            attn = attn.view(b, windows, self.heads, n, n) + ops.expand_dims(self.mask, 0)
            attn = attn.view(-1, self.heads, n, n)
        attn = self.softmax(attn)
        x = ops.BatchMatMul()(attn, v).transpose(0, 2, 1, 3).reshape(-1, n, c)
        x = self.proj(x)
        x = x.view(b, self.h // self.window, self.w // self.window, self.window, self.window, c)
        x = x.transpose(0, 1, 3, 2, 4, 5).view(b, self.h, self.w, c)
        x = short + self.roll_back(x).view(b, length, c)
        return x + self.mlp(self.norm2(x))


@net("swin", f32(1, 3, 16, 16))
class Swin(nn.Cell):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 2, 2, has_bias=True)
        self.blocks = nn.SequentialCell([SwinBlock(8, 2, 4, 8, 0), SwinBlock(8, 2, 4, 8, 2)])
        self.reduction = nn.Dense(32, 16, has_bias=False)
        self.norm = nn.LayerNorm([32])
        self.avgpool = nn.AdaptiveAvgPool1d(1)
        self.head = nn.Dense(16, 10)

    def construct(self, x):
        x = self.embed(x)
        b, c, h, w = x.shape
        x = self.blocks(ops.transpose(x.reshape(b, c, -1), (0, 2, 1)))
        x = x.view(b, h, w, c)
        x = ops.concat((x[:, 0::2, 0::2, :], x[:, 1::2, 0::2, :], x[:, 0::2, 1::2, :], x[:, 1::2, 1::2, :]), -1)
        x = self.reduction(self.norm(x.view(b, -1, 4 * c)))
        x = self.avgpool(x.swapaxes(1, 2))
        return self.head(ops.squeeze(x, -1) if x.ndim == 3 else x)


@net("convnext", f32(1, 3, 16, 16))
class ConvNext(nn.Cell):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 4, 4, has_bias=True)
        self.stem_norm = nn.LayerNorm((12,), epsilon=1e-6)
        self.dwconv = nn.Conv2d(12, 12, 7, pad_mode="pad", padding=3, group=12, has_bias=True)
        self.norm = nn.LayerNorm((12,), epsilon=1e-6)
        self.pw1 = nn.Dense(12, 48)
        self.act = nn.GELU()
        self.pw2 = nn.Dense(48, 12)
        self.gamma_ = Parameter(Tensor(np.ones(12, np.float32) * 1e-1), name="layer_scale")
        self.head = nn.Dense(12, 10)

    def construct(self, x):
        x = self.stem(x)
        x = ops.transpose(self.stem_norm(ops.transpose(x, (0, 2, 3, 1))), (0, 3, 1, 2))
        y = self.dwconv(x)
        y = self.norm(ops.transpose(y, (0, 2, 3, 1)))
        y = self.gamma_ * self.pw2(self.act(self.pw1(y)))
        x = x + ops.transpose(y, (0, 3, 1, 2))
        return self.head(ops.mean(x, [-2, -1]))


class LocalResponse(nn.Cell):
    def __init__(self):
        super().__init__()
        self.lrn = ops.LRN(depth_radius=2, bias=1.0, alpha=1e-2, beta=0.75)

    def construct(self, x):
        return self.lrn(x)


@net("alexnet_lrn", f32(1, 3, 35, 35))
class AlexNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 11, stride=4, pad_mode="same", has_bias=True)
        self.lrn = LocalResponse()
        self.pool = ops.MaxPool(kernel_size=3, strides=2, pad_mode="valid")
        self.conv2 = nn.Conv2d(8, 12, 5, pad_mode="same", has_bias=True)
        self.relu = ops.ReLU()
        self.fc = nn.Dense(12 * 4, 10, activation="relu")
        self.log_softmax = nn.LogSoftmax(axis=1)

    def construct(self, x):
        x = self.pool(self.lrn(self.relu(self.conv1(x))))
        x = self.relu(self.conv2(x))
        x = ops.MaxPool(2, 2)(x)
        return self.log_softmax(self.fc(ops.Flatten()(x[:, :, :2, :2])))


@net("image_preprocess_u8", u8(2, 24, 24, 3))
class Preprocess(nn.Cell):
    """Takes raw HWC bytes: cast, normalise, transpose, then a conv."""
    def __init__(self):
        super().__init__()
        self.mean = Tensor(np.array([123.675, 116.28, 103.53], np.float32))
        self.std = Tensor(np.array([58.395, 57.12, 57.375], np.float32))
        self.conv = nn.Conv2d(3, 4, 3, pad_mode="same", weight_init="ones")

    def construct(self, x):
        x = (ops.cast(x, ms.float32) - self.mean) / self.std
        x = x.transpose((0, 3, 1, 2))
        y = self.conv(x)
        return ops.argmax(y.mean((2, 3)), 1), y


@net("fp16_convnet", f16(1, 3, 16, 16), tolerance=4e-3)
class HalfNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.body = nn.SequentialCell([nn.Conv2d(3, 8, 3, has_bias=True), nn.ReLU(), nn.MaxPool2d(2, 2)]).to_float(ms.float16)
        self.fc = nn.Dense(8, 5).to_float(ms.float16)

    def construct(self, x):
        y = self.body(x)
        y = ops.cast(ops.ReduceMean()(ops.cast(y, ms.float32), (2, 3)), ms.float16)
        return self.fc(y)


@net("mixed_precision_o3", f32(1, 3, 16, 16), tolerance=4e-3)
def mixed():
    body = nn.SequentialCell([nn.Conv2d(3, 8, 3, has_bias=True), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3, stride=2, pad_mode="pad", padding=1), nn.LeakyReLU(0.1)])
    for _, cell in body.cells_and_names():
        if isinstance(cell, nn.Conv2d):
            cell.to_float(ms.float16)
    return body


class ResNeXtBlock(nn.Cell):
    def __init__(self):
        super().__init__()
        self.conv = ConvBn(8, 8, 3, groups=4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Dense(8, 2)
        self.fc2 = nn.Dense(2, 8)
        self.eca = nn.Conv1d(1, 1, 3, pad_mode="pad", padding=1)

    def construct(self, x):
        y = self.conv(x)
        b, c, _, _ = y.shape
        s = self.pool(y).view(b, c)
        s = ops.sigmoid(self.fc2(ops.relu(self.fc1(s)))).view(b, c, 1, 1)
        e = self.eca(ops.expand_dims(y.mean((2, 3)), 1))
        e = ops.sigmoid(e).swapaxes(1, 2).expand_dims(-1)
        return x + y * s.expand_as(y) * e


@net("resnext_se_eca", f32(2, 8, 12, 12))
def resnext():
    return nn.SequentialCell([ResNeXtBlock(), ResNeXtBlock()])


class Cbam(nn.Cell):
    """Channel and spatial attention."""
    def __init__(self):
        super().__init__()
        self.mlp = nn.SequentialCell([nn.Conv2d(8, 2, 1), nn.ReLU(), nn.Conv2d(2, 8, 1)])
        self.avg = ops.ReduceMean(keep_dims=True)
        self.max = ops.ReduceMax(keep_dims=True)
        self.conv = nn.Conv2d(2, 1, 7, pad_mode="same")

    def construct(self, x):
        x = x * ops.sigmoid(self.mlp(self.avg(x, (2, 3))) + self.mlp(self.max(x, (2, 3))))
        m = ops.concat((self.avg(x, 1), self.max(x, 1)), 1)
        return x * ops.sigmoid(self.conv(m))


@net("cbam", f32(1, 8, 10, 10))
def cbam():
    return Cbam()


@net("mixer", f32(2, 3, 16, 16))
class Mixer(nn.Cell):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 12, 4, 4, has_bias=True)
        self.norm1 = nn.LayerNorm((12,))
        self.token = nn.SequentialCell([nn.Dense(16, 24), nn.GELU(), nn.Dense(24, 16)])
        self.norm2 = nn.LayerNorm((12,))
        self.channel = nn.SequentialCell([nn.Dense(12, 24), nn.GELU(), nn.Dense(24, 12)])
        self.head = nn.Dense(12, 4)

    def construct(self, x):
        x = self.patch(x).flatten(start_dim=2).swapaxes(1, 2)
        x = x + self.token(self.norm1(x).swapaxes(1, 2)).swapaxes(1, 2)
        x = x + self.channel(self.norm2(x))
        return self.head(x.mean(1))


@net("capsule_squash", f32(2, 1, 16, 16))
class Capsule(nn.Cell):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 5, pad_mode="valid", has_bias=True)
        self.primary = nn.Conv2d(8, 8, 5, stride=2, pad_mode="valid", has_bias=True)
        self.w = Parameter(Tensor(np.random.randn(1, 32, 3, 6, 4).astype(np.float32) * 0.1), name="w")
        self.softmax = nn.Softmax(axis=2)

    def squash(self, x):
        n = ops.ReduceSum(keep_dims=True)(ops.square(x), -1)
        return (n / (1 + n)) * (x / ops.sqrt(n + 1e-9))

    def construct(self, x):
        x = self.primary(ops.relu(self.conv(x)))
        u = self.squash(x.reshape(2, 32, 4))
        u = u.reshape(2, 32, 1, 4, 1)
        hat = ops.matmul(self.w, u).squeeze(-1)
        b = ops.zeros((2, 32, 3, 1), ms.float32)
        v = hat
        for i in range(3):
            c = self.softmax(b)
            v = self.squash((c * hat).sum(1, keepdims=True))
            if i < 2:
                b = b + (hat * v).sum(-1, keepdims=True)
        return ops.sqrt(ops.square(v.squeeze(1)).sum(-1))
