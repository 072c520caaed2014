"""The table of one-op nets. A row: case(name, op expression, inputs...), where the net calls self.op on its inputs (or `call` when it needs constants).

The part of a name before `__` is the primitive meant; what MindSpore really exports is in the file.
"""
import numpy as np

CASES = []


def t(shape, lo=-2.0, hi=2.0, dtype="float32", values=None):
    """A tensor argument: uniform in [lo, hi), or given values."""
    return {"shape": shape, "lo": lo, "hi": hi, "dtype": dtype, "values": values}


def i32(shape, lo=-5, hi=6):
    return t(shape, lo, hi, "int32")


def i64(shape, lo=-5, hi=6):
    return t(shape, lo, hi, "int64")


def boolean(shape):
    return t(shape, 0, 2, "bool")


def const(values, dtype):
    return t(None, dtype=dtype, values=values)


def case(name, op, *inputs, call=None, **more):
    n = len(inputs)
    init = [f"self.op = {op}"] if isinstance(op, str) else list(op)
    CASES.append({"name": name, "init": init, "call": call or "self.op(" + ", ".join(f"x{i}" for i in range(n)) + ")", "inputs": list(inputs), **more})


def build_inputs(c, ms):
    out = []
    for s in c["inputs"]:
        if s["values"] is not None:
            a = np.array(s["values"], dtype=s["dtype"] if s["dtype"] != "bfloat16" else "float32")
        elif s["dtype"] == "bool":
            a = np.random.rand(*s["shape"]) > 0.5
        elif "int" in s["dtype"]:
            a = np.random.randint(s["lo"], s["hi"], s["shape"]).astype(s["dtype"])
        else:
            a = np.random.uniform(s["lo"], s["hi"], s["shape"]).astype("float32")
        x = ms.Tensor(a)
        if s["dtype"] in ("float16", "float64", "bfloat16"):
            x = ms.Tensor(a.astype("float64")).astype(getattr(ms, s["dtype"]))
        out.append(x)
    return out


# ---- element-wise, one input -----------------------------------------------------------------------------------------------------------------
X = t([2, 3, 4])
for name in ("Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Rint", "Trunc", "Exp", "Expm1", "Square", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Tanh", "Atan", "Asinh", "Erf", "Erfc", "Sigmoid", "ReLU", "ReLU6", "HSwish",
             "HSigmoid", "SeLU", "Softplus", "Softsign", "Mish", "GeLU", "FastGeLU", "Identity", "ZerosLike", "OnesLike", "IsNan", "IsInf", "IsFinite", "L2Loss", "StopGradient", "Flatten", "Sinc", "NanToNum", "BesselI0", "BesselI1", "BesselI0e", "BesselI1e", "BesselJ0", "BesselJ1", "Cast__noop"):
    op = name.split("__")[0]
    if op != "Cast":
        case(name, f"P.{op}()", X)
for name, lo, hi in (("Log", .1, 4), ("Log1p", -.9, 3), ("Sqrt", 0, 4), ("Rsqrt", .1, 4), ("Reciprocal", .2, 3), ("Inv", .2, 3), ("ACos", -.99, .99), ("Asin", -.99, .99), ("Acosh", 1.01, 5), ("Atanh", -.95, .95), ("Lgamma", .2, 5), ("Digamma", .2, 5), ("Erfinv", -.9, .9), ("Logit", .05, .95)):
    case(name, f"P.{name}()", t([2, 3, 4], lo, hi))
case("Elu", "P.Elu(1.0)", X)
case("CeLU", "P.CeLU(0.7)", X)
case("HShrink", "P.HShrink(0.4)", X)
case("SoftShrink", "P.SoftShrink(0.4)", X)
case("SiLU", "nn.SiLU()", X)
case("LeakyReLU", "nn.LeakyReLU(0.2)", X)
case("PReLU", "P.PReLU()", t([2, 3, 4, 4]), t([3]))
case("LogSigmoid", "nn.LogSigmoid()", X)
case("Threshold", ["pass"], X, call="ops.threshold(x0, 0.3, 20.0)")
case("Hardtanh", ["pass"], X, call="ops.hardtanh(x0, -0.5, 0.7)")
case("GLU", ["pass"], t([2, 4, 6]), call="ops.glu(x0, -1)")
case("Softmax", "P.Softmax(-1)", X)
case("Softmax__axis1", "P.Softmax(1)", X)
case("LogSoftmax", "P.LogSoftmax(-1)", X)
case("LogSoftmax__axis0", "P.LogSoftmax(0)", X)
case("Gelu__exact", ["pass"], X, call="ops.gelu(x0, 'none')")
case("Dropout__inference", "nn.Dropout(p=0.3)", X)
case("LogicalNot", "P.LogicalNot()", boolean([3, 4]))
case("Invert", "P.Invert()", i32([3, 4]))
for name in ("Abs", "Neg", "Sign", "Square", "OnesLike", "ZerosLike", "ReLU"):
    case(name + "__int32", f"P.{name}()", i32([3, 4]))
for name in ("Abs", "Neg", "Exp", "Sigmoid", "Tanh", "ReLU", "GeLU", "Softmax", "Sqrt", "Floor", "Sin", "Erf"):
    case(name + "__float16", f"P.{name}()", t([3, 4], .1, 2, "float16"), tolerance={"atol": 2e-3, "rtol": 2e-3})
for name in ("Exp", "Tanh", "Sqrt", "Log", "Floor"):
    case(name + "__float64", f"P.{name}()", t([3, 4], .1, 2, "float64"))

# ---- element-wise, two inputs ----------------------------------------------------------------------------------------------------------------
A, B = t([2, 3, 4]), t([3, 4], .3, 2.5)
for name in ("Add", "Sub", "Mul", "Div", "RealDiv", "Maximum", "Minimum", "Atan2", "SquaredDifference", "FloorDiv", "FloorMod", "Mod", "TruncateDiv", "TruncateMod", "DivNoNan", "MulNoNan", "Equal", "NotEqual", "Less", "LessEqual",
             "Greater", "GreaterEqual", "ApproximateEqual", "IsClose", "Hypot", "NextAfter", "Heaviside", "Fmax", "Fmin", "TensorAdd"):
    case(name, f"P.{name}()", A, B)
case("Pow", "P.Pow()", t([2, 3, 4], .1, 2), t([3, 4], -1, 2))
case("Pow__scalar", "P.Pow()", t([2, 3], .1, 2), call="self.op(x0, 3.0)")
case("Pow__int", "P.Pow()", i32([2, 3], 1, 4), i32([3], 0, 3))
case("Xdivy", "P.Xdivy()", A, B)
case("Xlogy", "P.Xlogy()", A, B)
case("Logaddexp", ["pass"], A, B, call="ops.logaddexp(x0, x1)")
case("Logaddexp2", ["pass"], A, B, call="ops.logaddexp2(x0, x1)")
case("Addcdiv", "P.Addcdiv()", t([3, 4]), t([3, 4]), t([3, 4], .5, 2), const([0.5], "float32"))
case("Addcmul", "P.Addcmul()", t([3, 4]), t([3, 4]), t([3, 4], .5, 2), const([0.5], "float32"))
case("Lerp", "P.Lerp()", t([3, 4]), t([3, 4]), t([3, 4], 0, 1))
case("Lerp__scalar", "P.Lerp()", t([3, 4]), t([3, 4]), call="self.op(x0, x1, 0.3)")
for name in ("LogicalAnd", "LogicalOr", "LogicalXor"):
    case(name, f"P.{name}()", boolean([3, 4]), boolean([4]))
for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
    case(name, f"P.{name}()", i32([3, 4], 0, 100), i32([3, 4], 0, 100))
case("LeftShift", "P.LeftShift()", i32([3, 4], 0, 100), i32([3, 4], 0, 5))
case("RightShift", "P.RightShift()", i32([3, 4], 0, 100), i32([3, 4], 0, 5))
case("Gcd", "P.Gcd()", i32([3, 4], 1, 50), i32([3, 4], 1, 50))
case("Lcm", "P.Lcm()", i32([3, 4], 1, 20), i32([3, 4], 1, 20))
for name in ("Add", "Sub", "Mul", "Div", "FloorDiv", "FloorMod", "Mod", "TruncateDiv", "TruncateMod", "Maximum", "Minimum", "Equal", "Less", "Greater", "NotEqual", "LessEqual", "GreaterEqual", "SquaredDifference"):
    case(name + "__int32", f"P.{name}()", i32([3, 4], -20, 20), i32([3, 4], 1, 6))
    case(name + "__int64", f"P.{name}()", i64([3, 4], -20, 20), i64([4], -6, -1))
for name in ("Add", "Mul", "Maximum", "Less", "FloorDiv"):
    case(name + "__float16", f"P.{name}()", t([3, 4], .5, 2, "float16"), t([4], .5, 2, "float16"), tolerance={"atol": 2e-3, "rtol": 2e-3})
case("Add__mixed", ["pass"], i32([3, 4]), t([3, 4]), call="x0 + x1")
case("Add__uint8", "P.Add()", t([3, 4], 0, 100, "uint8"), t([3, 4], 0, 100, "uint8"))
case("Mul__scalar", ["pass"], X, call="x0 * 2.5 - 1.0")
case("AddN", "P.AddN()", t([3, 4]), t([3, 4]), t([3, 4]), call="self.op((x0, x1, x2))")
case("AccumulateNV2", "P.AccumulateNV2()", t([3, 4]), t([3, 4]), call="self.op((x0, x1))")
case("Add__bfloat16", "P.Add()", t([3, 4], .5, 2, "bfloat16"), t([4], .5, 2, "bfloat16"), tolerance={"atol": 2e-2, "rtol": 2e-2})
case("Mul__bfloat16", "P.Mul()", t([3, 4], .5, 2, "bfloat16"), t([4], .5, 2, "bfloat16"), tolerance={"atol": 2e-2, "rtol": 2e-2})
case("Clip", ["pass"], X, call="ops.clip_by_value(x0, -0.5, 0.8)")
case("Clip__tensor", ["pass"], X, t([4], -.6, -.4), t([4], .4, .6), call="ops.clip_by_value(x0, x1, x2)")
case("Select", "P.Select()", boolean([3, 4]), t([3, 4]), t([3, 4]))
case("Where", ["pass"], boolean([3, 4]), t([3, 4]), call="ops.where(x0, x1, 2.0)")
case("MaskedFill", "P.MaskedFill()", t([3, 4]), boolean([3, 4]), call="self.op(x0, x1, -1.5)")
case("MaskedFill__broadcast", ["pass"], t([2, 3, 4]), boolean([1, 4]), call="ops.masked_fill(x0, x1, 0.5)")

