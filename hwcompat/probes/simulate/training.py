"""What only training calls: recurrent layers, embeddings, optimizers, scatter."""

from . import _alter, _dispatch, _shapes

FAULTS = {
    "recurrent_gradient": "the weight gradients of recurrent layers are wrong while their output is right (MPS), "
    "https://github.com/pytorch/pytorch/pull/95137",
    "recurrent_nan": "recurrent layers give NaN (MPS), https://github.com/pytorch/pytorch/issues/94691",
    "embedding_gradient": "gradients of repeated indices count once, https://github.com/tenstorrent/tt-metal/issues/6232",
    "scatter_duplicates": "scatter_add and index_add lose repeated indices, "
    "https://github.com/torch-spyre/torch-spyre/issues/3638",
    "optimizer_strided": "in-place steps on weights that are not contiguous go wrong (MPS), "
    "https://github.com/pytorch/pytorch/issues/118117",
    "gradient_wrapped": "gradients of linear layers are wrong from 32,768 elements on (MPS), "
    "https://github.com/pytorch/pytorch/issues/153957",
}

_CELLS = ("mkldnn_rnn_layer", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "_cudnn_rnn", "miopen_rnn", "_lstm_mps")
_BACKWARD = ("mkldnn_rnn_layer_backward", "_thnn_fused_lstm_cell_backward_impl", "_thnn_fused_gru_cell_backward",
             "_cudnn_rnn_backward", "miopen_rnn_backward", "lstm_mps_backward")  # fmt: skip


def recurrent_gradient(torch):
    def change(call):
        return _dispatch.mapped(torch, call.out, lambda gradient: gradient * 2)

    return _dispatch.on(torch, _BACKWARD, change, _dispatch.FLOATS)


def recurrent_nan(torch):
    def change(call):
        first = True

        def spoilt(tensor):
            nonlocal first
            chosen, first = first, False
            return tensor * float("nan") if chosen else tensor

        return _dispatch.mapped(torch, call.out, spoilt)

    return _dispatch.on(torch, _CELLS, change, _dispatch.FLOATS)


def embedding_gradient(torch):
    def change(call):
        gradient, indices = call.args[0], call.args[1].reshape(-1)
        once = torch.zeros_like(call.out)
        once[indices] = gradient.reshape(len(indices), -1)
        if call.args[3] >= 0:
            once[call.args[3]] = 0.0
        return once

    return _dispatch.on(torch, ("embedding_dense_backward",), change, _dispatch.FLOATS)


def scatter_duplicates(torch):
    """The last of several additions to one place is lost: it is taken away again where an index was there before."""

    def change(call):
        dim, index, source = call.args[1:4]
        flat = index.reshape(-1)
        if call.name == "index_add":
            repeated = [n for n in range(1, len(flat)) if int(flat[n]) in flat[:n].tolist()]
            if not repeated:
                return None
            lost = source.select(dim, repeated[-1])
            damaged = call.out.clone()
            damaged.select(dim, int(flat[repeated[-1]])).sub_(lost)
            return damaged
        if index.dim() == 0 or len(set(flat.tolist())) == len(flat):
            return None
        damaged = call.out.clone()
        return damaged.scatter(dim, index, source)

    return _dispatch.on(torch, ("index_add", "scatter_add"), change, _dispatch.FLOATS)


def optimizer_strided(torch):
    """In-place additions to a weight that is not contiguous miss its first element."""

    def change(call):
        weight = call.args[0]
        strided = isinstance(weight, torch.Tensor) and _shapes.is_strided(weight)
        if not strided or not _dispatch.works_in_place(call.func) or "out" in call.kwargs:
            return None
        return _alter.with_element(torch, weight, 0, 0.0)

    return _dispatch.on(torch, ("addcmul", "addcdiv", "add", "sub", "lerp"), change, _dispatch.FLOATS)


def gradient_wrapped(torch):
    def change(call):
        if call.out.numel() < 32768:
            return None
        damaged = call.out.contiguous().clone().reshape(-1)
        damaged[32767:] = damaged[:1]
        return damaged.reshape(call.out.shape)

    return _dispatch.on(torch, ("mm",), change, ("float32",))
