"""Detectors and what comes after them: priors, decoding, suppression."""
import itertools
import math

import numpy as np
import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from registry import f32, given, i32, net
from nets_vision import ConvBn


class MultiBox(nn.Cell):
    def __init__(self, classes, channels, boxes):
        super().__init__()
        self.classes = classes
        self.loc = nn.CellList([nn.Conv2d(c, 4 * n, 3, pad_mode="same", has_bias=True) for c, n in zip(channels, boxes)])
        self.cls = nn.CellList([nn.Conv2d(c, classes * n, 3, pad_mode="same", has_bias=True) for c, n in zip(channels, boxes)])
        self.transpose = ops.Transpose()
        self.reshape = ops.Reshape()
        self.concat = ops.Concat(axis=1)
        self.shape = ops.Shape()

    def flatten(self, x):
        x = self.transpose(x, (0, 2, 3, 1))
        return self.reshape(x, (self.shape(x)[0], -1))

    def construct(self, inputs):
        locs = ()
        classes = ()
        for i in range(len(self.loc)):
            locs += (self.flatten(self.loc[i](inputs[i])),)
            classes += (self.flatten(self.cls[i](inputs[i])),)
        loc = self.concat(locs)
        cls = self.concat(classes)
        return self.reshape(loc, (self.shape(loc)[0], -1, 4)), self.reshape(cls, (self.shape(cls)[0], -1, self.classes))


def ssd_priors(sizes=((8, .2), (4, .5)), ratios=(1.0, 2.0, .5)):
    boxes = []
    for size, scale in sizes:
        for i, j in itertools.product(range(size), repeat=2):
            for r in ratios:
                boxes.append([(j + .5) / size, (i + .5) / size, scale * math.sqrt(r), scale / math.sqrt(r)])
    b = np.array(boxes, np.float32)
    return np.stack([b[:, 1] - b[:, 3] / 2, b[:, 0] - b[:, 2] / 2, b[:, 1] + b[:, 3] / 2, b[:, 0] + b[:, 2] / 2], 1), b[:, [1, 0, 3, 2]]


