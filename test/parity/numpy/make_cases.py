"""Writes libs/register/src/tensor/numpy-cases.json: what numpy answers to the operations of Tensor.

    python3 test/parity/numpy/make_cases.py        # needs numpy 2

Values are JSON numbers; NaN and infinities are strings, 64-bit integers too.
"""
import json
import math
import pathlib

import numpy as np

OUT = pathlib.Path(__file__).parents[3] / 'libs/register/src/tensor/numpy-cases.json'
rng = np.random.default_rng(7)


def encode(array):
    array = np.asarray(array)
    flat = []
    for value in array.ravel().tolist():
        if isinstance(value, bool):
            flat.append(int(value))
        elif isinstance(value, float) and not math.isfinite(value):
            flat.append('NaN' if math.isnan(value) else 'Infinity' if value > 0 else '-Infinity')
        elif isinstance(value, int) and array.dtype.itemsize == 8:
            flat.append(str(value))
        else:
            flat.append(value)
    return {'dtype': array.dtype.name, 'shape': list(array.shape), 'values': flat}


def sample(dtype, *shape):
    dtype = np.dtype(dtype)
    if dtype == np.bool_:
        return rng.random(shape) < 0.5
    if dtype.kind in 'iu':
        low = -50 if dtype.kind == 'i' else 0
        return rng.integers(low, 50, shape).astype(dtype)
    return (rng.standard_normal(shape) * 3).astype(dtype)


cases = []


def case(op, inputs, args, result, rtol=0.0):
    results = result if isinstance(result, (list, tuple)) else [result]
    cases.append({'op': op, 'inputs': [encode(i) for i in inputs], 'args': args, 'expected': [encode(r) for r in results], 'rtol': rtol})


TYPES = ['bool', 'int8', 'uint8', 'int32', 'uint32', 'int64', 'uint64', 'float16', 'float32', 'float64']
LOOSE = {'float16': 2e-3, 'float32': 2e-6, 'float64': 1e-13}

for name in TYPES:
    x = sample(name, 2, 3, 4)
    loose = LOOSE.get(name, 0.0)
    case('transpose', [x], [], x.transpose())
    case('transpose', [x], [1, 0, 2], x.transpose(1, 0, 2))
    case('permute', [x], [-1, 0, 1], x.transpose(-1, 0, 1))
    case('concat', [x, x[:, :2]], [1], np.concatenate([x, x[:, :2]], 1))
    case('stack', [x, x], [-1], np.stack([x, x], -1))
    case('split', [x], [2, 2], np.split(x, 2, 2))
    case('split', [x], [[1, 3], -1], np.split(x, [1, 3], -1))
    case('pad', [x], [[[1, 0], [0, 2], [1, 1]], 1], np.pad(x, [(1, 0), (0, 2), (1, 1)], constant_values=1))
    case('squeeze', [x[:1]], [], x[:1].squeeze())
    case('squeeze', [x[:, :1]], [1], x[:, :1].squeeze(1))
    case('expandDims', [x], [-1], np.expand_dims(x, -1))
    case('expandDims', [x], [1], np.expand_dims(x, 1))
    for axis in (0, 1, -1):
        case('max', [x], [axis], x.max(axis))
        case('min', [x], [axis, True], x.min(axis, keepdims=True))
        case('sum', [x], [axis], x.sum(axis), loose)
        case('mean', [x], [axis, axis == 1], x.mean(axis, keepdims=axis == 1), max(loose, 1e-13))
        case('argMax', [x], [axis], x.argmax(axis))
        case('argMin', [x], [axis, True], x.argmin(axis, keepdims=True))
        case('sort', [x], [axis], np.sort(x, axis))
        case('argSort', [x], [axis], np.argsort(x, axis, kind='stable'))
    y = sample(name, 3, 1)
    for op, fn in (('equal', np.equal), ('notEqual', np.not_equal), ('less', np.less), ('lessEqual', np.less_equal), ('greater', np.greater), ('greaterEqual', np.greater_equal)):
        case(op, [x, y], [], fn(x, y))
    case('where', [x > 0 if name != 'bool' else x, x, y], [], np.where(x > 0 if name != 'bool' else x, x, y))
    a, b = sample(name, 2, 3, 4), sample(name, 4, 2)
    case('matmul', [a, b], [], np.matmul(a, b), max(loose * 20, 0))
    case('matmul', [a[0, 0], b], [], np.matmul(a[0, 0], b), loose * 20)
    case('matmul', [a, b[:, 0]], [], np.matmul(a, b[:, 0]), loose * 20)
    if name != 'bool':
        case('abs', [x], [], np.abs(x))
        case('neg', [x], [], np.negative(x))
        case('clip', [x], [1, 20], np.clip(x, 1, 20))
    if name in LOOSE:
        for op, fn in (('floor', np.floor), ('ceil', np.ceil), ('round', np.round)):
            case(op, [x], [], fn(x))
        case('exp', [x], [], np.exp(x), loose * 2)
        p = np.abs(x)
        case('log', [p], [], np.log(p), loose * 2)
        case('sqrt', [p], [], np.sqrt(p), loose * 2)
        for axis in (0, -1):
            e = np.exp(x.astype('float64') - x.astype('float64').max(axis, keepdims=True))
            case('softmax', [x], [axis], (e / e.sum(axis, keepdims=True)).astype(name), loose)