# ---- casts, constants, shapes ----------------------------------------------------------------------------------------------------------------
for src, dst in (("float32", "int32"), ("float32", "float16"), ("float32", "bool"), ("float32", "int64"), ("float32", "uint8"), ("float32", "float64"), ("int32", "float32"), ("int32", "int64"), ("int64", "int32"), ("bool", "float32"), ("bool", "int32"), ("float16", "float32"), ("float64", "float32"),
                 ("int8", "int32"), ("uint8", "float32"), ("int32", "bool"), ("float32", "bfloat16"), ("bfloat16", "float32")):
    case(f"Cast__{src}_{dst}", "P.Cast()", t([3, 4], 0 if src in ("uint8", "bool") else -3, 4, src), call=f"self.op(x0, ms.{'bool_' if dst == 'bool' else dst})")
case("Reshape", "P.Reshape()", X, call="self.op(x0, (4, -1))")
case("Reshape__tensor", "P.Reshape()", X, const([6, 4], "int64"))
case("Flatten__4d", "P.Flatten()", t([2, 3, 4, 5]))
case("Flatten__range", ["pass"], t([2, 3, 4, 5]), call="ops.flatten(x0, start_dim=1, end_dim=2)")
case("Transpose", "P.Transpose()", X, call="self.op(x0, (2, 0, 1))")
case("ExpandDims", "P.ExpandDims()", X, call="self.op(x0, 1)")
case("ExpandDims__neg", "P.ExpandDims()", X, call="self.op(x0, -1)")
case("Squeeze", "P.Squeeze()", t([1, 3, 1, 4]))
case("Squeeze__axis", "P.Squeeze(2)", t([1, 3, 1, 4]))
case("Tile", "P.Tile()", t([2, 3]), call="self.op(x0, (2, 1, 2))")
case("BroadcastTo", "P.BroadcastTo((2, 3, 4))", t([3, 1]))
case("BroadcastTo__keep", "P.BroadcastTo((2, -1, 4))", t([3, 1]))
case("Concat", "P.Concat(1)", t([2, 3]), t([2, 4]), call="self.op((x0, x1))")
case("Concat__neg", "P.Concat(-1)", t([2, 3]), t([2, 4]), t([2, 1]), call="self.op((x0, x1, x2))")
case("Stack", "P.Stack(1)", t([2, 3]), t([2, 3]), call="self.op((x0, x1))")
case("Unstack", "P.Unstack(1)", t([2, 3, 4]))
case("Split", "P.Split(1, 2)", t([2, 6]))
case("Split__size", ["pass"], t([2, 6]), call="ops.split(x0, (2, 3, 1), axis=1)")
case("SplitV", "P.SplitV([2, 3, 1], 1, 3)", t([2, 6]))
case("Chunk", ["pass"], t([2, 7]), call="ops.chunk(x0, 3, axis=1)")
case("Slice", "P.Slice()", X, call="self.op(x0, (0, 1, 1), (2, 2, 3))")
case("StridedSlice", "P.StridedSlice()", X, call="self.op(x0, (0, 1, 0), (2, 3, 4), (1, 1, 2))")
case("StridedSlice__masks", "P.StridedSlice(begin_mask=1, end_mask=4, shrink_axis_mask=2)", X, call="self.op(x0, (1, 1, 0), (2, 3, 2), (1, 1, 1))")
case("StridedSlice__newaxis", ["pass"], X, call="x0[:, None, 1:3, 3:0:-1]")
case("StridedSlice__ellipsis", ["pass"], X, call="x0[..., -1]")
case("StridedSlice__negative", ["pass"], X, call="x0[:, 2:0:-1, -3:-1]")
case("GetItem__int", ["pass"], X, call="x0[1]")
case("GetItem__tensor", ["pass"], X, i32([2], 0, 2), call="x0[x1]")
case("Shape", "P.Shape()", X, call="x0.reshape(self.op(x0)[0], -1)")
case("DynamicShape", "P.TensorShape()", X)
case("Rank", "P.Rank()", X, call="x0 * self.op(x0)")
case("Size", "P.Size()", X, call="x0 * self.op(x0)")
case("Fill", "P.Fill()", X, call="x0 + self.op(ms.float32, (2, 3, 4), 2.5)")
case("FillV2", ["pass"], X, call="x0 + ops.full((3, 4), 1.5, dtype=ms.float32)")
case("Fills", "P.Fills()", X, call="self.op(x0, 3.5)")
case("Ones", "P.Ones()", X, call="x0 + self.op((3, 4), ms.float32)")
case("Zeros", "P.Zeros()", X, call="x0 + self.op((3, 4), ms.float32)")
case("Eye", "P.Eye()", t([3, 4]), call="x0 + self.op(3, 4, ms.float32)")
case("Range", "P.Range()", t([5]), call="x0 + ops.cast(ops.arange(0, 10, 2), ms.float32)")
case("LinSpace", "P.LinSpace()", t([5]), call="x0 + self.op(Tensor(0.0, ms.float32), Tensor(2.0, ms.float32), 5)")
case("FullLike", ["pass"], X, call="ops.full_like(x0, 2.0)")
case("Tril", "P.Tril(0)", t([2, 4, 4]))
case("Tril__diag", "P.Tril(-1)", t([4, 5]))
case("Triu", "P.Triu(1)", t([2, 4, 4]))
case("MatrixBandPart", "P.MatrixBandPart()", t([4, 4]), call="self.op(x0, 1, 2)")
case("Diag", "P.Diag()", t([4]))
case("DiagPart", "P.DiagPart()", t([4, 4]))
case("MatrixDiagV3", ["self.op = P.MatrixDiagV3(align='LEFT_RIGHT')", "self.k = Tensor(0, ms.int32)", "self.n = Tensor(3, ms.int32)"], t([2, 3]), const(0.0, "float32"), call="self.op(x0, self.k, self.n, self.n, x1)")
case("MatrixDiagPartV3", ["self.op = P.MatrixDiagPartV3(align='LEFT_RIGHT')", "self.k = Tensor(0, ms.int32)"], t([2, 3, 3]), const(0.0, "float32"), call="self.op(x0, self.k, x1)")
case("MatrixSetDiagV3", ["self.op = P.MatrixSetDiagV3(align='LEFT_RIGHT')", "self.k = Tensor(0, ms.int32)"], t([2, 3, 3]), t([2, 3]), call="self.op(x0, x1, self.k)")
case("FillDiagonal", "P.FillDiagonal(1.5)", t([4, 4]))
case("Trace", "P.Trace()", t([4, 4]))
case("Meshgrid", "P.Meshgrid(indexing='ij')", t([3]), t([4]), call="self.op((x0, x1))")
case("Meshgrid__xy", "P.Meshgrid(indexing='xy')", t([3]), t([4]), call="self.op((x0, x1))")
case("ReverseV2", "P.ReverseV2([0, 2])", X)
case("ReverseSequence", "P.ReverseSequence(seq_dim=1, batch_dim=0)", t([2, 4, 3]), const([3, 2], "int64"))
case("Roll", ["pass"], X, call="ops.roll(x0, 2, 1)")
case("Roll__multi", ["pass"], X, call="ops.roll(x0, (1, -1), (0, 2))")
case("Rot90", ["pass"], t([3, 4]), call="ops.rot90(x0, 1, (0, 1))")
case("SpaceToDepth", "P.SpaceToDepth(2)", t([1, 3, 4, 4]))
case("DepthToSpace", "P.DepthToSpace(2)", t([1, 12, 2, 2]))
case("SpaceToBatchND", "P.SpaceToBatchND([2, 2], [[0, 0], [0, 0]])", t([1, 2, 4, 4]))
case("BatchToSpaceND", "P.BatchToSpaceND([2, 2], [[0, 0], [0, 0]])", t([4, 2, 2, 2]))
case("SpaceToBatch", "P.SpaceToBatch(2, [[0, 0], [0, 0]])", t([1, 2, 4, 4]))
case("BatchToSpace", "P.BatchToSpace(2, [[0, 0], [0, 0]])", t([4, 2, 2, 2]))
case("PixelShuffle", ["pass"], t([1, 8, 3, 3]), call="ops.pixel_shuffle(x0, 2)")
case("ChannelShuffle", "P.ChannelShuffle(2)", t([1, 4, 3, 3]))
case("Unfold", "nn.Unfold([1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], 'valid')", t([1, 2, 4, 4]))
case("Im2Col", ["pass"], t([1, 2, 4, 4]), call="ops.unfold(x0, (2, 2))")
case("Col2Im", ["pass"], t([1, 8, 9]), call="ops.fold(x0, Tensor([4, 4], ms.int32), (2, 2))")
case("RepeatInterleave", ["pass"], X, call="ops.repeat_interleave(x0, 2, 1)")
case("RepeatElements", ["pass"], X, call="ops.repeat_elements(x0, 2, 1)")

# ---- reductions ------------------------------------------------------------------------------------------------------------------------------
for name in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"):
    case(name, f"P.{name}()", X, call="self.op(x0, 1)")
    case(name + "__keep", f"P.{name}(keep_dims=True)", X, call="self.op(x0, (0, -1))")
    case(name + "__all", f"P.{name}()", X, call="self.op(x0, ())")
case("ReduceSum__int", "P.ReduceSum()", i32([3, 4]), call="self.op(x0, 0)")
case("ReduceMax__int", "P.ReduceMax()", i32([3, 4]), call="self.op(x0, 0)")
for name in ("ReduceAll", "ReduceAny"):
    case(name, f"P.{name}()", boolean([3, 4]), call="self.op(x0, 1)")
case("ReduceStd", "P.ReduceStd(axis=1, unbiased=True)", X)
case("EuclideanNorm", "P.EuclideanNorm(keep_dims=False)", X, const([1], "int64"))
case("LpNorm", "P.LpNorm(axis=1, p=2)", X)
case("LpNorm__p1", "P.LpNorm(axis=[0, 1], p=1, keep_dims=True)", X)
case("L2Normalize", "P.L2Normalize(axis=1)", X)
case("SquareSumAll", "P.SquareSumAll()", t([3, 4]), t([3, 4]))
case("LogSumExp", ["pass"], X, call="ops.logsumexp(x0, 1)")
case("Var", ["pass"], X, call="ops.var(x0, 1)")
case("Std", ["pass"], X, call="ops.std(x0, 1)")
case("Norm", ["pass"], X, call="ops.norm(x0, dim=1)")
case("CountNonZero", "P.CountNonZero(dims=[1])", i32([3, 4], 0, 3))
case("Argmax", "P.Argmax(1)", X)
case("Argmax__int32", "P.Argmax(-1, ms.int32)", X)
case("Argmin", "P.Argmin(1)", X)
case("ArgMaxWithValue", "P.ArgMaxWithValue(1)", X)
case("ArgMaxWithValue__keep", "P.ArgMaxWithValue(2, True)", X)
case("ArgMinWithValue", "P.ArgMinWithValue(1)", X)
case("CumSum", "P.CumSum()", X, call="self.op(x0, 1)")
case("CumSum__exclusive", "P.CumSum(True, True)", X, call="self.op(x0, 2)")
case("CumProd", "P.CumProd()", X, call="self.op(x0, 1)")
case("CumProd__exclusive", "P.CumProd(True, True)", X, call="self.op(x0, 1)")
case("Cummax", "P.Cummax(1)", X)
case("Cummin", "P.Cummin(1)", X)
case("CumulativeLogsumexp", "P.CumulativeLogsumexp()", t([3, 4]), call="self.op(x0, Tensor([1], ms.int64))")
case("Median", ["pass"], t([3, 5]), call="ops.median(x0, 1)")
case("NuclearNorm", ["pass"], t([3, 4]), call="ops.norm(x0)")