class SsdBackbone(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c1 = nn.SequentialCell([ConvBn(3, 8, 3, 2), ConvBn(8, 8, 3, 2)])
        self.c2 = ConvBn(8, 12, 3, 2)
        self.box = MultiBox(6, [8, 12], [3, 3])

    def construct(self, x):
        a = self.c1(x)
        b = self.c2(a)
        return self.box((a, b))


@net("ssd_decoded", f32(2, 3, 32, 32))
class SsdInfer(nn.Cell):
    """Boxes and scores as the evaluation network of an SSD gives them."""
    def __init__(self):
        super().__init__()
        self.network = SsdBackbone()
        self.default_boxes = Tensor(ssd_priors()[1])
        self.xy = Tensor([0.1], ms.float32)
        self.wh = Tensor([0.2], ms.float32)
        self.activation = ops.Sigmoid()
        self.exp = ops.Exp()
        self.expand = ops.ExpandDims()

    def construct(self, x):
        loc, label = self.network(x)
        anchors = self.expand(self.default_boxes, 0)
        anchors = ops.tile(anchors, (x.shape[0], 1, 1))
        xy = loc[:, :, :2] * self.xy[0] * anchors[:, :, 2:] + anchors[:, :, :2]
        wh = self.exp(loc[:, :, 2:] * self.wh[0]) * anchors[:, :, 2:]
        low = xy - wh / 2.0
        high = xy + wh / 2.0
        box = ops.Concat(-1)((low, high))
        return ops.Maximum()(ops.Minimum()(box, 1.0), 0.0), self.activation(label)


@net("ssd_topk_filter", f32(1, 3, 32, 32))
class SsdTopK(nn.Cell):
    """Softmax scores, best class of each box, the best 20 boxes."""
    def __init__(self):
        super().__init__()
        self.network = SsdBackbone()
        self.topk = ops.TopK(sorted=True)
        self.argmax = ops.ArgMaxWithValue(axis=-1)

    def construct(self, x):
        loc, label = self.network(x)
        scores = ops.softmax(label, -1)
        index, best = self.argmax(scores[:, :, 1:])
        values, order = self.topk(best, 20)
        boxes = ops.gather(loc[0], order[0], 0)
        labels = ops.gather(index[0], order[0], 0) + 1
        keep = ops.cast(values > 0.2, ms.float32)
        return boxes * keep[0].expand_dims(-1), labels, values * keep


class YoloDetection(nn.Cell):
    def __init__(self, anchors, classes, stride):
        super().__init__()
        self.anchors = Tensor(np.array(anchors, np.float32))
        self.count = len(anchors)
        self.classes = classes
        self.stride = stride
        self.sigmoid = nn.Sigmoid()
        self.reshape = ops.Reshape()
        self.tile = ops.Tile()
        self.concat = ops.Concat(axis=-1)
        self.transpose = ops.Transpose()
        self.exp = ops.Exp()

    def construct(self, x, input_shape):
        batch = ops.shape(x)[0]
        grid = ops.shape(x)[2:4]
        p = self.reshape(x, (batch, self.count, 5 + self.classes, grid[0], grid[1]))
        p = self.transpose(p, (0, 3, 4, 1, 2))
        range_x = range(grid[1])
        range_y = range(grid[0])
        grid_x = ops.cast(ops.tuple_to_array(range_x), ms.float32)
        grid_y = ops.cast(ops.tuple_to_array(range_y), ms.float32)
        grid_x = self.tile(self.reshape(grid_x, (1, 1, -1, 1, 1)), (1, grid[0], 1, 1, 1))
        grid_y = self.tile(self.reshape(grid_y, (1, -1, 1, 1, 1)), (1, 1, grid[1], 1, 1))
        cells = self.concat((grid_x, grid_y))
        xy = (self.sigmoid(p[:, :, :, :, :2]) + cells) / ops.cast(ops.tuple_to_array((grid[1], grid[0])), ms.float32)
        wh = self.exp(p[:, :, :, :, 2:4]) * self.anchors / input_shape
        return self.concat((xy, wh, self.sigmoid(p[:, :, :, :, 4:5]), self.sigmoid(p[:, :, :, :, 5:])))


@net("yolov3", f32(2, 3, 32, 32))
class YoloV3(nn.Cell):
    def __init__(self):
        super().__init__()
        self.stem = nn.SequentialCell([ConvBn(3, 8, 3, 2, act=nn.LeakyReLU(0.1)), ConvBn(8, 8, 3, 2, act=nn.LeakyReLU(0.1))])
        self.deep = ConvBn(8, 16, 3, 2, act=nn.LeakyReLU(0.1))
        self.lateral = ConvBn(16, 8, 1, act=nn.LeakyReLU(0.1))
        self.big = nn.Conv2d(16, 2 * 8, 1, has_bias=True)
        self.small = nn.Conv2d(16, 2 * 8, 1, has_bias=True)
        self.detect_big = YoloDetection([(20, 18), (28, 30)], 3, 8)
        self.detect_small = YoloDetection([(6, 7), (10, 12)], 3, 4)
        self.input_shape = Tensor((32.0, 32.0), ms.float32)

    def construct(self, x):
        a = self.stem(x)
        b = self.deep(a)
        up = ops.ResizeNearestNeighbor((a.shape[2], a.shape[3]))(self.lateral(b))
        big = self.detect_big(self.big(b), self.input_shape)
        small = self.detect_small(self.small(ops.Concat(1)((up, a))), self.input_shape)
        return big, small


class Csp(nn.Cell):
    def __init__(self, c):
        super().__init__()
        self.cv1 = ConvBn(c, c // 2, 1, act=nn.SiLU())
        self.cv2 = ConvBn(c, c // 2, 1, act=nn.SiLU())
        self.m = ConvBn(c // 2, c // 2, 3, act=nn.SiLU())
        self.cv3 = ConvBn(c, c, 1, act=nn.SiLU())

    def construct(self, x):
        y = self.cv1(x)
        return self.cv3(ops.concat((y + self.m(y), self.cv2(x)), 1))


class Spp(nn.Cell):
    def __init__(self, c):
        super().__init__()
        self.cv1 = ConvBn(c, c // 2, 1, act=nn.SiLU())
        self.m1 = nn.MaxPool2d(5, 1, pad_mode="same")
        self.m2 = nn.MaxPool2d(9, 1, pad_mode="same")
        self.cv2 = ConvBn(c // 2 * 3, c, 1, act=nn.SiLU())

    def construct(self, x):
        x = self.cv1(x)
        return self.cv2(ops.concat((x, self.m1(x), self.m2(x)), 1))


@net("yolov5", f32(1, 3, 32, 32))
class YoloV5(nn.Cell):
    """Focus slicing, CSP, SPP, decoded and flattened predictions."""
    def __init__(self):
        super().__init__()
        self.focus = ConvBn(12, 8, 3, act=nn.SiLU())
        self.c3 = nn.SequentialCell([ConvBn(8, 16, 3, 2, act=nn.SiLU()), Csp(16)])
        self.c4 = nn.SequentialCell([ConvBn(16, 16, 3, 2, act=nn.SiLU()), Spp(16)])
        self.reduce = ConvBn(16, 16, 1, act=nn.SiLU())
        self.neck = Csp(32)
        self.m0 = nn.Conv2d(32, 3 * 7, 1, has_bias=True)
        self.m1 = nn.Conv2d(16, 3 * 7, 1, has_bias=True)
        self.anchor_grid = Parameter(Tensor(np.array([[[4, 5], [8, 7], [6, 12]], [[16, 14], [20, 22], [28, 30]]], np.float32).reshape(2, 1, 3, 1, 1, 2)), requires_grad=False, name="anchor_grid")
        gy, gx = np.meshgrid(np.arange(8), np.arange(8), indexing="ij")
        self.grid0 = Tensor(np.stack((gx, gy), 2).reshape(1, 1, 8, 8, 2).astype(np.float32))
        gy, gx = np.meshgrid(np.arange(4), np.arange(4), indexing="ij")
        self.grid1 = Tensor(np.stack((gx, gy), 2).reshape(1, 1, 4, 4, 2).astype(np.float32))

    def decode(self, x, grid, anchors, stride):
        bs, _, ny, nx = x.shape
        x = x.view(bs, 3, 7, ny, nx).transpose((0, 1, 3, 4, 2))
        y = ops.sigmoid(x)
        xy = (y[..., 0:2] * 2.0 - 0.5 + grid) * stride
        wh = (y[..., 2:4] * 2) ** 2 * anchors
        return ops.concat((xy, wh, y[..., 4:]), -1).view(bs, -1, 7)

    def construct(self, x):
        x = ops.concat((x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]), 1)
        a = self.c3(self.focus(x))
        b = self.c4(a)
        r = self.reduce(b)
        up = ops.interpolate(r, size=(8, 8), mode="nearest")
        n = self.neck(ops.concat((up, a), 1))
        p0 = self.decode(self.m0(n), self.grid0, self.anchor_grid[0], 4)
        p1 = self.decode(self.m1(b), self.grid1, self.anchor_grid[1], 8)
        return ops.concat((p0, p1), 1)


@net("yolox_head", f32(2, 8, 6, 8), f32(2, 8, 3, 4))
class YoloX(nn.Cell):
    """Decoupled head without anchors; grids computed in the graph with meshgrid."""
    def __init__(self):
        super().__init__()
        self.stem = ConvBn(8, 8, 1, act=nn.SiLU())
        self.cls_conv = ConvBn(8, 8, 3, act=nn.SiLU())
        self.reg_conv = ConvBn(8, 8, 3, act=nn.SiLU())
        self.cls = nn.Conv2d(8, 3, 1, has_bias=True)
        self.reg = nn.Conv2d(8, 4, 1, has_bias=True)
        self.obj = nn.Conv2d(8, 1, 1, has_bias=True)

    def level(self, x, stride):
        x = self.stem(x)
        c = self.cls_conv(x)
        r = self.reg_conv(x)
        y = ops.concat((self.reg(r), ops.sigmoid(self.obj(r)), ops.sigmoid(self.cls(c))), 1)
        b, n, h, w = y.shape
        y = y.reshape(b, n, h * w).transpose(0, 2, 1)
        gx, gy = ops.meshgrid(ops.arange(0, w).astype(ms.float32), ops.arange(0, h).astype(ms.float32), indexing="xy")
        grid = ops.stack((gx, gy), axis=2).reshape(1, -1, 2)
        xy = (y[..., :2] + grid) * stride
        wh = ops.exp(y[..., 2:4]) * stride
        return ops.concat((xy, wh, y[..., 4:]), -1)

    def construct(self, a, b):
        return ops.concat((self.level(a, 8), self.level(b, 16)), 1)


class Fpn(nn.Cell):
    def __init__(self, channels, out):
        super().__init__()
        self.lateral = nn.CellList([nn.Conv2d(c, out, 1, has_bias=True) for c in channels])
        self.smooth = nn.CellList([nn.Conv2d(out, out, 3, pad_mode="same", has_bias=True) for _ in channels])
        self.p6 = nn.MaxPool2d(1, 2, pad_mode="same")

    def construct(self, features):
        outs = []
        for i in range(len(self.lateral)):
            outs.append(self.lateral[i](features[i]))
        n = len(outs)
        for i in range(n - 1, 0, -1):
            outs[i - 1] = outs[i - 1] + ops.ResizeNearestNeighbor(outs[i - 1].shape[-2:])(outs[i])
        result = ()
        for i in range(n):
            result = result + (self.smooth[i](outs[i]),)
        return result + (self.p6(result[-1]),)


@net("retinanet", f32(1, 3, 64, 64))
class RetinaNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.c2 = nn.SequentialCell([ConvBn(3, 6, 3, 2), ConvBn(6, 8, 3, 2)])
        self.c3 = ConvBn(8, 8, 3, 2)
        self.c4 = ConvBn(8, 8, 3, 2)
        self.fpn = Fpn([8, 8, 8], 8)
        self.cls = nn.SequentialCell([nn.Conv2d(8, 8, 3, pad_mode="same", has_bias=True), nn.ReLU(), nn.Conv2d(8, 2 * 3, 3, pad_mode="same", has_bias=True)])
        self.reg = nn.SequentialCell([nn.Conv2d(8, 8, 3, pad_mode="same", has_bias=True), nn.ReLU(), nn.Conv2d(8, 2 * 4, 3, pad_mode="same", has_bias=True)])

    def construct(self, x):
        c2 = self.c2(x)
        c3 = self.c3(c2)
        c4 = self.c4(c3)
        levels = self.fpn((c2, c3, c4))
        scores, deltas = [], []
        for level in levels:
            s = self.cls(level)
            d = self.reg(level)
            scores.append(s.transpose(0, 2, 3, 1).reshape(1, -1, 3))
            deltas.append(d.transpose(0, 2, 3, 1).reshape(1, -1, 4))
        return ops.sigmoid(ops.concat(scores, 1)), ops.concat(deltas, 1)


@net("fpn_bilinear", f32(1, 4, 16, 16), f32(1, 6, 8, 8), f32(1, 8, 4, 4))
class FpnBilinear(nn.Cell):
    def __init__(self):
        super().__init__()
        self.l0 = nn.Conv2d(4, 6, 1)
        self.l1 = nn.Conv2d(6, 6, 1)
        self.l2 = nn.Conv2d(8, 6, 1)
        self.out = nn.Conv2d(18, 2, 3)

    def construct(self, a, b, c):
        c = self.l2(c)
        b = self.l1(b) + ops.interpolate(c, size=(8, 8), mode="bilinear", align_corners=False)
        a = self.l0(a) + ops.interpolate(b, size=(16, 16), mode="bilinear", align_corners=True)
        b = ops.interpolate(b, size=(16, 16), mode="bilinear", align_corners=False)
        c = ops.interpolate(c, scale_factor=(4.0, 4.0), recompute_scale_factor=True, mode="bilinear", align_corners=False)
        return self.out(ops.concat((a, b, c), 1))


def rois(count, images, size):
    r = np.random.RandomState(7)
    xy = r.uniform(0, size * .6, (count, 2))
    wh = r.uniform(size * .1, size * .4, (count, 2))
    return np.concatenate([r.randint(0, images, (count, 1)), xy, xy + wh], 1).astype(np.float32)


@net("roi_align_head", f32(2, 8, 16, 16), given(rois(5, 2, 64), "float32"))
class RoiHead(nn.Cell):
    def __init__(self):
        super().__init__()
        self.align = ops.ROIAlign(4, 4, 0.25, 2, 1)
        self.fc1 = nn.Dense(8 * 16, 24)
        self.fc2 = nn.Dense(24, 24)
        self.cls = nn.Dense(24, 4)
        self.reg = nn.Dense(24, 16)

    def construct(self, feature, boxes):
        x = self.align(feature, boxes)
        x = x.reshape(x.shape[0], -1)
        x = ops.relu(self.fc2(ops.relu(self.fc1(x))))
        return ops.softmax(self.cls(x), -1), self.reg(x)


@net("mask_head", f32(1, 6, 16, 16), given(rois(3, 1, 64), "float32"))
class MaskHead(nn.Cell):
    def __init__(self):
        super().__init__()
        self.align = ops.ROIAlign(7, 7, 0.25, 2, 0)
        self.convs = nn.SequentialCell([nn.Conv2d(6, 6, 3, has_bias=True), nn.ReLU()])
        self.up = nn.Conv2dTranspose(6, 6, 2, 2, pad_mode="valid", has_bias=True)
        self.logits = nn.Conv2d(6, 3, 1, has_bias=True)

    def construct(self, feature, boxes):
        x = self.align(feature, boxes)
        return ops.sigmoid(self.logits(ops.relu(self.up(self.convs(x)))))


@net("rpn_proposals", f32(1, 8, 4, 4))
class Rpn(nn.Cell):
    """Scores, decoded boxes, the best ones, suppression with masks."""
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, has_bias=True)
        self.cls = nn.Conv2d(8, 3, 1, has_bias=True)
        self.reg = nn.Conv2d(8, 12, 1, has_bias=True)
        r = np.random.RandomState(3)
        centre = r.uniform(5, 60, (48, 2))
        size = r.uniform(6, 30, (48, 2))
        self.anchors = Tensor(np.concatenate([centre - size / 2, centre + size / 2], 1).astype(np.float32))
        self.decode = ops.BoundingBoxDecode(max_shape=(64, 64), means=(0.0, 0.0, 0.0, 0.0), stds=(1.0, 1.0, 1.0, 1.0), wh_ratio_clip=0.016)
        self.topk = ops.TopK(sorted=True)
        self.nms = ops.NMSWithMask(0.5)
        self.concat = ops.Concat(axis=1)

    def construct(self, x):
        x = ops.relu(self.conv(x))
        scores = ops.sigmoid(self.cls(x).transpose(0, 2, 3, 1).reshape(-1))
        deltas = self.reg(x).transpose(0, 2, 3, 1).reshape(-1, 4)
        best, order = self.topk(scores, 24)
        boxes = self.decode(ops.gather(self.anchors, order, 0), ops.gather(deltas, order, 0))
        boxes, index, mask = self.nms(self.concat((boxes, best.expand_dims(-1))))
        return boxes, index, ops.cast(mask, ms.float32)


@net("nms_multiclass", f32(12, 4, lo=0, hi=20), f32(12, 3, lo=0, hi=1))
class NmsMulticlass(nn.Cell):
    """Suppression written with IoU and loops over classes, as some eval nets do."""
    def __init__(self):
        super().__init__()
        self.iou = ops.IOU()

    def construct(self, box, score):
        xy = box[:, :2]
        wh = box[:, 2:] * 0.5 + 1.0
        boxes = ops.concat((xy, xy + wh), 1)
        iou = self.iou(boxes, boxes)
        outs = ()
        for c in range(3):
            s, order = ops.sort(score[:, c], descending=True)
            m = ops.gather(ops.gather(iou, order, 0), order, 1)
            upper = ops.cast(m > 0.4, ms.float32) * Tensor(np.triu(np.ones((12, 12), np.float32), 1))
            keep = ops.cast(ops.ReduceMax()(upper, 0) < 0.5, ms.float32)
            outs += (s * keep,)
        return ops.stack(outs, 0)


@net("centernet", f32(2, 3, 32, 32))
class CenterNet(nn.Cell):
    """Heat map with a max-pool suppression, top k over classes, gathered offsets and sizes."""
    def __init__(self):
        super().__init__()
        self.stem = nn.SequentialCell([ConvBn(3, 8, 3, 2), ConvBn(8, 8, 3, 2)])
        self.deconv = nn.SequentialCell([nn.Conv2dTranspose(8, 8, 4, 2, pad_mode="pad", padding=1), nn.BatchNorm2d(8), nn.ReLU()])
        self.hm = nn.Conv2d(8, 3, 1, has_bias=True)
        self.wh = nn.Conv2d(8, 2, 1, has_bias=True)
        self.off = nn.Conv2d(8, 2, 1, has_bias=True)
        self.pool = nn.MaxPool2d(3, 1, pad_mode="same")
        self.topk = ops.TopK(sorted=True)

    def gather_feat(self, feature, index):
        b, c, h, w = feature.shape
        feature = feature.transpose(0, 2, 3, 1).reshape(b, h * w, c)
        index = ops.tile(index.expand_dims(2), (1, 1, c))
        return ops.GatherD()(feature, 1, index)

    def construct(self, x):
        x = self.deconv(self.stem(x))
        heat = ops.clip_by_value(ops.sigmoid(self.hm(x)), Tensor(1e-4, ms.float32), Tensor(1 - 1e-4, ms.float32))
        peak = ops.cast(ops.equal(self.pool(heat), heat), ms.float32)
        heat = heat * peak
        b, c, h, w = heat.shape
        scores, inds = self.topk(heat.reshape(b, c, -1), 10)
        inds = ops.cast(inds, ms.int32)
        ys = ops.cast(ops.floor_div(inds, w), ms.float32)
        xs = ops.cast(ops.floor_mod(inds, w), ms.float32)
        best, order = self.topk(scores.reshape(b, -1), 10)
        classes = ops.floor_div(order, 10)
        inds = ops.GatherD()(inds.reshape(b, -1), 1, order)
        ys = ops.GatherD()(ys.reshape(b, -1), 1, order)
        xs = ops.GatherD()(xs.reshape(b, -1), 1, order)
        off = self.gather_feat(self.off(x), inds)
        wh = self.gather_feat(self.wh(x), inds)
        cx = xs + off[:, :, 0]
        cy = ys + off[:, :, 1]
        boxes = ops.stack((cx - wh[:, :, 0] / 2, cy - wh[:, :, 1] / 2, cx + wh[:, :, 0] / 2, cy + wh[:, :, 1] / 2), 2)
        return boxes, best, classes


@net("fcos_points", f32(1, 6, 8, 6))
class Fcos(nn.Cell):
    """Anchor-free: distances times a learnt scale from points computed in the graph; centerness."""
    def __init__(self):
        super().__init__()
        self.tower = nn.SequentialCell([nn.Conv2d(6, 8, 3, has_bias=True), nn.GroupNorm(4, 8), nn.ReLU()])
        self.cls = nn.Conv2d(8, 4, 3, has_bias=True)
        self.reg = nn.Conv2d(8, 4, 3, has_bias=True)
        self.cen = nn.Conv2d(8, 1, 3, has_bias=True)
        self.scale = Parameter(Tensor([1.0], ms.float32), name="scale")

    def construct(self, x):
        t = self.tower(x)
        cls = ops.sigmoid(self.cls(t))
        reg = ops.exp(self.reg(t) * self.scale)
        cen = ops.sigmoid(self.cen(t))
        h, w = x.shape[2], x.shape[3]
        sx = ops.arange(0, w * 8, 8).astype(ms.float32) + 4
        sy = ops.arange(0, h * 8, 8).astype(ms.float32) + 4
        px = ops.tile(sx.reshape(1, -1), (h, 1)).reshape(-1)
        py = ops.tile(sy.reshape(-1, 1), (1, w)).reshape(-1)
        r = reg.transpose(0, 2, 3, 1).reshape(-1, 4)
        boxes = ops.stack([px - r[:, 0], py - r[:, 1], px + r[:, 2], py + r[:, 3]], -1)
        scores = ops.sqrt(cls * cen).transpose(0, 2, 3, 1).reshape(-1, 4)
        best = scores.max(axis=1)
        return boxes, best, scores.argmax(axis=1)


class DetrLayer(nn.Cell):
    def __init__(self, dim, heads):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(dim, heads, dropout=0.0, batch_first=True)
        self.cross_attn = nn.MultiheadAttention(dim, heads, dropout=0.0, batch_first=True)
        self.n1 = nn.LayerNorm((dim,))
        self.n2 = nn.LayerNorm((dim,))
        self.n3 = nn.LayerNorm((dim,))
        self.ffn = nn.SequentialCell([nn.Dense(dim, dim * 2), nn.ReLU(), nn.Dense(dim * 2, dim)])

    def construct(self, q, pos, memory, mpos):
        x = self.n1(q + self.self_attn(q + pos, q + pos, q, need_weights=False)[0])
        x = self.n2(x + self.cross_attn(x + pos, memory + mpos, memory, need_weights=False)[0])
        return self.n3(x + self.ffn(x))


@net("detr", f32(2, 3, 32, 32))
class Detr(nn.Cell):
    def __init__(self):
        super().__init__()
        self.backbone = nn.SequentialCell([ConvBn(3, 8, 3, 4), ConvBn(8, 16, 3, 2)])
        self.layer = DetrLayer(16, 2)
        self.query = Parameter(Tensor(np.zeros((6, 16), np.float32)), name="query")
        pos = np.zeros((1, 16, 16), np.float32)
        pos[0, :, ::2] = np.sin(np.arange(16)[:, None] / 10000 ** (np.arange(8) / 8))
        pos[0, :, 1::2] = np.cos(np.arange(16)[:, None] / 10000 ** (np.arange(8) / 8))
        self.pos = Tensor(pos)
        self.cls = nn.Dense(16, 5)
        self.box = nn.SequentialCell([nn.Dense(16, 16), nn.ReLU(), nn.Dense(16, 4), nn.Sigmoid()])

    def construct(self, x):
        x = self.backbone(x)
        b, c, h, w = x.shape
        memory = x.reshape(b, c, h * w).transpose(0, 2, 1)
        pos = ops.broadcast_to(self.query.expand_dims(0), (b, 6, c))
        target = ops.zeros_like(pos)
        y = self.layer(target, pos, memory, self.pos)
        prob = ops.softmax(self.cls(y), -1)
        scores, labels = ops.max(prob[..., :-1], axis=-1)
        return scores, labels, self.box(y)


@net("ctpn_dynamic_image", f32(1, 3, 16, 24), dynamic={0: (2, 3)}, runs=[[f32(1, 3, 32, 16)]])
class TextDetector(nn.Cell):
    """Fully convolutional with a row-wise recurrent-like mixing of dynamic size."""
    def __init__(self):
        super().__init__()
        self.conv = ConvBn(3, 8, 3, 2)
        self.row = nn.Dense(8, 8)
        self.score = nn.Conv2d(8, 2, 1, has_bias=True)

    def construct(self, x):
        y = self.conv(x)
        b, c, h, w = y.shape
        rows = y.transpose(0, 2, 3, 1).reshape(b * h, w, c)
        rows = ops.tanh(self.row(rows))
        y = rows.reshape(b, h, w, c).transpose(0, 3, 1, 2)
        return ops.softmax(self.score(y), 1)


@net("face_landmarks", f32(2, 3, 24, 24))
class MtcnnStage(nn.Cell):
    """P-Net like: PReLU convs and three heads."""
    def __init__(self):
        super().__init__()
        self.conv = nn.SequentialCell([nn.Conv2d(3, 10, 3, pad_mode="valid", has_bias=True), nn.PReLU(10), nn.MaxPool2d(2, 2, pad_mode="same"), nn.Conv2d(10, 16, 3, pad_mode="valid", has_bias=True), nn.PReLU(16), nn.Conv2d(16, 16, 3, pad_mode="valid", has_bias=True), nn.PReLU(16)])
        self.conv4_1 = nn.Conv2d(16, 2, 1, has_bias=True)
        self.conv4_2 = nn.Conv2d(16, 4, 1, has_bias=True)
        self.conv4_3 = nn.Conv2d(16, 10, 1, has_bias=True)
        self.softmax = ops.Softmax(axis=1)

    def construct(self, x):
        x = self.conv(x)
        return (self.softmax(self.conv4_1(x)), (self.conv4_2(x), self.conv4_3(x)))


@net("openpose_stages", f32(1, 3, 32, 32))
class OpenPose(nn.Cell):
    def __init__(self):
        super().__init__()
        self.base = nn.SequentialCell([ConvBn(3, 8, 3, 2), nn.MaxPool2d(2, 2), ConvBn(8, 8, 3)])
        self.paf = nn.CellList([nn.Conv2d(8, 6, 3, has_bias=True), nn.Conv2d(8 + 6 + 4, 6, 7, has_bias=True)])
        self.heat = nn.CellList([nn.Conv2d(8, 4, 3, has_bias=True), nn.Conv2d(8 + 6 + 4, 4, 7, has_bias=True)])

    def construct(self, x):
        f = self.base(x)
        paf = self.paf[0](f)
        heat = self.heat[0](f)
        pafs, heats = (paf,), (heat,)
        for i in range(1, 2):
            y = ops.concat((paf, heat, f), 1)
            paf = self.paf[i](y)
            heat = self.heat[i](y)
            pafs += (paf,)
            heats += (heat,)
        return pafs, heats
