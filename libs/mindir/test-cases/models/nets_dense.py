"""Nets whose output is an image: segmentation, generators, super-resolution, flow."""
import numpy as np
import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from registry import f32, net
from nets_vision import ConvBn


class DoubleConv(nn.Cell):
    def __init__(self, cin, cout):
        super().__init__()
        self.body = nn.SequentialCell([nn.Conv2d(cin, cout, 3, has_bias=True), nn.BatchNorm2d(cout), nn.ReLU(), nn.Conv2d(cout, cout, 3, has_bias=True), nn.BatchNorm2d(cout), nn.ReLU()])

    def construct(self, x):
        return self.body(x)


class Up(nn.Cell):
    def __init__(self, cin, cout):
        super().__init__()
        self.up = nn.Conv2dTranspose(cin, cin // 2, 2, stride=2, pad_mode="same")
        self.conv = DoubleConv(cin, cout)

    def construct(self, x, skip):
        return self.conv(ops.Concat(axis=1)((self.up(x), skip)))


@net("unet", f32(1, 1, 32, 32))
class UNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.inc = DoubleConv(1, 4)
        self.down1 = nn.SequentialCell([nn.MaxPool2d(2, 2), DoubleConv(4, 8)])
        self.down2 = nn.SequentialCell([nn.MaxPool2d(2, 2), DoubleConv(8, 16)])
        self.up1 = Up(16, 8)
        self.up2 = Up(8, 4)
        self.out = nn.Conv2d(4, 2, 1, has_bias=True)

    def construct(self, x):
        a = self.inc(x)
        b = self.down1(a)
        c = self.down2(b)
        return self.out(self.up2(self.up1(c, b), a))


@net("unet_crop", f32(1, 1, 44, 44))
class UNetCrop(nn.Cell):
    """Valid convolutions; skips are cropped to fit; result is a class map."""
    def __init__(self):
        super().__init__()
        self.c1 = nn.SequentialCell([nn.Conv2d(1, 4, 3, pad_mode="valid", has_bias=True), nn.ReLU()])
        self.pool = nn.MaxPool2d(2, 2)
        self.c2 = nn.SequentialCell([nn.Conv2d(4, 8, 3, pad_mode="valid", has_bias=True), nn.ReLU()])
        self.up = nn.Conv2dTranspose(8, 4, 2, 2, pad_mode="valid")
        self.c3 = nn.Conv2d(8, 3, 3, pad_mode="valid", has_bias=True)
        self.argmax = ops.Argmax(axis=1)

    def construct(self, x):
        a = self.c1(x)
        b = self.up(self.c2(self.pool(a)))
        d = (a.shape[2] - b.shape[2]) // 2
        e = (a.shape[3] - b.shape[3]) // 2
        y = self.c3(ops.concat((a[:, :, d:d + b.shape[2], e:e + b.shape[3]], b), 1))
        return ops.softmax(y, 1), self.argmax(y)


class Aspp(nn.Cell):
    def __init__(self, cin, cout, rates):
        super().__init__()
        self.branches = nn.CellList([nn.SequentialCell([nn.Conv2d(cin, cout, 1 if r == 1 else 3, dilation=r, pad_mode="same" if r == 1 else "pad", padding=0 if r == 1 else r), nn.BatchNorm2d(cout), nn.ReLU()]) for r in rates])
        self.pool_conv = nn.SequentialCell([nn.Conv2d(cin, cout, 1), nn.BatchNorm2d(cout), nn.ReLU()])
        self.project = ConvBn(cout * (len(rates) + 1), cout, 1)

    def construct(self, x):
        size = ops.shape(x)
        outs = ()
        for branch in self.branches:
            outs += (branch(x),)
        pooled = nn.AvgPool2d(size[2])(x)
        pooled = self.pool_conv(pooled)
        pooled = ops.ResizeNearestNeighbor((size[2], size[3]), True)(pooled)
        return self.project(ops.concat(outs + (pooled,), 1))


@net("deeplab_v3", f32(1, 3, 33, 33))
class DeepLabV3(nn.Cell):
    def __init__(self):
        super().__init__()
        self.backbone = nn.SequentialCell([ConvBn(3, 8, 3, 2), ConvBn(8, 8, 3, 2), nn.Conv2d(8, 12, 3, dilation=2, pad_mode="pad", padding=2), nn.BatchNorm2d(12), nn.ReLU()])
        self.aspp = Aspp(12, 8, [1, 2, 4])
        self.classifier = nn.Conv2d(8, 4, 1, has_bias=True)

    def construct(self, x):
        size = x.shape
        y = self.classifier(self.aspp(self.backbone(x)))
        return ops.interpolate(y, size=(size[2], size[3]), mode="bilinear", align_corners=True)


@net("deeplab_v3plus", f32(1, 3, 32, 32))
class DeepLabPlus(nn.Cell):
    def __init__(self):
        super().__init__()
        self.low = ConvBn(3, 8, 3, 2)
        self.high = nn.SequentialCell([ConvBn(8, 12, 3, 2), ConvBn(12, 12, 3, 2)])
        self.aspp = Aspp(12, 8, [1, 2])
        self.low_project = ConvBn(8, 4, 1)
        self.head = nn.SequentialCell([ConvBn(12, 8, 3), nn.Dropout(p=0.1), nn.Conv2d(8, 4, 1, has_bias=True)])

    def construct(self, x):
        low = self.low(x)
        y = self.aspp(self.high(low))
        y = ops.ResizeBilinear((low.shape[2], low.shape[3]), True)(y) if False else ops.interpolate(y, size=low.shape[2:], mode="bilinear", align_corners=True)
        y = self.head(ops.concat((y, self.low_project(low)), 1))
        y = ops.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=True)
        return ops.argmax(y, 1)