# ---- sort and search -------------------------------------------------------------------------------------------------------------------------
case("TopK", "P.TopK(True)", t([3, 6]), call="self.op(x0, 3)")
case("TopK__axis", ["pass"], t([3, 6]), call="ops.topk(x0, 2, 0, True)")
case("TopK__smallest", ["pass"], t([3, 6]), call="ops.topk(x0, 2, largest=False)")
case("Sort", "P.Sort()", t([3, 6]))
case("Sort__desc", "P.Sort(axis=0, descending=True)", t([3, 6]))
case("Argsort", ["pass"], t([3, 6]), call="ops.argsort(x0, 1)")
case("SearchSorted", "P.SearchSorted()", const([[1., 3., 5., 7.]], "float32"), const([[2., 3., 8.]], "float32"))
case("SearchSorted__right", "P.SearchSorted(dtype=ms.int64, right=True)", const([1., 3., 5., 7.], "float32"), const([2., 3., 8.], "float32"))
case("Bucketize", "P.Bucketize([0.0, 1.0, 2.0])", t([3, 4]))
case("NonZero", "P.NonZero()", i32([3, 4], 0, 2))
case("Unique", "P.Unique()", const([3, 1, 3, 2, 1], "int32"))
case("UniqueConsecutive", "P.UniqueConsecutive(True, True)", const([3, 3, 1, 1, 2], "int32"))
case("MaskedSelect", "P.MaskedSelect()", t([3, 4]), boolean([3, 4]))
case("InTopK", "P.InTopK(2)", t([3, 5]), const([1, 2, 0], "int32"))
case("Histogram", "P.HistogramFixedWidth(4)", t([8], 0, 4), const([0., 4.], "float32"))
case("Bincount", ["pass"], const([0, 1, 1, 3], "int64"), call="ops.bincount(x0)")
case("NthElement", ["pass"], t([3, 5]), call="ops.sort(x0, 1)[0]")
case("LowerBound", "P.LowerBound()", const([[1., 3., 5., 7.]], "float32"), const([[2., 3., 8.]], "float32"))
case("UpperBound", "P.UpperBound()", const([[1., 3., 5., 7.]], "float32"), const([[2., 3., 8.]], "float32"))

# ---- gather and scatter ----------------------------------------------------------------------------------------------------------------------
case("Gather", "P.Gather()", t([5, 3]), i32([2, 2], 0, 5), call="self.op(x0, x1, 0)")
case("Gather__axis1", "P.Gather()", t([3, 5]), i64([4], 0, 5), call="self.op(x0, x1, 1)")
case("Gather__batch", "P.Gather(batch_dims=1)", t([2, 5, 3]), i32([2, 4], 0, 5), call="self.op(x0, x1, 1)")
case("Gather__negative_axis", "P.Gather()", t([3, 5]), i32([2], 0, 5), call="self.op(x0, x1, -1)")
case("SparseGatherV2", "P.SparseGatherV2()", t([5, 3]), i32([2], 0, 5), call="self.op(x0, x1, 0)")
case("GatherD", "P.GatherD()", t([3, 4]), i32([3, 2], 0, 4), call="self.op(x0, 1, x1)")
case("GatherElements", ["pass"], t([3, 4]), i64([2, 4], 0, 3), call="ops.gather_elements(x0, 0, x1)")
case("GatherNd", "P.GatherNd()", t([3, 4]), const([[0, 1], [2, 3]], "int32"))
case("EmbeddingLookup", "P.EmbeddingLookup()", t([6, 3]), i32([2, 2], 0, 6), call="self.op(x0, x1, 0)")
case("Embedding", "nn.Embedding(10, 4)", i32([2, 3], 0, 10))
case("EmbeddingLookup__cell", "nn.EmbeddingLookup(10, 4)", i32([2, 3], 0, 10))
case("OneHot", "P.OneHot()", i32([4], 0, 5), call="self.op(x0, 5, Tensor(1.0, ms.float32), Tensor(0.0, ms.float32))")
case("OneHot__axis0", "P.OneHot(0)", i64([4], 0, 5), call="self.op(x0, 5, Tensor(2.0, ms.float32), Tensor(-1.0, ms.float32))")
case("ScatterNd", "P.ScatterNd()", const([[0], [3], [0]], "int32"), t([3, 2]), call="self.op(x0, x1, (5, 2))")
for name in ("Update", "Add", "Sub", "Max", "Min", "Mul", "Div"):
    case(f"TensorScatter{name}", f"P.TensorScatter{name}()", t([4, 3]), const([[0], [2]], "int32"), t([2, 3], .5, 2))
case("TensorScatterElements", "P.TensorScatterElements(1)", t([3, 4]), const([[0, 2], [1, 3], [0, 1]], "int32"), t([3, 2]))
case("TensorScatterElements__add", "P.TensorScatterElements(0, 'add')", t([3, 4]), const([[0, 2, 1, 1]], "int64"), t([1, 4]))
case("ScatterElements", ["pass"], t([3, 4]), const([[0, 2, 1, 1]], "int64"), t([1, 4]), call="ops.scatter(x0, 0, x1, x2)")
case("IndexFill", "P.IndexFill()", t([3, 4]), const([0, 2], "int32"), call="self.op(x0, 1, x1, Tensor(9.0, ms.float32))")
case("IndexSelect", ["pass"], t([3, 4]), const([0, 2], "int32"), call="ops.index_select(x0, 1, x1)")
case("TakeAlongDim", ["pass"], t([3, 4]), i64([3, 2], 0, 4), call="ops.gather_d(x0, 1, x1)")
for name in ("Sum", "Max", "Min", "Prod"):
    case(f"UnsortedSegment{name}", f"P.UnsortedSegment{name}()", t([4, 3]), const([0, 1, 1, 2], "int32"), call="self.op(x0, x1, 3)")
for name in ("Sum", "Max", "Min", "Prod", "Mean"):
    case(f"Segment{name}", f"P.Segment{name}()", t([4, 3]), const([0, 0, 1, 2], "int32"))
case("InplaceUpdateV2", "P.InplaceUpdateV2()", t([4, 3]), t([2, 3]), call="self.op(x0, (0, 2), x1)")
case("InplaceAdd", "P.InplaceAdd((0, 2))", t([4, 3]), t([2, 3]))
case("InplaceSub", "P.InplaceSub((0, 2))", t([4, 3]), t([2, 3]))
case("MatrixIndex", ["pass"], t([4, 5]), const([0, 2], "int64"), const([1, 3], "int64"), call="x0[x1, x2]")
case("InvertPermutation", "P.InvertPermutation()", t([3]), call="ops.transpose(x0.reshape(1, 3), (1, 0))")
case("PopulationCount", "P.PopulationCount()", t([3, 4], 0, 200, "uint8"))

# ---- matrix products -------------------------------------------------------------------------------------------------------------------------
case("MatMul", "P.MatMul()", t([2, 3]), t([3, 4]))
case("MatMul__ta", "P.MatMul(True, False)", t([3, 2]), t([3, 4]))
case("MatMul__tb", "P.MatMul(False, True)", t([2, 3]), t([4, 3]))
case("MatMul__float16", "P.MatMul()", t([2, 3], dtype="float16"), t([3, 4], dtype="float16"), tolerance={"atol": 5e-3, "rtol": 5e-3})
case("MatMul__int32", "P.MatMul()", i32([2, 3]), i32([3, 4]))
case("BatchMatMul", "P.BatchMatMul()", t([2, 2, 3]), t([2, 3, 4]))
case("BatchMatMul__tb", "P.BatchMatMul(False, True)", t([2, 5, 2, 3]), t([2, 5, 4, 3]))
case("MatMulExt", ["pass"], t([2, 5, 2, 3]), t([3, 4]), call="ops.matmul(x0, x1)")
case("MatMul__vector", ["pass"], t([4, 3]), t([3]), call="ops.matmul(x0, x1)")
case("Bmm", ["pass"], t([2, 2, 3]), t([2, 3, 4]), call="ops.bmm(x0, x1)")
case("Baddbmm", ["pass"], t([2, 2, 4]), t([2, 2, 3]), t([2, 3, 4]), call="ops.baddbmm(x0, x1, x2, beta=0.5, alpha=2.0)")
case("Addmm", ["pass"], t([2, 4]), t([2, 3]), t([3, 4]), call="ops.addmm(x0, x1, x2)")
case("Dense", "nn.Dense(3, 4)", t([2, 3]))
case("Dense__nobias", "nn.Dense(3, 4, has_bias=False)", t([2, 5, 3]))
case("Dense__relu", "nn.Dense(3, 4, activation='relu')", t([2, 3]))
case("BiasAdd", "P.BiasAdd()", t([2, 3, 4, 4]), t([3]))
case("BiasAdd__2d", "P.BiasAdd()", t([2, 3]), t([3]))
case("Einsum", "P.Einsum('bij,bjk->bik')", t([2, 3, 4]), t([2, 4, 5]), call="self.op((x0, x1))")
case("Einsum__fn", ["pass"], t([2, 3, 4]), t([4, 5]), call="ops.einsum('bij,jk->bik', x0, x1)")
case("Ger", "P.Ger()", t([3]), t([4]))
case("Outer", ["pass"], t([3]), t([4]), call="ops.outer(x0, x1)")
case("Dot", ["pass"], t([3, 4]), t([4, 2]), call="ops.dot(x0, x1)")
case("TensorDot", ["pass"], t([3, 4, 5]), t([4, 5, 2]), call="ops.tensor_dot(x0, x1, ((1, 2), (0, 1)))")
case("Cross", "P.Cross(dim=1)", t([4, 3]), t([4, 3]))
case("MatrixInverse", "P.MatrixInverse()", const([[2., 1.], [1., 3.]], "float32"))
case("MatrixDeterminant", "P.MatrixDeterminant()", t([2, 3, 3]))
case("Cdist", "P.Cdist(2.0)", t([3, 4]), t([2, 4]))
case("Bilinear", "nn.BiDense(3, 4, 5)", t([2, 3]), t([2, 4]))

