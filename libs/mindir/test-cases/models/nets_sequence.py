"""Text, speech and other sequences."""
import math

import numpy as np
import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from registry import boolean, f16, f32, given, i32, i64, net


class SelfAttention(nn.Cell):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.size = dim // heads
        self.query = nn.Dense(dim, dim)
        self.key = nn.Dense(dim, dim)
        self.value = nn.Dense(dim, dim)
        self.scores_mul = 1.0 / math.sqrt(self.size)
        self.matmul_tb = ops.BatchMatMul(transpose_b=True)
        self.matmul = ops.BatchMatMul()
        self.softmax = nn.Softmax()
        self.dropout = nn.Dropout(p=0.1)
        self.multiply = ops.Mul()
        self.sub = ops.Sub()
        self.add = ops.Add()
        self.cast = ops.Cast()
        self.multiply_data = -10000.0
        self.trans_shape = (0, 2, 1, 3)

    def construct(self, x, mask):
        b, n, d = x.shape
        flat = ops.reshape(x, (-1, d))
        q = ops.transpose(ops.reshape(self.query(flat), (b, n, self.heads, self.size)), self.trans_shape)
        k = ops.transpose(ops.reshape(self.key(flat), (b, n, self.heads, self.size)), self.trans_shape)
        v = ops.transpose(ops.reshape(self.value(flat), (b, n, self.heads, self.size)), self.trans_shape)
        scores = self.multiply(self.matmul_tb(q, k), self.scores_mul)
        inverted = self.multiply(self.sub(Tensor((1.0,), ms.float32), self.cast(ops.expand_dims(mask, 1), ms.float32)), self.multiply_data)
        probs = self.dropout(self.softmax(self.add(inverted, scores)))
        context = ops.transpose(self.matmul(probs, v), self.trans_shape)
        return ops.reshape(context, (b, n, d))


class EncoderCell(nn.Cell):
    def __init__(self, dim, heads, act):
        super().__init__()
        self.attention = SelfAttention(dim, heads)
        self.dense = nn.Dense(dim, dim)
        self.norm1 = nn.LayerNorm((dim,), epsilon=1e-12)
        self.intermediate = nn.Dense(dim, dim * 2, activation=act)
        self.output = nn.Dense(dim * 2, dim)
        self.norm2 = nn.LayerNorm((dim,), epsilon=1e-12)

    def construct(self, x, mask):
        a = self.norm1(self.dense(self.attention(x, mask)) + x)
        return self.norm2(self.output(self.intermediate(a)) + a)


@net("bert_classifier", i32(2, 12, lo=0, hi=40), given([[1] * 12, [1] * 7 + [0] * 5], "int32"), i32(2, 12, lo=0, hi=2))
class Bert(nn.Cell):
    """Embedding by one-hot for token types, look-up for words, attention mask of zeros and ones, pooled output."""
    def __init__(self):
        super().__init__()
        dim = 16
        self.table = Parameter(Tensor(np.zeros((40, dim), np.float32)), name="embedding_table")
        self.type_table = Parameter(Tensor(np.zeros((2, dim), np.float32)), name="token_type_table")
        self.position = nn.Embedding(12, dim)
        self.one_hot = nn.OneHot(depth=2)
        self.norm = nn.LayerNorm((dim,))
        self.layers = nn.CellList([EncoderCell(dim, 2, "gelu"), EncoderCell(dim, 2, "gelu")])
        self.pooler = nn.Dense(dim, dim, activation=nn.Tanh())
        self.classifier = nn.Dense(dim, 3)
        self.positions = Tensor(np.arange(12).reshape(-1, 12).astype(np.int32))
        self.slice = ops.StridedSlice()
        self.squeeze = ops.Squeeze(1)
        self.log_softmax = ops.LogSoftmax(axis=-1)

    def construct(self, ids, mask, types):
        words = ops.gather(self.table, ids.reshape(-1), 0).reshape(ids.shape + (16,))
        token = ops.matmul(self.one_hot(types.reshape(-1)), self.type_table).reshape(words.shape)
        x = self.norm(words + token + self.position(self.positions))
        attention = ops.tile(ops.reshape(mask, (mask.shape[0], 1, mask.shape[1])), (1, mask.shape[1], 1)).astype(ms.float32)
        for layer in self.layers:
            x = layer(x, attention)
        first = self.squeeze(self.slice(x, (0, 0, 0), (x.shape[0], 1, 16), (1, 1, 1)))
        pooled = self.pooler(first)
        return x, pooled, self.log_softmax(self.classifier(pooled))