@net("fcn8s", f32(1, 3, 32, 32))
class Fcn8s(nn.Cell):
    def __init__(self):
        super().__init__()
        self.b1 = nn.SequentialCell([nn.Conv2d(3, 8, 3, weight_init="xavier_uniform"), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2, 2)])
        self.b2 = nn.SequentialCell([nn.Conv2d(8, 8, 3), nn.ReLU(), nn.MaxPool2d(2, 2)])
        self.b3 = nn.SequentialCell([nn.Conv2d(8, 8, 3), nn.ReLU(), nn.MaxPool2d(2, 2)])
        self.s3 = nn.Conv2d(8, 4, 1)
        self.s2 = nn.Conv2d(8, 4, 1)
        self.up2 = nn.Conv2dTranspose(4, 4, 4, 2)
        self.up8 = nn.Conv2dTranspose(4, 4, 16, 4)

    def construct(self, x):
        a = self.b2(self.b1(x))
        b = self.b3(a)
        y = self.up2(self.s3(b)) + self.s2(a)
        return self.up8(y)


@net("pspnet", f32(1, 3, 32, 32))
class PspNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.base = nn.SequentialCell([ConvBn(3, 8, 3, 2), ConvBn(8, 8, 3, 2)])
        self.pools = nn.CellList([nn.SequentialCell([nn.AdaptiveAvgPool2d(s), nn.Conv2d(8, 2, 1), nn.BatchNorm2d(2), nn.ReLU()]) for s in (1, 2, 3, 6)])
        self.final = nn.SequentialCell([ConvBn(16, 8, 3), nn.Dropout(p=0.1), nn.Conv2d(8, 3, 1, has_bias=True)])

    def construct(self, x):
        y = self.base(x)
        outs = [y]
        for pool in self.pools:
            outs.append(ops.interpolate(pool(y), size=(8, 8), mode="bilinear", align_corners=True))
        y = self.final(ops.concat(outs, 1))
        return ops.interpolate(y, size=(32, 32), mode="bilinear", align_corners=True)


@net("segnet_attention_gate", f32(1, 4, 16, 16), f32(1, 8, 8, 8))
class AttentionGate(nn.Cell):
    def __init__(self):
        super().__init__()
        self.w_g = nn.SequentialCell([nn.Conv2d(8, 4, 1, has_bias=True), nn.BatchNorm2d(4)])
        self.w_x = nn.SequentialCell([nn.Conv2d(4, 4, 2, 2, pad_mode="valid", has_bias=True), nn.BatchNorm2d(4)])
        self.psi = nn.SequentialCell([nn.Conv2d(4, 1, 1, has_bias=True), nn.BatchNorm2d(1), nn.Sigmoid()])

    def construct(self, x, g):
        a = self.psi(ops.relu(self.w_g(g) + self.w_x(x)))
        a = ops.ResizeNearestNeighbor((16, 16))(a)
        return x * a