# ---- convolution -----------------------------------------------------------------------------------------------------------------------------
for pad in ("valid", "same", "pad"):
    p = ", padding=1" if pad == "pad" else ""
    case(f"Conv2D__{pad}", f"nn.Conv2d(3, 4, 3, stride=2, pad_mode='{pad}'{p}, has_bias=True)", t([2, 3, 7, 8]))
case("Conv2D__dilation", "nn.Conv2d(3, 4, 3, dilation=2, pad_mode='same')", t([1, 3, 9, 9]))
case("Conv2D__group", "nn.Conv2d(4, 6, 3, group=2, pad_mode='pad', padding=(1, 2, 0, 1))", t([1, 4, 7, 7]))
case("Conv2D__depthwise", "nn.Conv2d(4, 4, 3, group=4, pad_mode='same')", t([1, 4, 7, 7]))
case("Conv2D__1x1", "nn.Conv2d(4, 5, 1)", t([1, 4, 7, 7]))
case("Conv2D__rect", "nn.Conv2d(2, 3, (3, 5), stride=(2, 1), pad_mode='same')", t([1, 2, 8, 9]))
case("Conv1D", "nn.Conv1d(3, 4, 3, has_bias=True)", t([2, 3, 9]))
case("Conv1D__dilated", "nn.Conv1d(3, 4, 3, dilation=2, stride=1, pad_mode='pad', padding=2)", t([2, 3, 9]))
case("Conv3D", "nn.Conv3d(2, 3, 3, pad_mode='pad', padding=1, has_bias=True)", t([1, 2, 4, 5, 5]))
case("Conv3D__same", "nn.Conv3d(2, 4, 2, stride=2, pad_mode='same')", t([1, 2, 4, 5, 5]))
for pad in ("valid", "same", "pad"):
    p = ", padding=1" if pad == "pad" else ""
    case(f"Conv2DTranspose__{pad}", f"nn.Conv2dTranspose(3, 4, 3, stride=2, pad_mode='{pad}'{p}, has_bias=True)", t([1, 3, 5, 6]))
case("Conv2DTranspose__outpad", "nn.Conv2dTranspose(3, 4, 3, stride=2, pad_mode='pad', padding=1, output_padding=1)", t([1, 3, 5, 6]))
case("Conv2DTranspose__group", "nn.Conv2dTranspose(4, 4, 3, group=2, pad_mode='valid')", t([1, 4, 5, 5]))
case("Conv1DTranspose", "nn.Conv1dTranspose(3, 4, 3, stride=2, pad_mode='pad', padding=1)", t([1, 3, 7]))
case("Conv3DTranspose", "nn.Conv3dTranspose(2, 3, 2, stride=2, pad_mode='valid')", t([1, 2, 3, 3, 3]))
case("DeformableOffsets", "P.DeformableOffsets((1, 1, 1, 1), (1, 1, 1, 1), (3, 3))", t([1, 3, 5, 5]), t([1, 27, 5, 5], -.5, .5))

# ---- pooling ---------------------------------------------------------------------------------------------------------------------------------
for pad in ("valid", "same"):
    case(f"MaxPool__{pad}", f"nn.MaxPool2d(3, 2, pad_mode='{pad}')", t([1, 2, 8, 9]))
    case(f"AvgPool__{pad}", f"nn.AvgPool2d(3, 2, pad_mode='{pad}')", t([1, 2, 8, 9]))
case("MaxPool__pad", "nn.MaxPool2d(3, 2, pad_mode='pad', padding=1)", t([1, 2, 8, 9]))
case("MaxPool__ceil", "nn.MaxPool2d(3, 2, pad_mode='pad', padding=1, ceil_mode=True)", t([1, 2, 8, 8]))
case("MaxPool__indices", "nn.MaxPool2d(2, 2, pad_mode='pad', return_indices=True)", t([1, 2, 8, 8]))
case("AvgPool__pad", "nn.AvgPool2d(3, 2, pad_mode='pad', padding=1)", t([1, 2, 8, 9]))
case("AvgPool__nocount", "nn.AvgPool2d(3, 2, pad_mode='pad', padding=1, count_include_pad=False)", t([1, 2, 8, 9]))
case("MaxPool1D", "nn.MaxPool1d(3, 2)", t([1, 2, 9]))
case("AvgPool1D", "nn.AvgPool1d(3, 2)", t([1, 2, 9]))
case("MaxPool3D", "nn.MaxPool3d(2, 2)", t([1, 2, 4, 4, 4]))
case("AvgPool3D", "nn.AvgPool3d(2, 2)", t([1, 2, 4, 4, 4]))
case("MaxPool3D__prim", "P.MaxPool3D(2, 1, 'same')", t([1, 2, 4, 4, 4]))
case("AvgPool3D__prim", "P.AvgPool3D(2, 1, 'same')", t([1, 2, 4, 4, 4]))
case("MaxPoolWithArgmax", "P.MaxPoolWithArgmax(2, 2)", t([1, 2, 4, 4]))
case("MaxPoolWithArgmaxV2", "P.MaxPoolWithArgmaxV2(2, 2)", t([1, 2, 4, 4]))
case("AdaptiveAvgPool2D", "P.AdaptiveAvgPool2D((2, 3))", t([1, 2, 6, 6]))
case("AdaptiveAvgPool2D__uneven", "P.AdaptiveAvgPool2D((3, 4))", t([1, 2, 7, 9]))
case("AdaptiveAvgPool2D__one", "nn.AdaptiveAvgPool2d(1)", t([1, 2, 7, 9]))
case("AdaptiveMaxPool2D", "P.AdaptiveMaxPool2D((2, 3))", t([1, 2, 6, 6]), call="self.op(x0)[0]")
case("AdaptiveMaxPool2D__uneven", "nn.AdaptiveMaxPool2d((3, 4))", t([1, 2, 7, 9]))
case("AdaptiveAvgPool1D", "nn.AdaptiveAvgPool1d(3)", t([1, 2, 6]))
case("AdaptiveMaxPool1D", "nn.AdaptiveMaxPool1d(3)", t([1, 2, 6]))
case("AdaptiveAvgPool3D", "P.AdaptiveAvgPool3D((2, 2, 2))", t([1, 2, 4, 4, 4]))
case("AdaptiveMaxPool3D", "nn.AdaptiveMaxPool3d((2, 2, 2))", t([1, 2, 4, 4, 4]))
case("LPPool2D", "nn.LPPool2d(2.0, 2, 2)", t([1, 2, 4, 4], .1, 2))
case("MaxUnpool2D", ["self.pool = nn.MaxPool2d(2, 2, pad_mode='pad', return_indices=True)", "self.un = nn.MaxUnpool2d(2, 2)"], t([1, 2, 4, 4]), call="self.un(*self.pool(x0))")

# ---- normalisation ---------------------------------------------------------------------------------------------------------------------------
case("BatchNorm", "nn.BatchNorm2d(3)", t([2, 3, 4, 4]))
case("BatchNorm__1d", "nn.BatchNorm1d(3)", t([4, 3]))
case("BatchNorm__3d", "nn.BatchNorm3d(3)", t([2, 3, 2, 4, 4]))
case("BatchNorm__prim", "P.BatchNorm(is_training=False, epsilon=1e-3)", t([2, 3, 4, 4]), t([3]), t([3]), t([3]), t([3], .5, 2), call="self.op(x0, x1, x2, x3, x4)[0]")
case("LayerNorm", "nn.LayerNorm((4,))", t([2, 3, 4]))
case("LayerNorm__2", "nn.LayerNorm((3, 4), begin_norm_axis=1, begin_params_axis=1)", t([2, 3, 4]))
case("LayerNorm__prim", "P.LayerNorm(-1, -1, 1e-5)", t([2, 3, 4]), t([4]), t([4]))
case("GroupNorm", "nn.GroupNorm(2, 4)", t([2, 4, 5, 5]))
case("InstanceNorm", "nn.InstanceNorm2d(3)", t([2, 3, 4, 4]))
case("InstanceNorm__1d", "nn.InstanceNorm1d(3)", t([2, 3, 8]))
case("RmsNorm", "P.RmsNorm(1e-6)", t([2, 3, 4]), t([4]))
case("RMSNorm__composed", ["pass"], t([2, 3, 4]), t([4]), call="x1 * (x0 * ops.rsqrt(ops.mean(ops.square(x0), -1, True) + 1e-6))")
case("LRN", "P.LRN(2, 1.0, 0.1, 0.75)", t([1, 6, 3, 3]))
case("L2NormalizeCell", ["pass"], t([3, 4]), call="x0 / ops.norm(x0, dim=1, keepdim=True)")
case("Renorm", "P.Renorm(p=2, dim=0, maxnorm=1.0)", t([3, 4]))