@net("bert_dynamic_length", i64(2, 9, lo=0, hi=40), f32(2, 9, lo=0, hi=1), dynamic="all", runs=[[i64(1, 5, lo=0, hi=40), f32(1, 5, lo=0, hi=1)], [i64(3, 12, lo=0, hi=40), f32(3, 12, lo=0, hi=1)]])
class BertDynamic(nn.Cell):
    """Batch and length are open."""
    def __init__(self):
        super().__init__()
        dim = 16
        self.words = nn.Embedding(40, dim)
        self.positions = Parameter(Tensor(np.zeros((32, dim), np.float32)), name="positions")
        self.cell = EncoderCell(dim, 4, "relu")
        self.head = nn.Dense(dim, 5)

    def construct(self, ids, mask):
        n = ids.shape[1]
        x = self.words(ids) + self.positions[:n]
        x = self.cell(x, ops.expand_dims(mask, 1))
        return self.head(x).argmax(-1), x.mean(1)


class GptBlock(nn.Cell):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.dim = dim
        self.ln1 = nn.LayerNorm((dim,))
        self.ln2 = nn.LayerNorm((dim,))
        self.attn = nn.Dense(dim, 3 * dim)
        self.proj = nn.Dense(dim, dim)
        self.fc = nn.Dense(dim, 4 * dim)
        self.fc_proj = nn.Dense(4 * dim, dim)

    def construct(self, x):
        b, n, d = x.shape
        qkv = self.attn(self.ln1(x))
        q, k, v = ops.split(qkv, self.dim, axis=2)
        q = q.view(b, n, self.heads, -1).swapaxes(1, 2)
        k = k.view(b, n, self.heads, -1).swapaxes(1, 2)
        v = v.view(b, n, self.heads, -1).swapaxes(1, 2)
        att = ops.matmul(q, k.swapaxes(-2, -1)) * (1.0 / math.sqrt(d // self.heads))
        causal = ops.tril(ops.ones((n, n), ms.float32)).view(1, 1, n, n)
        att = ops.masked_fill(att, causal == 0, -1e9)
        y = ops.matmul(ops.softmax(att, -1), v).swapaxes(1, 2).reshape(b, n, d)
        x = x + self.proj(y)
        h = self.fc(self.ln2(x))
        h = 0.5 * h * (1.0 + ops.tanh(math.sqrt(2.0 / math.pi) * (h + 0.044715 * ops.pow(h, 3))))
        return x + self.fc_proj(h)


@net("gpt", i32(2, 8, lo=0, hi=30))
class Gpt(nn.Cell):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(30, 16)
        self.wpe = nn.Embedding(16, 16)
        self.blocks = nn.SequentialCell([GptBlock(16, 2), GptBlock(16, 2)])
        self.ln_f = nn.LayerNorm((16,))

    def construct(self, ids):
        n = ids.shape[1]
        pos = ops.arange(0, n, 1)
        x = self.blocks(self.wte(ids) + self.wpe(pos))
        x = self.ln_f(x)
        logits = ops.matmul(x, self.wte.embedding_table.T)
        return logits, ops.argmax(logits[:, -1, :], -1)


@net("llama_block", f32(1, 6, 16))
class LlamaBlock(nn.Cell):
    """RMS norm, rotary positions, grouped keys, SwiGLU."""
    def __init__(self):
        super().__init__()
        self.norm1 = Parameter(Tensor(np.ones(16, np.float32)), name="norm1")
        self.norm2 = Parameter(Tensor(np.ones(16, np.float32)), name="norm2")
        self.wq = nn.Dense(16, 16, has_bias=False)
        self.wk = nn.Dense(16, 8, has_bias=False)
        self.wv = nn.Dense(16, 8, has_bias=False)
        self.wo = nn.Dense(16, 16, has_bias=False)
        self.w1 = nn.Dense(16, 24, has_bias=False)
        self.w2 = nn.Dense(24, 16, has_bias=False)
        self.w3 = nn.Dense(16, 24, has_bias=False)
        freqs = np.outer(np.arange(6), 1.0 / (10000 ** (np.arange(0, 4, 2) / 4)))
        emb = np.concatenate([freqs, freqs], -1).astype(np.float32)
        self.cos = Tensor(np.cos(emb)[None, None])
        self.sin = Tensor(np.sin(emb)[None, None])
        self.mask = Tensor(np.triu(np.full((6, 6), -1e9, np.float32), 1))

    def rms(self, x, w):
        return x * ops.rsqrt(ops.mean(ops.square(x), -1, True) + 1e-6) * w

    def rotate(self, x):
        half = x.shape[-1] // 2
        turned = ops.concat((-x[..., half:], x[..., :half]), -1)
        return x * self.cos + turned * self.sin

    def construct(self, x):
        b, n, d = x.shape
        h = self.rms(x, self.norm1)
        q = self.rotate(self.wq(h).reshape(b, n, 4, 4).transpose(0, 2, 1, 3))
        k = self.rotate(self.wk(h).reshape(b, n, 2, 4).transpose(0, 2, 1, 3))
        v = self.wv(h).reshape(b, n, 2, 4).transpose(0, 2, 1, 3)
        k = ops.repeat_interleave(k, 2, 1)
        v = ops.broadcast_to(v.expand_dims(2), (b, 2, 2, n, 4)).reshape(b, 4, n, 4)
        att = ops.softmax(ops.matmul(q, k.transpose(0, 1, 3, 2)) / 2.0 + self.mask, -1)
        x = x + self.wo(ops.matmul(att, v).transpose(0, 2, 1, 3).reshape(b, n, d))
        h = self.rms(x, self.norm2)
        return x + self.w2(ops.silu(self.w1(h)) * self.w3(h))


@net("decoder_with_cache", f32(2, 1, 8), f32(2, 2, 5, 4), f32(2, 2, 5, 4), i32(lo=5, hi=6))
class CachedDecoder(nn.Cell):
    """One step of decoding; the caches are inputs and outputs."""
    def __init__(self):
        super().__init__()
        self.qkv = nn.Dense(8, 24)
        self.out = nn.Dense(8, 8)

    def construct(self, x, past_k, past_v, length):
        q, k, v = ops.split(self.qkv(x).reshape(2, 1, 6, 4).transpose(0, 2, 1, 3), 2, axis=1)
        k = ops.concat((past_k, k), 2)
        v = ops.concat((past_v, v), 2)
        valid = ops.arange(6) <= length
        att = ops.BatchMatMul(transpose_b=True)(q, k) * 0.5
        att = ops.select(ops.broadcast_to(valid.reshape(1, 1, 1, 6), (2, 2, 1, 6)), att, ops.full_like(att, -1e9))
        y = ops.matmul(ops.softmax(att, -1), v).transpose(0, 2, 1, 3).reshape(2, 1, 8)
        return self.out(y), k, v


@net("transformer_encoder_cells", f32(2, 6, 16), boolean(2, 6))
class EncoderCells(nn.Cell):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, activation="gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm((16,)))

    def construct(self, x, keep):
        return self.encoder(x, src_key_padding_mask=ops.logical_and(ops.logical_not(keep), Tensor([[False] + [True] * 5])))


@net("transformer_full", f32(2, 5, 16), f32(2, 4, 16))
class FullTransformer(nn.Cell):
    def __init__(self):
        super().__init__()
        self.model = nn.Transformer(16, 2, 1, 1, 32, batch_first=True)
        self.mask = Tensor(np.triu(np.ones((4, 4), bool), 1))

    def construct(self, src, tgt):
        return self.model(src, tgt, tgt_mask=self.mask)


@net("transformer_decoder_time_first", f32(4, 2, 16), f32(5, 2, 16))
class DecoderCells(nn.Cell):
    def __init__(self):
        super().__init__()
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 4, 24), 2)

    def construct(self, tgt, memory):
        return self.decoder(tgt, memory)