class HrModule(nn.Cell):
    def __init__(self):
        super().__init__()
        self.a = ConvBn(4, 4, 3)
        self.b = ConvBn(8, 8, 3)
        self.down = nn.SequentialCell([nn.Conv2d(4, 8, 3, 2, pad_mode="pad", padding=1), nn.BatchNorm2d(8)])
        self.up = nn.SequentialCell([nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4)])

    def construct(self, x):
        a, b = self.a(x[0]), self.b(x[1])
        up = ops.ResizeBilinear((a.shape[2], a.shape[3]), half_pixel_centers=True)(self.up(b)) if False else ops.interpolate(self.up(b), size=(a.shape[2], a.shape[3]), mode="bilinear")
        return ops.relu(a + up), ops.relu(b + self.down(a))


@net("hrnet", f32(1, 3, 32, 32))
class HrNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.stem = ConvBn(3, 4, 3, 2)
        self.low = ConvBn(4, 8, 3, 2)
        self.m1 = HrModule()
        self.m2 = HrModule()
        self.last = nn.Conv2d(12, 3, 1, has_bias=True)

    def construct(self, x):
        a = self.stem(x)
        y = self.m2(self.m1((a, self.low(a))))
        up = ops.interpolate(y[1], size=y[0].shape[2:], mode="bilinear")
        return self.last(ops.concat((y[0], up), 1))


@net("unet3d", f32(1, 1, 8, 16, 16))
class UNet3d(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c1 = nn.SequentialCell([nn.Conv3d(1, 4, 3, has_bias=True), nn.BatchNorm3d(4), nn.ReLU()])
        self.pool = nn.MaxPool3d(2, 2)
        self.c2 = nn.SequentialCell([nn.Conv3d(4, 8, 3, has_bias=True), nn.BatchNorm3d(8), nn.ReLU()])
        self.up = nn.Conv3dTranspose(8, 4, 2, 2, pad_mode="valid")
        self.out = nn.Conv3d(8, 2, 1, has_bias=True)
        self.softmax = nn.Softmax(axis=1)

    def construct(self, x):
        a = self.c1(x)
        y = self.up(self.c2(self.pool(a)))
        return self.softmax(self.out(ops.concat((a, y), 1)))


@net("dcgan_generator", f32(2, 16))
class Generator(nn.Cell):
    def __init__(self):
        super().__init__()
        self.net = nn.SequentialCell([
            nn.Conv2dTranspose(16, 12, 4, 1, pad_mode="valid"), nn.BatchNorm2d(12), nn.ReLU(),
            nn.Conv2dTranspose(12, 8, 4, 2, pad_mode="pad", padding=1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2dTranspose(8, 3, 4, 2, pad_mode="pad", padding=1), nn.Tanh()])

    def construct(self, z):
        return self.net(z.view(z.shape[0], -1, 1, 1))


class CycleBlock(nn.Cell):
    def __init__(self, c):
        super().__init__()
        self.pad = nn.Pad(((0, 0), (0, 0), (1, 1), (1, 1)), mode="REFLECT")
        self.conv1 = nn.Conv2d(c, c, 3, pad_mode="valid", has_bias=True)
        self.norm1 = nn.GroupNorm(c, c)
        self.conv2 = nn.Conv2d(c, c, 3, pad_mode="valid", has_bias=True)
        self.norm2 = nn.BatchNorm2d(c)

    def construct(self, x):
        y = ops.relu(self.norm1(self.conv1(self.pad(x))))
        return x + self.norm2(self.conv2(self.pad(y)))


@net("cyclegan_generator", f32(1, 3, 16, 16))
class CycleGan(nn.Cell):
    def __init__(self):
        super().__init__()
        self.pad = nn.ReflectionPad2d(3)
        self.first = nn.Conv2d(3, 4, 7, pad_mode="valid", has_bias=True)
        self.down = nn.Conv2d(4, 8, 3, 2, pad_mode="pad", padding=1, has_bias=True)
        self.block = CycleBlock(8)
        self.up = nn.Conv2dTranspose(8, 4, 3, 2, pad_mode="same", has_bias=True)
        self.last = nn.Conv2d(4, 3, 7, pad_mode="valid", has_bias=True)

    def construct(self, x):
        y = ops.relu(self.first(self.pad(x)))
        y = ops.relu(self.down(y))
        y = self.up(self.block(y))
        return ops.tanh(self.last(self.pad(ops.relu(y))))


@net("adain", f32(2, 4, 9, 9), only="2.10")
class StyleBlock(nn.Cell):
    """AdaIN: statistics of one tensor replace those of the other."""
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3)
        self.norm = nn.GroupNorm(4, 4)

    def construct(self, x):
        y = self.conv(x)
        mean = y.mean((2, 3), keep_dims=True)
        std = ops.sqrt(ops.var(y, (2, 3), keepdims=True) + 1e-5)
        return self.norm(x) * std + mean


@net("pix2pix_unet", f32(1, 3, 16, 16))
class Pix2Pix(nn.Cell):
    def __init__(self):
        super().__init__()
        self.d1 = nn.Conv2d(3, 8, 4, 2, pad_mode="pad", padding=1)
        self.d2 = nn.SequentialCell([nn.LeakyReLU(0.2), nn.Conv2d(8, 8, 4, 2, pad_mode="pad", padding=1), nn.BatchNorm2d(8)])
        self.u2 = nn.SequentialCell([nn.ReLU(), nn.Conv2dTranspose(8, 8, 4, 2, pad_mode="pad", padding=1), nn.BatchNorm2d(8), nn.Dropout(p=0.5)])
        self.u1 = nn.SequentialCell([nn.ReLU(), nn.Conv2dTranspose(16, 3, 4, 2, pad_mode="pad", padding=1, has_bias=True), nn.Tanh()])

    def construct(self, x):
        a = self.d1(x)
        return self.u1(ops.concat((self.u2(self.d2(a)), a), 1))


@net("patch_discriminator", f32(2, 3, 24, 24))
class Discriminator(nn.Cell):
    def __init__(self):
        super().__init__()
        layers = []
        cin = 3
        for cout, stride in ((8, 2), (8, 2), (8, 1)):
            layers += [nn.Conv2d(cin, cout, 4, stride, pad_mode="pad", padding=1), nn.BatchNorm2d(cout), nn.LeakyReLU(alpha=0.2)]
            cin = cout
        layers.append(nn.Conv2d(cin, 1, 4, 1, pad_mode="pad", padding=1))
        self.features = nn.SequentialCell(layers)

    def construct(self, x):
        return self.features(x)


@net("espcn_pixel_shuffle", f32(1, 1, 12, 12))
class Espcn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 8, 5, pad_mode="pad", padding=2)
        self.c2 = nn.Conv2d(8, 9, 3, pad_mode="pad", padding=1)
        self.shuffle = ops.DepthToSpace(3)

    def construct(self, x):
        return self.shuffle(self.c2(ops.tanh(self.c1(x))))