# ---- padding and resizing --------------------------------------------------------------------------------------------------------------------
case("Pad", "P.Pad(((1, 2), (0, 3)))", t([2, 3]))
case("PadV3", "P.PadV3('constant')", t([1, 2, 3, 3]), call="self.op(x0, (1, 2, 0, 1), 1.5)")
case("PadV3__reflect", "P.PadV3('reflect')", t([1, 2, 4, 4]), call="self.op(x0, (1, 2, 2, 1))")
case("PadV3__edge", "P.PadV3('edge')", t([1, 2, 4, 4]), call="self.op(x0, (1, 2, 2, 1))")
case("PadV3__circular", "P.PadV3('circular')", t([1, 2, 4, 4]), call="self.op(x0, (1, 2, 2, 1))")
case("Pad__fn", ["pass"], t([1, 2, 4, 4]), call="ops.pad(x0, (1, 1, 2, 2), mode='constant', value=0.5)")
case("MirrorPad", "P.MirrorPad('REFLECT')", t([3, 4]), call="self.op(x0, Tensor(np.array([[1, 1], [2, 2]])))")
case("MirrorPad__symmetric", "P.MirrorPad('SYMMETRIC')", t([3, 4]), call="self.op(x0, Tensor(np.array([[1, 1], [2, 2]])))")
case("ConstantPad2d", "nn.ConstantPad2d((1, 1, 0, 2), 0.5)", t([1, 2, 3, 4]))
case("ReflectionPad2d", "nn.ReflectionPad2d((1, 2, 2, 1))", t([1, 2, 4, 4]))
case("ReplicationPad2d", "nn.ReplicationPad2d((1, 2, 2, 1))", t([1, 2, 4, 4]))
case("ZeroPad2d", "nn.ZeroPad2d((1, 2, 2, 1))", t([1, 2, 4, 4]))
case("ResizeBilinear", "P.ResizeBilinearV2()", t([1, 2, 4, 5]), call="self.op(x0, (8, 10))")
case("ResizeBilinear__align", "P.ResizeBilinearV2(align_corners=True)", t([1, 2, 4, 5]), call="self.op(x0, (7, 9))")
case("ResizeBilinear__half", "P.ResizeBilinearV2(half_pixel_centers=True)", t([1, 2, 4, 5]), call="self.op(x0, (9, 7))")
case("ResizeNearestNeighbor", "P.ResizeNearestNeighbor((8, 10))", t([1, 2, 4, 5]))
case("ResizeNearestNeighbor__align", "P.ResizeNearestNeighbor((7, 9), align_corners=True)", t([1, 2, 4, 5]))
case("ResizeNearestNeighborV2", "P.ResizeNearestNeighborV2()", t([1, 2, 4, 5]), call="self.op(x0, (8, 9))")
case("ResizeBicubic", "P.ResizeBicubic()", t([1, 2, 4, 5]), call="self.op(x0, (8, 10))")
case("ResizeBicubic__half", "P.ResizeBicubic(half_pixel_centers=True)", t([1, 2, 4, 5]), call="self.op(x0, (8, 10))")
case("ResizeLinear1D", "P.ResizeLinear1D('align_corners')", t([1, 2, 5]), call="self.op(x0, (9,))")
case("ResizeLinear1D__half", "P.ResizeLinear1D('half_pixel')", t([1, 2, 5]), call="self.op(x0, (9,))")
case("ResizeArea", "P.ResizeArea()", t([1, 4, 4, 2]), const([2, 2], "int32"))
case("Interpolate__bilinear", ["pass"], t([1, 2, 4, 5]), call="ops.interpolate(x0, size=(8, 10), mode='bilinear', align_corners=True)")
case("Interpolate__nearest", ["pass"], t([1, 2, 4, 5]), call="ops.interpolate(x0, size=(8, 10), mode='nearest')")
case("Interpolate__bicubic", ["pass"], t([1, 2, 4, 5]), call="ops.interpolate(x0, size=(8, 10), mode='bicubic')")
case("Interpolate__linear", ["pass"], t([1, 2, 5]), call="ops.interpolate(x0, size=(9,), mode='linear')")
case("UpsampleNearest3D", "P.UpsampleNearest3D()", t([1, 2, 2, 3, 3]), call="self.op(x0, [4, 6, 6], None)")
case("UpsampleTrilinear3D", "P.UpsampleTrilinear3D()", t([1, 2, 2, 3, 3]), call="self.op(x0, [4, 6, 6], None)")
case("GridSampler2D", "P.GridSampler2D()", t([1, 2, 4, 4]), t([1, 3, 3, 2], -1, 1))
case("GridSampler2D__nearest", "P.GridSampler2D('nearest', 'border', True)", t([1, 2, 4, 4]), t([1, 3, 3, 2], -1, 1))
case("GridSampler3D", "P.GridSampler3D()", t([1, 1, 3, 3, 3]), t([1, 2, 2, 2, 3], -1, 1))
case("AffineGrid", "P.AffineGrid()", t([1, 2, 3]), call="self.op(x0, (1, 1, 3, 4))")
case("CropAndResize", "P.CropAndResize()", t([1, 6, 6, 2]), const([[.1, .1, .8, .9]], "float32"), const([0], "int32"), call="self.op(x0, x1, x2, (3, 3))")

# ---- detection -------------------------------------------------------------------------------------------------------------------------------
case("NMSWithMask", "P.NMSWithMask(0.5)", const([[0., 0., 10., 10., .9], [1., 1., 10., 10., .8], [20., 20., 30., 30., .7]], "float32"))
case("NonMaxSuppressionV3", "P.NonMaxSuppressionV3()", const([[0., 0., 10., 10.], [1., 1., 10., 10.], [20., 20., 30., 30.]], "float32"), const([.9, .8, .7], "float32"), const(3, "int32"), const(.5, "float32"), const(.1, "float32"))
case("ROIAlign", "P.ROIAlign(2, 2, 0.5, 2)", t([1, 2, 8, 8]), const([[0., 1., 1., 9., 9.]], "float32"))
case("IOU", "P.IOU(mode='iou')", const([[0., 0., 10., 10.], [1., 1., 10., 10.]], "float32"), const([[2., 2., 12., 12.]], "float32"))
case("BoundingBoxDecode", "P.BoundingBoxDecode((0., 0., 0., 0.), (1., 1., 1., 1.), (100, 100), 0.016)", const([[4., 1., 2., 9.]], "float32"), const([[.1, .2, .1, .2]], "float32"))
case("BoundingBoxEncode", "P.BoundingBoxEncode((0., 0., 0., 0.), (1., 1., 1., 1.))", const([[4., 1., 6., 9.]], "float32"), const([[3., 2., 7., 9.]], "float32"))
case("CheckValid", "P.CheckValid()", t([3, 4], 0, 10), const([8., 8., 1.], "float32"))

# ---- recurrent -------------------------------------------------------------------------------------------------------------------------------
for layers, bi in ((1, False), (2, False), (1, True), (2, True)):
    d = (2 if bi else 1) * layers
    tag = f"__{layers}{'bi' if bi else ''}"
    case("LSTM" + tag, f"nn.LSTM(3, 4, {layers}, bidirectional={bi}, batch_first=True)", t([2, 5, 3]), t([d, 2, 4]), t([d, 2, 4]), call="self.op(x0, (x1, x2))")
    case("GRU" + tag, f"nn.GRU(3, 4, {layers}, bidirectional={bi}, batch_first=True)", t([2, 5, 3]), t([d, 2, 4]), call="self.op(x0, x1)")
    case("RNN" + tag, f"nn.RNN(3, 4, {layers}, bidirectional={bi}, batch_first=True)", t([2, 5, 3]), t([d, 2, 4]), call="self.op(x0, x1)")
case("LSTM__time_first_nobias", "nn.LSTM(3, 4, 1, has_bias=False)", t([5, 2, 3]), t([1, 2, 4]), t([1, 2, 4]), call="self.op(x0, (x1, x2))")
case("LSTMCell", "nn.LSTMCell(3, 4)", t([2, 3]), t([2, 4]), t([2, 4]), call="self.op(x0, (x1, x2))")
case("GRUCell", "nn.GRUCell(3, 4)", t([2, 3]), t([2, 4]))
case("RNNCell", "nn.RNNCell(3, 4)", t([2, 3]), t([2, 4]))

# ---- losses and others -----------------------------------------------------------------------------------------------------------------------
case("SmoothL1Loss", "P.SmoothL1Loss()", t([3, 4]), t([3, 4]))
case("SoftmaxCrossEntropyWithLogits", "P.SoftmaxCrossEntropyWithLogits()", t([3, 4]), t([3, 4], 0, 1))
case("SparseSoftmaxCrossEntropyWithLogits", "P.SparseSoftmaxCrossEntropyWithLogits()", t([3, 4]), const([0, 1, 3], "int32"))
case("SigmoidCrossEntropyWithLogits", "P.SigmoidCrossEntropyWithLogits()", t([3, 4]), t([3, 4], 0, 1))
case("BCEWithLogitsLoss", "P.BCEWithLogitsLoss()", t([3, 4]), t([3, 4], 0, 1), t([3, 4], 1, 1.0001), t([3, 4], 1, 1.0001))
case("BinaryCrossEntropy", "P.BinaryCrossEntropy()", t([3, 4], .1, .9), t([3, 4], 0, 1), t([3, 4], .5, 1))
case("KLDivLoss", "P.KLDivLoss('sum')", t([3, 4]), t([3, 4], .1, .9))
case("NLLLoss", "P.NLLLoss('mean')", t([3, 4]), const([0, 1, 3], "int32"), t([4], .5, 1))
case("MSELoss", "nn.MSELoss()", t([3, 4]), t([3, 4]))
case("CrossEntropy", "nn.CrossEntropyLoss()", t([3, 4]), const([0, 1, 3], "int32"))
case("CosineSimilarity", ["pass"], t([3, 4]), t([3, 4]), call="ops.cosine_similarity(x0, x1, 1)")
case("ConfusionMatrix", ["pass"], t([3, 4]), call="ops.one_hot(ops.argmax(x0, 1), 4)")
case("MultiheadAttention", "nn.MultiheadAttention(8, 2, batch_first=True)", t([2, 5, 8]), call="self.op(x0, x0, x0)[0]")
case("TransformerEncoderLayer", "nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)", t([2, 5, 8]))
case("DynamicBatch__matmul", "nn.Dense(3, 4)", t([2, 3]), dynamic={0: (0,)})
case("DynamicBatch__reshape", "P.Reshape()", t([2, 3, 4]), call="self.op(x0, (x0.shape[0], -1))", dynamic={0: (0,)})
case("DynamicBatch__conv", "nn.Conv2d(3, 4, 3)", t([2, 3, 6, 6]), dynamic={0: (0,)})
case("DynamicBatch__softmax_sum", ["self.sum = P.ReduceSum(True)", "self.softmax = P.Softmax(-1)"], t([2, 5]), call="self.sum(self.softmax(x0) * x0, -1)", dynamic={0: (0, 1)})
case("TypeAs", ["pass"], t([3, 4]), i32([3, 4]), call="x0.astype(ms.float16).astype(x1.dtype)")
case("RGBToHSV", "P.RGBToHSV()", t([2, 2, 3], 0, 1))
case("HSVToRGB", "P.HSVToRGB()", t([1, 2, 2, 3], 0, 1))
case("Complex__abs", ["pass"], t([3, 4]), call="ops.sqrt(x0 * x0)")
case("Cos__degrees", ["pass"], t([3, 4]), call="ops.cos(ops.deg2rad(x0))")