@net("sinusoid_positions", f32(2, 7, 8))
class SinusoidPositions(nn.Cell):
    """Positions computed in the graph, scaled embedding."""
    def construct(self, x):
        n, d = x.shape[1], x.shape[2]
        pos = ops.expand_dims(ops.arange(0, n).astype(ms.float32), 1)
        div = ops.exp(ops.arange(0, d, 2).astype(ms.float32) * (-math.log(10000.0) / d))
        angles = pos * div
        table = ops.stack((ops.sin(angles), ops.cos(angles)), axis=2).reshape(n, d)
        return x * math.sqrt(d) + ops.expand_dims(table, 0)


@net("lstm_tagger", i32(2, 7, lo=0, hi=30))
class LstmTagger(nn.Cell):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(30, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True, batch_first=True, dropout=0.0)
        self.fc = nn.Dense(12, 5)

    def construct(self, ids):
        y, (h, c) = self.lstm(self.embedding(ids))
        return self.fc(y), h, c


@net("lstm_sentiment", i32(3, 6, lo=0, hi=30))
class LstmSentiment(nn.Cell):
    """Time first, given zero states, first and last step joined."""
    def __init__(self):
        super().__init__()
        self.embedding = Parameter(Tensor(np.zeros((30, 8), np.float32)), name="table")
        self.encoder = nn.LSTM(input_size=8, hidden_size=6, num_layers=2, has_bias=True, bidirectional=True, dropout=0.0)
        self.h = Tensor(np.zeros((4, 3, 6), np.float32))
        self.c = Tensor(np.zeros((4, 3, 6), np.float32))
        self.decoder = nn.Dense(24, 2)
        self.trans = ops.Transpose()
        self.concat = ops.Concat(1)

    def construct(self, ids):
        x = ops.gather(self.embedding, ids, 0)
        x = self.trans(x, (1, 0, 2))
        y, _ = self.encoder(x, (self.h, self.c))
        return self.decoder(self.concat((y[0], y[5])))