class RcaBlock(nn.Cell):
    def __init__(self, c):
        super().__init__()
        self.body = nn.SequentialCell([nn.Conv2d(c, c, 3, has_bias=True), nn.ReLU(), nn.Conv2d(c, c, 3, has_bias=True)])
        self.pool = ops.AdaptiveAvgPool2D(1)
        self.gate = nn.SequentialCell([nn.Conv2d(c, 2, 1, has_bias=True), nn.ReLU(), nn.Conv2d(2, c, 1, has_bias=True), nn.Sigmoid()])

    def construct(self, x):
        y = self.body(x)
        return x + y * self.gate(self.pool(y)) * 0.1


@net("edsr", f32(1, 3, 10, 10))
class Edsr(nn.Cell):
    def __init__(self):
        super().__init__()
        self.mean = Tensor(np.array([0.45, 0.44, 0.40], np.float32).reshape(1, 3, 1, 1))
        self.head = nn.Conv2d(3, 8, 3, has_bias=True)
        self.body = nn.SequentialCell([RcaBlock(8), RcaBlock(8)])
        self.up = nn.Conv2d(8, 32, 3, has_bias=True)
        self.shuffle = nn.PixelShuffle(2)
        self.tail = nn.Conv2d(8, 3, 3, has_bias=True)

    def construct(self, x):
        x = self.head(x - self.mean)
        return self.tail(self.shuffle(self.up(self.body(x) + x))) + self.mean


@net("srcnn_bicubic", f32(1, 1, 9, 9))
class Srcnn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 9, pad_mode="same", has_bias=True)
        self.c2 = nn.Conv2d(6, 4, 1, has_bias=True)
        self.c3 = nn.Conv2d(4, 1, 5, pad_mode="same", has_bias=True)

    def construct(self, x):
        x = ops.interpolate(x, size=(18, 18), mode="bicubic", align_corners=False)
        return self.c3(ops.relu(self.c2(ops.relu(self.c1(x)))))