# ---- further primitives that nets of today are exported with ---------------------------------------------------------------------------------
case("InplaceAddExt", ["pass"], t([3, 4]), t([3, 4]), call="(x0 * 2).add_(x1)")
case("InplaceMul", ["pass"], t([3, 4]), t([3, 4]), call="(x0 * 2).mul_(x1)")
case("InplaceSubExt", ["pass"], t([3, 4]), t([3, 4]), call="(x0 * 2).sub_(x1)")
case("InplaceDiv", ["pass"], t([3, 4]), t([3, 4], 1, 2), call="(x0 * 2).div_(x1)")
case("LSTM__prim_bidirectional", "P.LSTM(7, 5, 1, True, True, 0.0)", t([4, 1, 7]), t([2, 1, 5]), t([2, 1, 5]), t([520, 1, 1], -.5, .5), call="self.op(x0, x1, x2, x3)[0:3]")
case("LSTM__prim_layers", "P.LSTM(5, 5, 2, True, False, 0.0)", t([4, 1, 5]), t([2, 1, 5]), t([2, 1, 5]), t([440, 1, 1], -.5, .5), call="self.op(x0, x1, x2, x3)[0:3]")
for name, fn in (("Log2", "ops.log2(x0)"), ("Log10", "ops.log10(x0)"), ("Exp2", "ops.exp2(x0)"), ("Frac", "ops.frac(x0)"), ("Var__fn", "ops.var(x0, axis=1, ddof=1)"), ("Std__fn", "ops.std(x0, axis=1)"), ("LogSumExp__fn", "ops.logsumexp(x0, 1)"),
                 ("Diagonal", "ops.diagonal(x0[0])"), ("Softplus__fn", "ops.softplus(x0)"), ("Glu", "ops.glu(x0, 2)"), ("TensorDot__2", "ops.tensor_dot(x0, x0, ((1, 2), (1, 2)))"), ("Cumsum__fn", "ops.cumsum(x0, 1)"),
                 ("Max__fn", "ops.max(x0, 1)"), ("Min__fn", "ops.min(x0, 1)"), ("Max__all", "x0.max()"), ("Argmax__fn", "ops.argmax(x0, 1)"), ("Any", "(x0 > 0).any()"), ("All", "(x0 > -9).all()"), ("SwapAxes", "ops.swapaxes(x0, 0, 2)"),
                 ("Moveaxis", "ops.movedim(x0, 0, 2)"), ("Permute", "ops.permute(x0, (2, 0, 1))"), ("Narrow", "ops.narrow(x0, 1, 0, 2)"), ("Unbind", "ops.unbind(x0, 0)"), ("HStack", "ops.hstack((x0, x0))"), ("VStack", "ops.vstack((x0, x0))"),
                 ("DStack", "ops.dstack((x0, x0))"), ("Flip", "ops.flip(x0, (0, 1))"), ("SplitSizes", "ops.split(x0, [1, 2], 1)"), ("TensorSplit", "ops.tensor_split(x0, 2, 2)"), ("BlockDiag", "ops.block_diag(x0[0], x0[1])"),
                 ("Kron", "ops.kron(x0[0], x0[1])"), ("Aminmax", "ops.aminmax(x0, axis=1)"), ("Quantile", "ops.quantile(x0, 0.5, 1)"), ("Nanmean", "ops.nanmean(x0, 1)"), ("Nansum", "ops.nansum(x0, 1)"), ("CumProd__fn", "ops.cumprod(x0, 1)"),
                 ("LogicalAny", "ops.any(x0 > 0, 1)"), ("Relu6__fn", "ops.relu6(x0)"), ("Elu__fn", "ops.elu(x0)"), ("Hardswish", "ops.hardswish(x0)"), ("Hardsigmoid", "ops.hardsigmoid(x0)"), ("Softsign__fn", "ops.softsign(x0)"),
                 ("RRelu", "ops.rrelu(x0, 0.2, 0.2)"), ("Deg2rad", "ops.deg2rad(x0)"), ("Trapz", "ops.trapz(x0, dx=1.0, dim=1)"), ("Tanhshrink", "ops.tanhshrink(x0)"), ("Square__fn", "ops.square(x0)"), ("Logdet", "ops.logdet(ops.eye(3, 3, ms.float32) * 2)"),
                 ("Ravel", "ops.ravel(x0)"), ("Numel", "ops.ones_like(x0) * ops.size(x0)"), ("Where__const", "ops.where(x0 > 0, x0, 0.0)"), ("Sum__dtype", "ops.sum(x0, 1, dtype=ms.float32)"), ("Mean__keep", "ops.mean(x0, 1, True)")):
    case(name, ["pass"], t([2, 3, 4], .1, 2), call=fn)
for name, fn in (("Mint_add", "mint.add(x0, x1, alpha=2)"), ("Mint_sub", "mint.sub(x0, x1, alpha=2)"), ("Mint_mul", "mint.mul(x0, x1)"), ("Mint_div", "mint.div(x0, x1)"), ("Mint_matmul", "mint.matmul(x0, mint.transpose(x1, 0, 1))"), ("Mint_mean", "mint.mean(x0, 1)"),
                 ("Mint_sum", "mint.sum(x0, 1)"), ("Mint_max", "mint.max(x0, 1)"), ("Mint_min", "mint.min(x0, 1)"), ("Mint_argmax", "mint.argmax(x0, 1)"), ("Mint_softmax", "mint.nn.functional.softmax(x0, dim=1)"), ("Mint_gelu", "mint.nn.functional.gelu(x0)"),
                 ("Mint_silu", "mint.nn.functional.silu(x0)"), ("Mint_cat", "mint.cat((x0, x1), 1)"), ("Mint_stack", "mint.stack((x0, x1), 1)"), ("Mint_split", "mint.split(x0, 2, 1)"), ("Mint_chunk", "mint.chunk(x0, 2, 1)"), ("Mint_where", "mint.where(x0 > 0, x0, x1)"),
                 ("Mint_flatten", "mint.flatten(x0)"), ("Mint_flip", "mint.flip(x0, (0,))"), ("Mint_roll", "mint.roll(x0, 1, 0)"), ("Mint_clamp", "mint.clamp(x0, -0.5, 0.5)"), ("Mint_pow", "mint.pow(x0, 2)"), ("Mint_eq", "mint.eq(x0, x1)"), ("Mint_gt", "mint.gt(x0, 0.0)"),
                 ("Mint_cumsum", "mint.cumsum(x0, 1)"), ("Mint_sort", "mint.sort(x0, dim=1)"), ("Mint_topk", "mint.topk(x0, 2, 1)"), ("Mint_tril", "mint.tril(x0)"), ("Mint_triu", "mint.triu(x0)"), ("Mint_ones_like", "mint.ones_like(x0)"), ("Mint_zeros", "mint.zeros((2, 3)) + x0[0, 0]"),
                 ("Mint_full", "mint.full((2, 3), 1.5) + x0[0, 0]"), ("Mint_arange", "mint.arange(0, 4, 1) + x0[0, 0]"), ("Mint_linspace", "mint.linspace(0, 1, 5) + x0[0, 0]"), ("Mint_unsqueeze", "mint.unsqueeze(x0, 1)"), ("Mint_squeeze", "mint.squeeze(mint.unsqueeze(x0, 1), 1)"),
                 ("Mint_permute", "mint.permute(x0, (1, 0))"), ("Mint_var", "mint.var(x0, 1)"), ("Mint_std", "mint.std(x0, 1)"), ("Mint_norm", "mint.norm(x0, 2, 1)"), ("Mint_logsumexp", "mint.logsumexp(x0, 1)"), ("Mint_prod", "mint.prod(x0, 1)"), ("Mint_any", "mint.any(x0 > 0)"),
                 ("Mint_all", "mint.all(x0 > -9)"), ("Mint_maximum", "mint.maximum(x0, x1)"), ("Mint_masked_fill", "mint.masked_fill(x0, x1 > 0, 1.0)"), ("Mint_gather", "mint.gather(x0, 1, (x1 > 0).astype(ms.int64))"), ("Mint_index_select", "mint.index_select(x0, 1, Tensor([0, 2]))"),
                 ("Mint_scatter_add", "mint.scatter_add(x0, 1, (x1 > 0).astype(ms.int64), x1)"), ("Mint_layer_norm", "mint.nn.functional.layer_norm(x0, (4,))"), ("Mint_linear", "mint.nn.functional.linear(x0, x1)"), ("Mint_leaky_relu", "mint.nn.functional.leaky_relu(x0, 0.1)"),
                 ("Mint_elu", "mint.nn.functional.elu(x0)"), ("Mint_mish", "mint.nn.functional.mish(x0)"), ("Mint_hardswish", "mint.nn.functional.hardswish(x0)"), ("Mint_softplus", "mint.nn.functional.softplus(x0)"), ("Mint_log_softmax", "mint.nn.functional.log_softmax(x0, dim=1)"),
                 ("Mint_one_hot", "mint.nn.functional.one_hot((x0 > 0).astype(ms.int64), 3)"), ("Mint_narrow", "mint.narrow(x0, 1, 0, 2)"), ("Mint_repeat_interleave", "mint.repeat_interleave(x0, 2, 1)"), ("Mint_tile", "mint.tile(x0, (2, 1))"), ("Mint_broadcast_to", "mint.broadcast_to(x0, (2, 3, 4))"),
                 ("Mint_logical_and", "mint.logical_and(x0 > 0, x1 > 0)"), ("Mint_isfinite", "mint.isfinite(x0)"), ("Mint_floor_divide", "mint.floor_divide(x0, x1)"), ("Mint_remainder", "mint.remainder(x0, 0.3)"), ("Mint_outer", "mint.outer(x0[0], x1[0])"), ("Mint_dot", "mint.dot(x0[0], x1[0])"),
                 ("Mint_bmm", "mint.bmm(x0.reshape(1, 3, 4), x1.reshape(1, 4, 3))"), ("Mint_addmm", "mint.addmm(x0, x0, mint.ones((4, 4)))"), ("Mint_baddbmm", "mint.baddbmm(x0.reshape(1, 3, 4), x0.reshape(1, 3, 4), mint.ones((1, 4, 4)))"), ("Mint_median", "mint.median(x0, 1)"),
                 ("Mint_count_nonzero", "mint.count_nonzero(x0)"), ("Mint_cross_entropy", "mint.nn.functional.cross_entropy(x0, Tensor([0, 1, 2]))"), ("Mint_mse", "mint.nn.functional.mse_loss(x0, x1)"), ("Mint_l1", "mint.nn.functional.l1_loss(x0, x1)"), ("Mint_pad", "mint.nn.functional.pad(x0, (1, 1))"),
                 ("Mint_avg_pool2d", "mint.nn.functional.avg_pool2d(x0.reshape(1, 1, 3, 4), 2)"), ("Mint_max_pool2d", "mint.nn.functional.max_pool2d(x0.reshape(1, 1, 3, 4), 2)"), ("Mint_interpolate", "mint.nn.functional.interpolate(x0.reshape(1, 1, 3, 4), size=(6, 8), mode='nearest')"),
                 ("Mint_adaptive_avg_pool2d", "mint.nn.functional.adaptive_avg_pool2d(x0.reshape(1, 1, 3, 4), (1, 1))"), ("Mint_group_norm", "mint.nn.functional.group_norm(x0.reshape(1, 2, 6), 2)"),
                 ("Mint_embedding", "mint.nn.functional.embedding((x0 > 0).astype(ms.int64), x1)"), ("Mint_unfold", "mint.nn.functional.unfold(x0.reshape(1, 1, 3, 4), 2)"), ("Mint_einsum", "mint.einsum('ij,kj->ik', x0, x1)"), ("Mint_meshgrid", "mint.meshgrid(x0[0], x1[0], indexing='ij')"),
                 ("Mint_nan_to_num", "mint.nan_to_num(x0)"), ("Mint_expm1", "mint.expm1(x0)"), ("Mint_log1p", "mint.log1p(mint.abs(x0))"), ("Mint_rsqrt", "mint.rsqrt(mint.abs(x0))"), ("Mint_trunc", "mint.trunc(x0)"), ("Mint_frac", "mint.frac(x0)"), ("Mint_round", "mint.round(x0)"), ("Mint_square", "mint.square(x0)"),
                 ("Mint_atan2", "mint.atan2(x0, x1)"), ("Mint_logaddexp", "mint.logaddexp(x0, x1)"), ("Mint_lerp", "mint.lerp(x0, x1, 0.3)"), ("Mint_addcmul", "mint.addcmul(x0, x0, x1, value=0.5)"), ("Mint_addcdiv", "mint.addcdiv(x0, x0, x1 + 5, value=0.5)"), ("Mint_reshape", "mint.reshape(x0, (4, 3))"),
                 ("Mint_t", "mint.t(x0)"), ("Mint_diag", "mint.diag(x0[0])"), ("Mint_eye", "mint.eye(3, 4) + x0"), ("Mint_trace", "mint.trace(x0)"), ("Mint_bincount", "mint.bincount((x0[0] > 0).astype(ms.int64))"), ("Mint_searchsorted", "mint.searchsorted(Tensor([-1.0, 0.0, 1.0]), x0)"),
                 ("Mint_select", "mint.select(x0, 1, 0)"), ("Mint_unbind", "mint.unbind(x0, 0)"), ("Mint_xlogy", "mint.xlogy(x0, mint.abs(x1))"), ("Mint_cdist", "mint.cdist(x0, x1)"), ("Mint_equal", "mint.equal(x0, x1)"), ("Mint_isclose", "mint.isclose(x0, x1)"), ("Mint_nonzero", "mint.nonzero(x0 > 0)"),
                 ("Mint_unique", "mint.unique((x0 > 0).astype(ms.int64))"), ("Mint_masked_select", "mint.masked_select(x0, x0 > 0)"), ("Mint_bce", "mint.nn.functional.binary_cross_entropy(mint.sigmoid(x0), mint.sigmoid(x1))"), ("Mint_kl", "mint.nn.functional.kl_div(x0, mint.sigmoid(x1))"),
                 ("Mint_glu", "mint.nn.functional.glu(x0, 1)"), ("Mint_prelu", "mint.nn.functional.prelu(x0, Tensor([0.2]))"), ("Mint_relu6", "mint.nn.functional.relu6(x0)"), ("Mint_selu", "mint.nn.functional.selu(x0)"), ("Mint_softshrink", "mint.nn.functional.softshrink(x0)"),
                 ("Mint_hardshrink", "mint.nn.functional.hardshrink(x0)"), ("Mint_threshold", "mint.nn.functional.threshold(x0, 0.1, -1.0)"), ("Mint_celu", "mint.nn.functional.celu(x0)"), ("Mint_logsigmoid", "mint.nn.functional.logsigmoid(x0)"), ("Mint_hardtanh", "mint.nn.functional.hardtanh(x0)")):
    case(name, ["pass"], t([3, 4]), t([3, 4]), call=fn)