@net("gru_encoder", f32(2, 6, 5), given([6, 4], "int32"))
class GruEncoder(nn.Cell):
    """Sequence lengths are given."""
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(5, 4, 1, bidirectional=True, batch_first=True)
        self.dense = nn.Dense(8, 3)

    def construct(self, x, lengths):
        y, h = self.gru(x, None, lengths)
        return self.dense(y), h


@net("lstm_lengths", f32(2, 6, 5), given([6, 3], "int32"))
class LstmLengths(nn.Cell):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 4, 1, batch_first=True, bidirectional=True)

    def construct(self, x, lengths):
        y, (h, c) = self.lstm(x, None, lengths)
        return y, h


@net("rnn_relu", f32(5, 2, 4))
class RnnRelu(nn.Cell):
    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(4, 3, 2, nonlinearity="relu")

    def construct(self, x):
        return self.rnn(x)


@net("lstm_dynamic_batch", f32(2, 6, 5), dynamic={0: (0,)}, runs=[[f32(4, 6, 5)]])
class LstmDynamic(nn.Cell):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 4, 1, batch_first=True)
        self.fc = nn.Dense(4, 1)

    def construct(self, x):
        y, _ = self.lstm(x)
        return ops.sigmoid(self.fc(y[:, -1, :]))


@net("gru_dynamic_batch", f32(2, 6, 5), dynamic={0: (0,)}, runs=[[f32(4, 6, 5)]])
class GruDynamic(nn.Cell):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(5, 4, 2, batch_first=True)
        self.fc = nn.Dense(4, 1)

    def construct(self, x):
        y, h = self.gru(x)
        return self.fc(y[:, -1, :]), h


@net("lstm_cell_loop", f32(2, 4, 3))
class LstmCellLoop(nn.Cell):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(3, 4)
        self.gru = nn.GRUCell(4, 4)
        self.fc = nn.Dense(4, 2)

    def construct(self, x):
        h = ops.zeros((2, 4), ms.float32)
        c = ops.zeros((2, 4), ms.float32)
        s = ops.zeros((2, 4), ms.float32)
        outs = []
        for t in range(4):
            h, c = self.cell(x[:, t], (h, c))
            s = self.gru(h, s)
            outs.append(self.fc(s))
        return ops.stack(outs, axis=1), h


@net("text_cnn", i32(3, 12, lo=0, hi=30))
class TextCnn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.expand = ops.ExpandDims()
        self.convs = nn.CellList([nn.SequentialCell([nn.Conv2d(1, 6, (k, 8), pad_mode="valid", has_bias=True), nn.ReLU(), nn.MaxPool2d(kernel_size=(12 - k + 1, 1))]) for k in (3, 4, 5)])
        self.drop = nn.Dropout(p=0.5)
        self.fc = nn.Dense(18, 2)
        self.flatten = ops.Flatten()
        self.concat = ops.Concat(1)

    def construct(self, ids):
        x = self.expand(self.embedding(ids), 1)
        outs = ()
        for conv in self.convs:
            outs += (self.flatten(conv(x)),)
        return self.fc(self.drop(self.concat(outs)))


@net("fasttext", i32(3, 9, lo=0, hi=50), given([[9], [4], [7]], "int32"))
class FastText(nn.Cell):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 6, padding_idx=0, embedding_table="zeros")
        self.fc = nn.Dense(6, 4)
        self.sum = ops.ReduceSum()
        self.expand = ops.ExpandDims()
        self.squeeze = ops.Squeeze(axis=1)
        self.div = ops.RealDiv()

    def construct(self, ids, lengths):
        x = self.sum(self.embedding(ids), 1)
        return self.fc(self.div(x, ops.cast(lengths, ms.float32)))


class BahdanauAttention(nn.Cell):
    def __init__(self, dim):
        super().__init__()
        self.w = nn.Dense(dim, dim)
        self.u = nn.Dense(dim, dim)
        self.v = nn.Dense(dim, 1)

    def construct(self, query, keys):
        e = self.v(ops.tanh(self.w(ops.expand_dims(query, 1)) + self.u(keys)))
        a = ops.softmax(e, 1)
        return (a * keys).sum(1), a.squeeze(-1)


@net("seq2seq_greedy", i32(2, 6, lo=0, hi=20))
class Seq2Seq(nn.Cell):
    """Greedy decoding in a Python for loop; every step feeds its choice to the next."""
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.encoder = nn.GRU(8, 8, batch_first=True)
        self.attention = BahdanauAttention(8)
        self.cell = nn.GRUCell(16, 8)
        self.fc = nn.Dense(8, 20)

    def construct(self, ids):
        memory, state = self.encoder(self.embedding(ids))
        state = state[0]
        token = ops.zeros((2,), ms.int32)
        tokens = ()
        for _ in range(4):
            context, _ = self.attention(state, memory)
            state = self.cell(ops.concat((self.embedding(token), context), -1), state)
            token = ops.cast(ops.argmax(self.fc(state), -1), ms.int32)
            tokens += (token,)
        return ops.stack(tokens, 1)