nan = np.array([[1, np.nan, 3], [-0.0, np.inf, -np.inf], [np.nan, 2, np.nan]], 'float32')
for op, fn in (('max', np.max), ('min', np.min), ('argMax', np.argmax), ('argMin', np.argmin)):
    case(op, [nan], [1], fn(nan, 1))
case('sort', [nan], [1], np.sort(nan, 1))
case('argSort', [nan], [0], np.argsort(nan, 0, kind='stable'))
case('equal', [nan, nan], [], nan == nan)
case('clip', [nan], [-1, 2], np.clip(nan, -1, 2))
half = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.49999], 'float64')
case('round', [half], [], np.round(half))
big = np.array([2**53, 2**53 + 1, -(2**63), 2**63 - 1], 'int64')
case('less', [big, big[::-1].copy()], [], big < big[::-1])
case('max', [big], [0], big.max(0))
case('sum', [big], [0], big.sum(0))
case('clip', [np.array([-5, 0, 300], 'int16')], [0.5, 20], np.clip(np.array([-5, 0, 300], 'int16'), 0.5, 20))
case('concat', [np.array([1, 2], 'uint8'), np.array([3.5], 'float32')], [0], np.concatenate([np.array([1, 2], 'uint8'), np.array([3.5], 'float32')]))
case('concat', [np.zeros((0, 2), 'float32'), np.ones((1, 2), 'float32')], [0], np.ones((1, 2), 'float32'))
case('transpose', [np.zeros((0, 3), 'int8')], [], np.zeros((3, 0), 'int8'))
case('sum', [np.zeros((2, 0), 'float32')], [1], np.zeros(2, 'float32'))
scores = np.array([[0.1, 0.7, 0.7, 0.2], [4, 3, 2, 1]], 'float32')
order = np.argsort(-scores, 1, kind='stable')[:, :2]
case('topK', [scores], [2], [np.take_along_axis(scores, order, 1), order])
column = np.argsort(-scores, 0, kind='stable')[:1]
case('topK', [scores], [1, 0], [np.take_along_axis(scores, column, 0), column])

image = rng.integers(0, 256, (5, 7, 3)).astype('uint8')
case('hwcToChw', [image], [], image.transpose(2, 0, 1))
case('chwToHwc', [image], [], image.transpose(1, 2, 0))
mean, std = np.array([120.5, 110.25, 100]), np.array([50.0, 60.5, 70])
case('normalizeImage', [image], [mean.tolist(), std.tolist()], ((image - mean) / std).astype('float32'), 1e-6)
chw = image.transpose(2, 0, 1).copy()
case('normalizeImage', [chw], [mean.tolist(), std.tolist(), 0], ((chw - mean[:, None, None]) / std[:, None, None]).astype('float32'), 1e-6)
case('centerCropImage', [image], [[3, 4]], image[1:4, 1:5])


def linear(source, height, width):
    """Bilinear with half-pixel centres, edges held: what OpenCV calls INTER_LINEAR."""
    def steps(n, to):
        place = np.clip((np.arange(to) + 0.5) * n / to - 0.5, 0, n - 1)
        low = np.floor(place).astype(int)
        return low, np.minimum(low + 1, n - 1), place - low

    y0, y1, fy = steps(source.shape[0], height)
    x0, x1, fx = steps(source.shape[1], width)
    s = source.astype('float64')
    fx, fy = fx[None, :, None], fy[:, None, None]
    rows = lambda y: s[y][:, x0] * (1 - fx) + s[y][:, x1] * fx
    return rows(y0) * (1 - fy) + rows(y1) * fy


photo = image.astype('float32') / 255
case('resizeImage', [photo], [[9, 4]], linear(photo, 9, 4).astype('float32'), 1e-6)
case('resizeImage', [image], [[3, 14]], np.floor(linear(image, 3, 14) + 0.5).astype('uint8'))
case('resizeImage', [image], [[10, 3], 'nearest'], image[(np.arange(10) * 5 // 10)][:, (np.arange(3) * 7 // 3)])

OUT.write_text(json.dumps({'numpy': np.__version__, 'cases': cases}, separators=(',', ':')).replace('{"op"', '\n{"op"') + '\n')
print(len(cases), 'cases in', OUT)