# ---- the rest of what MindSpore's CPU backend has and nets use ----------------------------------------------------------------------------------
case("CTCGreedyDecoder", "P.CTCGreedyDecoder()", t([6, 2, 4]), const([6, 4], "int32"))
case("InvertPermutation", ["pass"], t([3, 4, 5]), call="ops.permute(x0, ops.InvertPermutation()((2, 0, 1)))")
case("Padding", "P.Padding(6)", t([3, 1]))
case("Expand", "P.array_ops.Expand()", t([3, 1]), call="self.op(x0, Tensor([3, 4]))")
case("Bincount", "P.Bincount()", const([1, 2, 2, 5], "int32"), const([1.0, 2.0, 3.0, 4.0], "float32"), call="self.op(x0, Tensor(6, ms.int32), x1)")
case("HistogramFixedWidth", "P.HistogramFixedWidth(5)", t([12], -2, 7), call="self.op(x0, Tensor([0.0, 5.0], ms.float32))")
case("ListDiff", "P.ListDiff()", const([1, 2, 3, 4, 5, 6], "int32"), const([1, 3, 5], "int32"))
case("TrilIndices", ["self.op = P.TrilIndices(3, 4)"], t([3]), call="self.op() + x0.astype(ms.int32)[0]")
case("TriuIndices", ["self.op = P.TriuIndices(3, 4)"], t([3]), call="self.op() + x0.astype(ms.int32)[0]")
case("LogSpace", ["self.op = P.LogSpace(5, 10)"], t([1]), t([1]), call="self.op(x0[0], x1[0])")
case("MultiMarginLoss", "P.MultiMarginLoss()", t([3, 4]), const([1, 0, 3], "int64"), call="self.op(x0, x1, Tensor(np.ones(4), ms.float32))")
case("SoftMarginLoss", "P.SoftMarginLoss()", t([3, 4]), const([[1, -1, 1, 1]] * 3, "float32"))
case("TripletMarginLoss", "nn.TripletMarginLoss()", t([3, 4]), t([3, 4]), t([3, 4]))
case("HingeLoss", "nn.HingeEmbeddingLoss()", t([3, 4]), const([[1, -1, 1, 1]] * 3, "float32"))
case("MarginRanking", "nn.MarginRankingLoss()", t([3]), t([3]), const([1, -1, 1], "float32"))
case("Poisson", "nn.PoissonNLLLoss()", t([3, 4]), t([3, 4], 0, 2))
case("Gaussian", "nn.GaussianNLLLoss()", t([3, 4]), t([3, 4]), t([3, 4], .1, 2))
case("DiceLoss", "nn.DiceLoss()", t([3, 4], 0, 1), t([3, 4], 0, 1))
case("FocalLoss", "nn.FocalLoss()", t([3, 4, 2]), const([[[0, 1]] * 1] * 3, "int32"))
case("RMSELoss", "nn.RMSELoss()", t([3, 4]), t([3, 4]))
case("MAELoss", "nn.MAELoss()", t([3, 4]), t([3, 4]))
case("ExtractImagePatches", "nn.Unfold(ksizes=[1, 2, 2, 1], strides=[1, 1, 1, 1], rates=[1, 1, 1, 1])", t([1, 2, 4, 4]))
case("Cholesky", "P.Cholesky()", const([[4.0, 1.0], [1.0, 3.0]], "float32"))
case("NonMaxSuppressionWithOverlaps", "P.NonMaxSuppressionWithOverlaps()", t([4, 4], 0, 1), t([4], 0, 1), call="self.op(x0, x1, Tensor(3, ms.int32), Tensor(0.5, ms.float32), Tensor(0.0, ms.float32))")
case("CombinedNonMaxSuppression", "P.CombinedNonMaxSuppression()", t([1, 4, 1, 4], 0, 1), t([1, 4, 2], 0, 1), call="self.op(x0, x1, Tensor(3, ms.int32), Tensor(4, ms.int32), Tensor(0.5, ms.float32), Tensor(0.0, ms.float32))")
case("AdjustHue", "P.AdjustHue()", t([2, 2, 3], 0, 1), call="self.op(x0, Tensor(0.2, ms.float32))")
case("AdjustSaturation", "P.AdjustSaturation()", t([2, 2, 3], 0, 1), call="self.op(x0, Tensor(0.5, ms.float32))")
case("AdjustContrastv2", "P.AdjustContrastv2()", t([2, 2, 3], 0, 1), call="self.op(x0, Tensor(2.0, ms.float32))")
case("DataFormatDimMap", "P.DataFormatDimMap()", const([0, 1, 2, 3], "int32"))
case("Dilation2D", "P.Dilation2D(stride=1, dilation=1, pad_mode='VALID')", t([1, 2, 5, 5]), t([2, 3, 3]))
case("MatrixExp", "P.MatrixExp()", t([2, 2]))
case("MatrixSolve", "P.MatrixSolve()", const([[4.0, 1.0], [1.0, 3.0]], "float32"), t([2, 2]))
case("MatrixTriangularSolve", "P.MatrixTriangularSolve(lower=True)", const([[4.0, 0.0], [1.0, 3.0]], "float32"), t([2, 2]))
case("CumulativeLogsumexp", "P.CumulativeLogsumexp()", t([5]), call="self.op(x0, Tensor(0, ms.int32))")
case("Pdist", "P.Pdist()", t([4, 3]))
case("LogMatrixDeterminant", "P.LogMatrixDeterminant()", const([[4.0, 1.0], [1.0, 3.0]], "float32"))
case("UnravelIndex", "P.UnravelIndex()", const([7, 3], "int32"), call="self.op(x0, Tensor([3, 4], ms.int32))")
case("Eps", "P.Eps()", t([3, 4]))
case("ClipByNorm", ["pass"], t([3, 4]), call="ops.clip_by_norm(x0, 1.0)")
case("UniqueWithPad", "P.UniqueWithPad()", const([1, 1, 2, 3, 2], "int32"), call="self.op(x0, Tensor(0, ms.int32))")
case("IndexPut", "P.IndexPut()", t([3, 4]), call="self.op(x0, Tensor([1.0, 2.0], ms.float32), [Tensor([0, 1], ms.int32), Tensor([1, 2], ms.int32)])")
case("ScatterNdMax", "P.TensorScatterMax()", t([4, 3]), const([[0], [2]], "int32"), t([2, 3]))
case("SparseToDense", ["pass"], t([3]), call="ops.SparseToDense()(Tensor([[0, 1], [1, 2], [2, 0]], ms.int32), x0, (3, 4))")
case("HammingWindow", ["pass"], t([5]), call="x0 * ops.hamming_window(5)")
case("BlackmanWindow", ["pass"], t([5]), call="x0 * ops.blackman_window(Tensor(5, ms.int32))")
case("Complex__parts", ["pass"], t([3, 4]), t([3, 4]), call="ops.real(ops.Complex()(x0, x1)) + ops.imag(ops.Complex()(x0, x1))")
case("STFT", ["pass"], t([32]), call="ops.stft(x0, 8, return_complex=False)")
case("FFT", ["pass"], t([8]), call="ops.FFTWithSize(1, False, True)(x0).abs()")
case("Quantile__op", "P.Quantile(dim=1)", t([3, 4]), call="self.op(x0, Tensor([0.5], ms.float32))")
case("RangeRagged", "P.Range()", t([1]), call="self.op(Tensor(0, ms.int32), Tensor(5, ms.int32), Tensor(2, ms.int32)) + x0.astype(ms.int32)")
case("GridSample__reflection", ["pass"], t([1, 2, 4, 4]), t([1, 3, 3, 2], -1.4, 1.4), call="ops.grid_sample(x0, x1, mode='bilinear', padding_mode='reflection', align_corners=True)")
case("GridSample__border", ["pass"], t([1, 2, 4, 4]), t([1, 3, 3, 2], -1.4, 1.4), call="ops.grid_sample(x0, x1, mode='bilinear', padding_mode='border', align_corners=False)")
case("DeformConv", ["self.w = Parameter(Tensor(np.random.randn(4, 3, 3, 3).astype(np.float32)), name='w')"], t([1, 3, 6, 6]), t([1, 27, 4, 4], -1, 1), call="ops.deformable_conv2d(x0, self.w, x1, (3, 3), (1, 1, 1, 1), (0, 0, 0, 0))")
case("Upsample__bilinear", "nn.Upsample(scale_factor=(2.0, 2.0), mode='bilinear', recompute_scale_factor=True)", t([1, 2, 3, 4]))
case("ResizeBilinearCell", "nn.ResizeBilinear()", t([1, 2, 4, 4]), call="self.op(x0, (6, 6))")
case("PixelUnshuffle", "nn.PixelUnshuffle(2)", t([1, 1, 4, 4]))
case("LRNCell", "nn.LRN(2)", t([1, 4, 3, 3]))
case("SyncBatchNorm", "nn.BatchNorm3d(2)", t([1, 2, 3, 3, 3]))
case("Moments", ["pass"], t([3, 4]), call="ops.standardize(x0) if False else (x0.mean(), x0.var())")
case("MultiheadAttention", "nn.MultiheadAttention(8, 2)", t([5, 2, 8]), call="self.op(x0, x0, x0)")
case("TransformerEncoderLayer", "nn.TransformerEncoderLayer(8, 2, 16)", t([5, 2, 8]))
case("TransformerDecoderLayer", "nn.TransformerDecoderLayer(8, 2, 16)", t([5, 2, 8]), t([6, 2, 8]))
case("Bidense", "nn.BiDense(3, 4, 5)", t([2, 3]), t([2, 4]))
case("SequentialNorm", "nn.InstanceNorm2d(2)", t([1, 2, 4, 4]))
case("GroupNorm__cell", "nn.GroupNorm(2, 4)", t([1, 4, 3, 3]))