@net("vae", f32(3, 20), f32(3, 4))
class Vae(nn.Cell):
    def __init__(self):
        super().__init__()
        self.enc = nn.Dense(20, 12, activation="relu")
        self.mu = nn.Dense(12, 4)
        self.logvar = nn.Dense(12, 4)
        self.dec = nn.SequentialCell([nn.Dense(4, 12), nn.ReLU(), nn.Dense(12, 20), nn.Sigmoid()])

    def construct(self, x, eps):
        h = self.enc(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + ops.exp(0.5 * logvar) * eps
        recon = self.dec(z)
        kl = -0.5 * ops.ReduceSum()(1 + logvar - mu ** 2 - logvar.exp(), 1)
        return recon, mu, logvar, kl


@net("spatial_transformer", f32(2, 1, 12, 12))
class SpatialTransformer(nn.Cell):
    def __init__(self):
        super().__init__()
        self.loc = nn.SequentialCell([nn.Conv2d(1, 4, 5, 2, pad_mode="valid", has_bias=True), nn.ReLU(), nn.Flatten(), nn.Dense(64, 6)])
        self.bias = Tensor(np.array([1, 0, 0, 0, 1, 0], np.float32))

    def construct(self, x):
        theta = (self.loc(x) * 0.1 + self.bias).reshape(-1, 2, 3)
        grid = ops.affine_grid(theta, (2, 1, 8, 8), align_corners=False)
        return ops.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


@net("optical_flow_corr", f32(1, 4, 6, 6), f32(1, 4, 6, 6))
class FlowCorrelation(nn.Cell):
    """Cost volume by shifting, then a conv (PWC-like)."""
    def __init__(self):
        super().__init__()
        self.pad = nn.Pad(((0, 0), (0, 0), (1, 1), (1, 1)))
        self.conv = nn.Conv2d(9, 2, 3, has_bias=True)
        self.mean = ops.ReduceMean(keep_dims=True)

    def construct(self, a, b):
        b = self.pad(b)
        costs = ()
        for i in range(3):
            for j in range(3):
                costs += (self.mean(a * b[:, :, i:i + 6, j:j + 6], 1),)
        return self.conv(ops.LeakyReLU(0.1)(ops.concat(costs, 1)) if False else nn.LeakyReLU(0.1)(ops.concat(costs, 1)))


@net("diffusion_unet_step", f32(1, 4, 8, 8), f32(1, lo=1, hi=100), f32(1, 5, 8))
class DiffusionStep(nn.Cell):
    """Time embedding by sin/cos, GroupNorm + SiLU blocks, cross attention."""
    def __init__(self):
        super().__init__()
        half = 8
        self.freqs = Tensor(np.exp(-np.log(10000) * np.arange(half) / half).astype(np.float32))
        self.time = nn.SequentialCell([nn.Dense(16, 16), nn.SiLU(), nn.Dense(16, 8)])
        self.conv_in = nn.Conv2d(4, 8, 3, pad_mode="pad", padding=1, has_bias=True)
        self.norm = nn.GroupNorm(4, 8, eps=1e-5)
        self.conv = nn.Conv2d(8, 8, 3, pad_mode="pad", padding=1, has_bias=True)
        self.q = nn.Dense(8, 8, has_bias=False)
        self.k = nn.Dense(8, 8, has_bias=False)
        self.v = nn.Dense(8, 8, has_bias=False)
        self.ln = nn.LayerNorm((8,))
        self.geglu = nn.Dense(8, 32)
        self.ff = nn.Dense(16, 8)
        self.conv_out = nn.Conv2d(8, 4, 3, pad_mode="pad", padding=1, has_bias=True)

    def construct(self, x, t, context):
        args = ops.expand_dims(t, 1) * ops.expand_dims(self.freqs, 0)
        emb = self.time(ops.concat((ops.cos(args), ops.sin(args)), -1))
        h = self.conv_in(x)
        h = self.conv(ops.silu(self.norm(h)) + emb[:, :, None, None])
        b, c, hh, ww = h.shape
        y = h.reshape(b, c, hh * ww).transpose(0, 2, 1)
        q, k, v = self.q(self.ln(y)), self.k(context), self.v(context)
        attn = ops.softmax(ops.bmm(q, k.swapaxes(1, 2)) * (8 ** -0.5), -1)
        y = y + ops.bmm(attn, v)
        g1, g2 = ops.split(self.geglu(self.ln(y)), 16, axis=-1)
        y = y + self.ff(g1 * ops.gelu(g2, approximate="none"))
        return self.conv_out(h + y.transpose(0, 2, 1).reshape(b, c, hh, ww))