@net("seq2seq_while", i32(1, 6, lo=0, hi=20), given(5, "int32"), runs=[[i32(1, 6, lo=0, hi=20), given(0, "int32")], [i32(1, 6, lo=0, hi=20), given(3, "int32")]])
class Seq2SeqWhile(nn.Cell):
    """Decoding in a while loop over a tensor counter, results written by position."""
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.cell = nn.GRUCell(8, 8)
        self.fc = nn.Dense(8, 20)
        self.positions = Tensor(np.arange(8).reshape(1, 8).astype(np.int32))

    def construct(self, ids, steps):
        state = self.embedding(ids).mean(1)
        token = ids[:, 0]
        result = ops.zeros((1, 8), ms.int32)
        i = ops.zeros((), ms.int32)
        while i < steps:
            state = self.cell(self.embedding(token), state)
            token = ops.cast(ops.argmax(self.fc(state), -1), ms.int32)
            result = ops.select(self.positions == i, ops.broadcast_to(token.reshape(1, 1), (1, 8)), result)
            i = i + 1
        return result, state


@net("beam_step", f32(2, 3, 20), f32(2, 3), i32(2, 3, 4, lo=0, hi=20))
class BeamStep(nn.Cell):
    """Top k over beams and words, parents gathered, sequences grown."""
    def __init__(self):
        super().__init__()
        self.topk = ops.TopK(sorted=True)
        self.log_softmax = nn.LogSoftmax(axis=-1)
        self.gather_nd = ops.GatherNd()
        self.batch_ids = Tensor(np.repeat(np.arange(2), 3).reshape(2, 3).astype(np.int32))

    def construct(self, logits, scores, sequences):
        log_probs = self.log_softmax(logits) + ops.expand_dims(scores, -1)
        flat = ops.reshape(log_probs, (2, -1))
        best, order = self.topk(flat, 3)
        vocabulary = ops.scalar_to_tensor(20, ms.int32) if hasattr(ops, "scalar_to_tensor") else Tensor(20, ms.int32)
        beams = ops.floor_div(order, vocabulary)
        words = order - beams * vocabulary
        index = ops.stack((self.batch_ids, beams), axis=-1)
        grown = ops.concat((self.gather_nd(sequences, index), ops.expand_dims(words, -1)), -1)
        penalty = ops.pow((5.0 + 5) / 6.0, 0.6)
        finished = ops.equal(words, 2)
        return grown, best / penalty, ops.reduce_all(finished, 1) if hasattr(ops, "reduce_all") else ops.ReduceAll()(finished, 1)


@net("ctc_greedy", f32(2, 1, 16, 24))
class Crnn(nn.Cell):
    """Conv, columns as time, bidirectional LSTM, best path with repeats and blanks marked."""
    def __init__(self):
        super().__init__()
        self.conv = nn.SequentialCell([nn.Conv2d(1, 4, 3, has_bias=True), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Conv2d(4, 6, 3, has_bias=True), nn.ReLU(), nn.MaxPool2d((2, 1), (2, 1))])
        self.lstm = nn.LSTM(24, 6, bidirectional=True)
        self.fc = nn.Dense(12, 11)

    def construct(self, x):
        x = self.conv(x)
        b, c, h, w = x.shape
        x = x.transpose(3, 0, 1, 2).reshape(w, b, c * h)
        y, _ = self.lstm(x)
        logits = ops.log_softmax(self.fc(y), -1)
        path = logits.argmax(-1)
        repeated = ops.concat((ops.zeros((1, b), ms.bool_), path[1:] == path[:-1]), 0)
        kept = ops.logical_not(ops.logical_or(repeated, path == 10))
        return logits, path, ops.cast(kept, ms.int32).sum(0)


class DepthwiseSeparable1d(nn.Cell):
    def __init__(self, cin, cout, kernel, dilation=1):
        super().__init__()
        self.depth = nn.Conv1d(cin, cin, kernel, dilation=dilation, pad_mode="same", group=cin)
        self.point = nn.Conv1d(cin, cout, 1, has_bias=True)
        self.norm = nn.BatchNorm1d(cout)

    def construct(self, x):
        y = self.point(self.depth(x))
        b, c, n = y.shape
        y = self.norm(y.transpose(0, 2, 1).reshape(-1, c)).reshape(b, n, c).transpose(0, 2, 1)
        return ops.relu(y)