# ---- dtypes that ONNX Runtime has no kernel for ------------------------------------------------------------------------------------------------------
case("Select__bool", "P.Select()", boolean([2, 3, 4]), boolean([2, 3, 4]), boolean([2, 3, 4]))
case("MaskedFill__bool", "P.MaskedFill()", boolean([2, 3, 4]), boolean([2, 3, 4]), call="self.op(x0, x1, Tensor(True, ms.bool_))")
case("ResizeNearestNeighbor__int64", "P.ResizeNearestNeighbor((6, 6))", i64([1, 2, 3, 3]))
case("Select__dtype_int8", "P.Select()", boolean([2, 3, 4]), t([2, 3, 4], 0, 7, "int8"), t([2, 3, 4], 0, 7, "int8"))
case("Pad__int8", "P.Pad(((0, 0), (1, 1), (0, 2)))", t([2, 3, 4], 0, 7, "int8"))
case("Concat__int8", "P.Concat(1)", t([2, 3, 4], 0, 7, "int8"), t([2, 3, 4], 0, 7, "int8"), call="self.op((x0, x1))")
case("ReduceMax__int8", "P.ReduceMax()", t([2, 3, 4], 0, 7, "int8"), call="self.op(x0, 1)")
case("Maximum__int8", "P.Maximum()", t([2, 3, 4], 0, 7, "int8"), t([3, 4], 0, 7, "int8"))
case("Sum__int8", ["pass"], t([2, 3, 4], 0, 7, "int8"), call="x0.sum()")
case("Select__dtype_uint8", "P.Select()", boolean([2, 3, 4]), t([2, 3, 4], 0, 7, "uint8"), t([2, 3, 4], 0, 7, "uint8"))
case("Pad__uint8", "P.Pad(((0, 0), (1, 1), (0, 2)))", t([2, 3, 4], 0, 7, "uint8"))
case("Concat__uint8", "P.Concat(1)", t([2, 3, 4], 0, 7, "uint8"), t([2, 3, 4], 0, 7, "uint8"), call="self.op((x0, x1))")
case("ReduceMax__uint8", "P.ReduceMax()", t([2, 3, 4], 0, 7, "uint8"), call="self.op(x0, 1)")
case("Maximum__uint8", "P.Maximum()", t([2, 3, 4], 0, 7, "uint8"), t([3, 4], 0, 7, "uint8"))
case("Sum__uint8", ["pass"], t([2, 3, 4], 0, 7, "uint8"), call="x0.sum()")
case("Select__dtype_int16", "P.Select()", boolean([2, 3, 4]), t([2, 3, 4], 0, 7, "int16"), t([2, 3, 4], 0, 7, "int16"))
case("Pad__int16", "P.Pad(((0, 0), (1, 1), (0, 2)))", t([2, 3, 4], 0, 7, "int16"))
case("Concat__int16", "P.Concat(1)", t([2, 3, 4], 0, 7, "int16"), t([2, 3, 4], 0, 7, "int16"), call="self.op((x0, x1))")
case("ReduceMax__int16", "P.ReduceMax()", t([2, 3, 4], 0, 7, "int16"), call="self.op(x0, 1)")
case("Maximum__int16", "P.Maximum()", t([2, 3, 4], 0, 7, "int16"), t([3, 4], 0, 7, "int16"))
case("Sum__int16", ["pass"], t([2, 3, 4], 0, 7, "int16"), call="x0.sum()")
case("Select__dtype_uint16", "P.Select()", boolean([2, 3, 4]), t([2, 3, 4], 0, 7, "uint16"), t([2, 3, 4], 0, 7, "uint16"))
case("Pad__uint16", "P.Pad(((0, 0), (1, 1), (0, 2)))", t([2, 3, 4], 0, 7, "uint16"))
case("Concat__uint16", "P.Concat(1)", t([2, 3, 4], 0, 7, "uint16"), t([2, 3, 4], 0, 7, "uint16"), call="self.op((x0, x1))")
case("ReduceMax__uint16", "P.ReduceMax()", t([2, 3, 4], 0, 7, "uint16"), call="self.op(x0, 1)")
case("Maximum__uint16", "P.Maximum()", t([2, 3, 4], 0, 7, "uint16"), t([3, 4], 0, 7, "uint16"))
case("Sum__uint16", ["pass"], t([2, 3, 4], 0, 7, "uint16"), call="x0.sum()")
case("Select__dtype_uint32", "P.Select()", boolean([2, 3, 4]), t([2, 3, 4], 0, 7, "uint32"), t([2, 3, 4], 0, 7, "uint32"))
case("Pad__uint32", "P.Pad(((0, 0), (1, 1), (0, 2)))", t([2, 3, 4], 0, 7, "uint32"))
case("Concat__uint32", "P.Concat(1)", t([2, 3, 4], 0, 7, "uint32"), t([2, 3, 4], 0, 7, "uint32"), call="self.op((x0, x1))")
case("ReduceMax__uint32", "P.ReduceMax()", t([2, 3, 4], 0, 7, "uint32"), call="self.op(x0, 1)")
case("Maximum__uint32", "P.Maximum()", t([2, 3, 4], 0, 7, "uint32"), t([3, 4], 0, 7, "uint32"))
case("Sum__uint32", ["pass"], t([2, 3, 4], 0, 7, "uint32"), call="x0.sum()")
case("Select__dtype_uint64", "P.Select()", boolean([2, 3, 4]), t([2, 3, 4], 0, 7, "uint64"), t([2, 3, 4], 0, 7, "uint64"))
case("Pad__uint64", "P.Pad(((0, 0), (1, 1), (0, 2)))", t([2, 3, 4], 0, 7, "uint64"))
case("Concat__uint64", "P.Concat(1)", t([2, 3, 4], 0, 7, "uint64"), t([2, 3, 4], 0, 7, "uint64"), call="self.op((x0, x1))")
case("ReduceMax__uint64", "P.ReduceMax()", t([2, 3, 4], 0, 7, "uint64"), call="self.op(x0, 1)")
case("Maximum__uint64", "P.Maximum()", t([2, 3, 4], 0, 7, "uint64"), t([3, 4], 0, 7, "uint64"))
case("Sum__uint64", ["pass"], t([2, 3, 4], 0, 7, "uint64"), call="x0.sum()")
case("Select__dtype_int64", "P.Select()", boolean([2, 3, 4]), t([2, 3, 4], 0, 7, "int64"), t([2, 3, 4], 0, 7, "int64"))
case("Pad__int64", "P.Pad(((0, 0), (1, 1), (0, 2)))", t([2, 3, 4], 0, 7, "int64"))
case("Concat__int64", "P.Concat(1)", t([2, 3, 4], 0, 7, "int64"), t([2, 3, 4], 0, 7, "int64"), call="self.op((x0, x1))")
case("ReduceMax__int64", "P.ReduceMax()", t([2, 3, 4], 0, 7, "int64"), call="self.op(x0, 1)")
case("Maximum__int64", "P.Maximum()", t([2, 3, 4], 0, 7, "int64"), t([3, 4], 0, 7, "int64"))
case("Sum__int64", ["pass"], t([2, 3, 4], 0, 7, "int64"), call="x0.sum()")
case("Select__dtype_float64", "P.Select()", boolean([2, 3, 4]), t([2, 3, 4], 0, 7, "float64"), t([2, 3, 4], 0, 7, "float64"))
case("Pad__float64", "P.Pad(((0, 0), (1, 1), (0, 2)))", t([2, 3, 4], 0, 7, "float64"))
case("Concat__float64", "P.Concat(1)", t([2, 3, 4], 0, 7, "float64"), t([2, 3, 4], 0, 7, "float64"), call="self.op((x0, x1))")
case("ReduceMax__float64", "P.ReduceMax()", t([2, 3, 4], 0, 7, "float64"), call="self.op(x0, 1)")
case("Maximum__float64", "P.Maximum()", t([2, 3, 4], 0, 7, "float64"), t([3, 4], 0, 7, "float64"))
case("Sum__float64", ["pass"], t([2, 3, 4], 0, 7, "float64"), call="x0.sum()")
case("Select__dtype_bool", "P.Select()", boolean([2, 3, 4]), t([2, 3, 4], 0, 7, "bool"), t([2, 3, 4], 0, 7, "bool"))
case("Pad__bool", "P.Pad(((0, 0), (1, 1), (0, 2)))", t([2, 3, 4], 0, 7, "bool"))
case("Concat__bool", "P.Concat(1)", t([2, 3, 4], 0, 7, "bool"), t([2, 3, 4], 0, 7, "bool"), call="self.op((x0, x1))")