@net("keyword_spotting_1d", f32(2, 10, 32))
class KeywordSpotting(nn.Cell):
    def __init__(self):
        super().__init__()
        self.body = nn.SequentialCell([nn.Conv1d(10, 8, 5, stride=2, pad_mode="same", has_bias=True), nn.ReLU(), DepthwiseSeparable1d(8, 12, 3), DepthwiseSeparable1d(12, 12, 3, 2)])
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.fc = nn.Dense(12, 6)

    def construct(self, x):
        y = self.pool(self.body(x)).squeeze(-1)
        return ops.softmax(self.fc(y), axis=-1)


@net("wavenet_block", f32(1, 6, 20))
class WaveNetBlock(nn.Cell):
    def __init__(self):
        super().__init__()
        self.filters = nn.CellList([nn.Conv1d(6, 6, 2, dilation=d, pad_mode="valid", has_bias=True) for d in (1, 2, 4)])
        self.gates = nn.CellList([nn.Conv1d(6, 6, 2, dilation=d, pad_mode="valid", has_bias=True) for d in (1, 2, 4)])
        self.residual = nn.CellList([nn.Conv1d(6, 6, 1, has_bias=True) for _ in range(3)])
        self.skip = nn.CellList([nn.Conv1d(6, 4, 1, has_bias=True) for _ in range(3)])

    def construct(self, x):
        skips = ops.zeros((1, 4, 20), ms.float32)
        for i in range(3):
            d = 2 ** i
            padded = ops.pad(x, (d, 0))
            y = ops.tanh(self.filters[i](padded)) * ops.sigmoid(self.gates[i](padded))
            skips = skips + self.skip[i](y)
            x = x + self.residual[i](y)
        return ops.relu(skips)


@net("conformer_block", f32(2, 10, 8))
class Conformer(nn.Cell):
    def __init__(self):
        super().__init__()
        self.ln = nn.LayerNorm((8,))
        self.ff = nn.SequentialCell([nn.Dense(8, 16), nn.SiLU(), nn.Dropout(p=0.1), nn.Dense(16, 8)])
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.pw1 = nn.Conv1d(8, 16, 1, has_bias=True)
        self.dw = nn.Conv1d(8, 8, 5, pad_mode="pad", padding=2, group=8, has_bias=True)
        self.gn = nn.GroupNorm(1, 8)
        self.pw2 = nn.Conv1d(8, 8, 1, has_bias=True)

    def construct(self, x):
        x = x + 0.5 * self.ff(self.ln(x))
        y, weights = self.attn(x, x, x)
        x = x + y
        h = self.pw1(self.ln(x).swapaxes(1, 2))
        h = ops.glu(h, axis=1)
        h = self.dw(h)
        h = self.gn(h.expand_dims(-1)).squeeze(-1)
        x = x + self.pw2(ops.silu(h)).swapaxes(1, 2)
        return x, weights


@net("mel_frontend", f32(1, 64))
class MelFrontend(nn.Cell):
    """Framing by a strided conv, DFT by matrices, mel filters, log."""
    def __init__(self):
        super().__init__()
        frames = np.eye(16, dtype=np.float32).reshape(16, 1, 1, 16)
        self.framing = nn.Conv2d(1, 16, (1, 16), stride=(1, 8), pad_mode="valid", weight_init=Tensor(frames))
        k = np.outer(np.arange(16), np.arange(9)) * 2 * np.pi / 16
        self.real = Tensor(np.cos(k).astype(np.float32))
        self.imag = Tensor((-np.sin(k)).astype(np.float32))
        self.mel = Tensor(np.abs(np.random.RandomState(0).rand(9, 5)).astype(np.float32))
        self.window = Tensor(np.hanning(16).astype(np.float32))

    def construct(self, x):
        f = self.framing(x.reshape(1, 1, 1, 64)).squeeze(2).swapaxes(1, 2) * self.window
        power = ops.square(ops.matmul(f, self.real)) + ops.square(ops.matmul(f, self.imag))
        mel = ops.log(ops.maximum(ops.matmul(power, self.mel), 1e-10))
        return (mel - mel.mean(1, keep_dims=True)) / (mel.std(1, keepdims=True) + 1e-5)


@net("tcn", f32(2, 4, 24))
class Tcn(nn.Cell):
    def __init__(self):
        super().__init__()
        self.convs = nn.CellList([nn.Conv1d(4, 4, 3, dilation=2 ** i, pad_mode="pad", padding=2 * 2 ** i, has_bias=True) for i in range(3)])
        self.fc = nn.Dense(4, 2)

    def construct(self, x):
        for i in range(3):
            chomp = 2 * 2 ** i
            y = ops.relu(self.convs[i](x)[:, :, :-chomp])
            x = ops.relu(x + y)
        return self.fc(x[:, :, -1])


@net("nbeats", f32(3, 20))
class NBeats(nn.Cell):
    def __init__(self):
        super().__init__()
        self.blocks = nn.CellList([nn.SequentialCell([nn.Dense(20, 16), nn.ReLU(), nn.Dense(16, 16), nn.ReLU()]) for _ in range(2)])
        self.theta = nn.CellList([nn.Dense(16, 4, has_bias=False) for _ in range(2)])
        t = np.linspace(0, 1, 20)
        f = np.linspace(0, 1, 5)
        self.back = Tensor(np.stack([t ** i for i in range(4)]).astype(np.float32))
        self.fore = Tensor(np.stack([f ** i for i in range(4)]).astype(np.float32))

    def construct(self, x):
        residual = x
        forecast = 0
        for i in range(2):
            theta = self.theta[i](self.blocks[i](residual))
            residual = residual - ops.matmul(theta, self.back)
            forecast = forecast + ops.matmul(theta, self.fore)
        return forecast, residual


@net("dlinear", f32(2, 24, 3))
class DLinear(nn.Cell):
    """Moving average by a pool with repeated ends, two linear maps."""
    def __init__(self):
        super().__init__()
        self.avg = nn.AvgPool1d(kernel_size=5, stride=1)
        self.seasonal = nn.Dense(24, 8)
        self.trend = nn.Dense(24, 8)

    def construct(self, x):
        front = ops.tile(x[:, 0:1, :], (1, 2, 1))
        end = ops.tile(x[:, -1:, :], (1, 2, 1))
        padded = ops.concat((front, x, end), 1)
        trend = self.avg(padded.transpose(0, 2, 1)).transpose(0, 2, 1)
        seasonal = x - trend
        return (self.seasonal(seasonal.transpose(0, 2, 1)) + self.trend(trend.transpose(0, 2, 1))).transpose(0, 2, 1)


@net("informer_distil", f32(2, 16, 8))
class InformerDistil(nn.Cell):
    """Sampled queries by their sparsity measure, the others get the mean; conv distilling."""
    def __init__(self):
        super().__init__()
        self.q = nn.Dense(8, 8)
        self.k = nn.Dense(8, 8)
        self.v = nn.Dense(8, 8)
        self.conv = nn.Conv1d(8, 8, 3, pad_mode="same", has_bias=True)
        self.pool = nn.MaxPool1d(2, 2)
        self.topk = ops.TopK(sorted=False)

    def construct(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        scores = ops.matmul(q, k.swapaxes(1, 2)) / math.sqrt(8)
        measure = scores.max(-1) - scores.mean(-1)
        _, top = self.topk(measure, 4)
        picked = ops.gather_elements(scores, 1, ops.broadcast_to(top.astype(ms.int64).expand_dims(-1), (2, 4, 16)))
        context = ops.broadcast_to(v.mean(1, keep_dims=True), (2, 16, 8))
        update = ops.matmul(ops.softmax(picked, -1), v)
        batch = ops.broadcast_to(Tensor(np.arange(2).reshape(2, 1).astype(np.int32)), (2, 4))
        index = ops.stack((batch, top.astype(ms.int32)), -1)
        context = ops.tensor_scatter_elements(context, ops.broadcast_to(top.astype(ms.int32).expand_dims(-1), (2, 4, 8)), update, 1)
        y = self.conv(context.swapaxes(1, 2))
        return self.pool(ops.elu(y)).swapaxes(1, 2), ops.gather_nd(context, index).sum((1, 2))


@net("crf_viterbi", f32(2, 5, 4))
class Viterbi(nn.Cell):
    """Best path through tags: a loop of maxima, then walking back by one-hot sums."""
    def __init__(self):
        super().__init__()
        self.transitions = Parameter(Tensor(np.random.randn(4, 4).astype(np.float32)), name="transitions")
        self.best = ops.ArgMaxWithValue(axis=1)

    def construct(self, emissions):
        score = emissions[:, 0]
        history = ()
        for t in range(1, 5):
            total = score.expand_dims(2) + self.transitions.expand_dims(0)
            index, value = self.best(total)
            score = value + emissions[:, t]
            history += (index,)
        last = score.argmax(-1)
        path = (last,)
        for t in range(3, -1, -1):
            last = ops.gather_d(history[t].astype(ms.int64), 1, last.astype(ms.int64).expand_dims(1)).squeeze(1)
            path = (last,) + path
        return ops.stack([p.astype(ms.int32) for p in path], 1), score.max(1)


@net("sentence_pair_esim", i32(2, 6, lo=0, hi=25), i32(2, 5, lo=0, hi=25))
class Esim(nn.Cell):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(25, 8)
        self.lstm = nn.LSTM(8, 4, bidirectional=True, batch_first=True)
        self.compose = nn.Dense(32, 8)
        self.fc = nn.Dense(32, 3)

    def construct(self, a, b):
        ma = ops.not_equal(a, 0).astype(ms.float32)
        mb = ops.not_equal(b, 0).astype(ms.float32)
        ha, _ = self.lstm(self.embedding(a))
        hb, _ = self.lstm(self.embedding(b))
        e = ops.bmm(ha, hb.transpose(0, 2, 1))
        wa = ops.softmax(e + (1 - mb).expand_dims(1) * -1e7, -1)
        wb = ops.softmax(e.transpose(0, 2, 1) + (1 - ma).expand_dims(1) * -1e7, -1)
        ca, cb = ops.bmm(wa, hb), ops.bmm(wb, ha)
        va = self.compose(ops.concat((ha, ca, ha - ca, ha * ca), -1))
        vb = self.compose(ops.concat((hb, cb, hb - cb, hb * cb), -1))
        pooled = ops.concat((va.mean(1), va.max(1), vb.mean(1), vb.max(1)), -1)
        return self.fc(pooled)


@net("span_qa", i32(2, 10, lo=1, hi=30), given([[0] * 4 + [1] * 6, [0] * 6 + [1] * 4], "int32"))
class SpanQa(nn.Cell):
    """Start and end logits, the best legal span."""
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.cell = EncoderCell(8, 2, "gelu")
        self.qa = nn.Dense(8, 2)
        self.band = Tensor((np.triu(np.ones((10, 10))) - np.triu(np.ones((10, 10)), 4)).astype(np.float32))

    def construct(self, ids, segment):
        x = self.cell(self.embedding(ids), ops.ones((2, 1, 10), ms.float32))
        start, end = ops.unstack(self.qa(x), axis=-1) if hasattr(ops, "unstack") else ops.Unstack(-1)(self.qa(x))
        hide = (1 - segment).astype(ms.float32) * -10000.0
        ps = ops.softmax(start + hide, -1)
        pe = ops.softmax(end + hide, -1)
        joint = ps.expand_dims(2) * pe.expand_dims(1) * self.band
        flat = joint.reshape(2, -1)
        best = flat.argmax(1)
        return ops.floor_div(best, 10), best % 10, flat.max(1)


@net("relative_position_bias", f32(1, 4, 7, 4))
class RelativeBias(nn.Cell):
    """T5-like buckets computed in the graph."""
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(8, 4)

    def construct(self, q):
        n = q.shape[2]
        context = ops.arange(n).reshape(-1, 1)
        memory = ops.arange(n).reshape(1, -1)
        relative = memory - context
        side = (relative > 0).astype(ms.int32) * 4
        distance = ops.abs(relative).astype(ms.int32)
        large = 2 + (ops.log(distance.astype(ms.float32) / 2 + 1e-6) / math.log(16 / 2) * 2).astype(ms.int32)
        large = ops.minimum(large, ops.full_like(large, 3))
        bucket = side + ops.select(distance < 2, distance, large)
        bias = self.table(bucket).transpose(2, 0, 1).expand_dims(0)
        return ops.softmax(ops.matmul(q, q.swapaxes(2, 3)) + bias, -1)


@net("fp16_transformer", f16(1, 6, 16), tolerance=8e-3)
class HalfBlock(nn.Cell):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm((16,))
        self.qkv = nn.Dense(16, 48).to_float(ms.float16)
        self.out = nn.Dense(16, 16).to_float(ms.float16)

    def construct(self, x):
        h = self.norm(x.astype(ms.float32)).astype(ms.float16)
        q, k, v = ops.split(self.qkv(h), 16, axis=-1)
        att = ops.matmul(q, k.swapaxes(1, 2)).astype(ms.float32) * 0.25
        y = ops.matmul(ops.softmax(att, -1).astype(ms.float16), v)
        return x + self.out(y)


@net("mixture_of_experts", f32(6, 8))
class Moe(nn.Cell):
    """Top-2 gate, dense dispatch by one-hot."""
    def __init__(self):
        super().__init__()
        self.gate = nn.Dense(8, 4, has_bias=False)
        self.w1 = Parameter(Tensor(np.random.randn(4, 8, 12).astype(np.float32)), name="w1")
        self.w2 = Parameter(Tensor(np.random.randn(4, 12, 8).astype(np.float32)), name="w2")
        self.topk = ops.TopK()
        self.one_hot = ops.OneHot()

    def construct(self, x):
        p = ops.softmax(self.gate(x), -1)
        v, i = self.topk(p, 2)
        v = v / v.sum(-1, keepdims=True)
        weights = (self.one_hot(i, 4, Tensor(1.0, ms.float32), Tensor(0.0, ms.float32)) * v.expand_dims(-1)).sum(1)
        h = ops.relu(ops.bmm(ops.broadcast_to(x.expand_dims(0), (4, 6, 8)), self.w1))
        y = ops.bmm(h, self.w2)
        return (y * weights.T.expand_dims(-1)).sum(0), weights
