"""Behaviours of ops and their values: in-place changes, views, several results, dtypes, composites, randomness."""

from functools import partial

import numpy as np
import torch
from behaviours import Behaviour, make_linear, make_register
from torch import clamp as clamp_bound_before
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint

BEHAVIOURS: dict[str, Behaviour] = {}
behaves = make_register(BEHAVIOURS)

X = torch.tensor([[1.0, -2.0], [-3.0, 4.0]])
V = torch.tensor([1.0, 2.0, 3.0, 4.0])


@behaves(
    "plain chain",
    (X,),
    ops="/mul /relu /add",
    parents={"/mul": (), "/relu": ("/mul",), "/add": ("/relu",)},
    sources={"/mul": ("input",)},
    values={"/mul": [[2, -4], [-6, 8]], "/relu": [[2, 0], [0, 8]], "/add": [[3, 1], [1, 9]]},
    modules={"/mul": ("", 1)},
    outputs={"output": "/add"},
    reads=(),
    layers=(),
)
def plain_chain(x):
    return F.relu(x * 2) + 1


@behaves(
    "in-place method",
    (X,),
    ops="/mul /relu /neg",
    parents={"/relu": ("/mul",), "/neg": ("/relu",)},
    values={"/mul": [[2, -4], [-6, 8]], "/relu": [[2, 0], [0, 8]], "/neg": [[-2, 0], [0, -8]]},
)
def in_place_method(x):
    y = x * 2
    y.relu_()
    return -y


@behaves(
    "in-place module",
    (X,),
    ops="0/linear 1/relu 2/linear",
    parents={"1/relu": ("0/linear",), "2/linear": ("1/relu",)},
    values={"0/linear": [[2, -4], [-6, 8]], "1/relu": [[2, 0], [0, 8]], "2/linear": [[2], [8]]},
    found={"0": "0/linear", "1": "1/relu"},
)
class InPlaceModule(nn.Sequential):
    def __init__(self):
        super().__init__(make_linear([[2, 0], [0, 2]]), nn.ReLU(inplace=True), make_linear([[1, 1]]))


@behaves(
    "in-place chained",
    (X,),
    ops="/mul /add /mul_2 /clamp",
    parents={"/add": ("/mul",), "/mul_2": ("/add",), "/clamp": ("/mul_2",)},
    values={
        "/mul": [[2, -4], [-6, 8]],
        "/add": [[3, -3], [-5, 9]],
        "/mul_2": [[9, -9], [-15, 27]],
        "/clamp": [[9, 0], [0, 10]],
    },
)
def in_place_chained(x):
    y = x * 2
    return y.add_(1).mul_(3).clamp_(0, 10)


@behaves(
    "in-place with no reader of its result",
    (X,),
    ops="/mul /exp /zero /add",
    parents={"/exp": ("/mul",), "/zero": ("/mul",), "/add": ("/zero", "/exp")},
    values={"/mul": [[2, -4], [-6, 8]], "/zero": [[0, 0], [0, 0]]},
)
def in_place_after_reading(x):
    y = x * 2
    z = y.exp()
    y.zero_()
    return y + z


@behaves(
    "augmented add",
    (X,),
    ops="/mul /add /sub /mul_2 /div",
    parents={"/add": ("/mul",), "/sub": ("/add",), "/mul_2": ("/sub",), "/div": ("/mul_2",)},
    values={"/mul": [[2, -4], [-6, 8]], "/add": [[3, -3], [-5, 9]], "/div": [[1, -5], [-7, 7]]},
)
def augmented_add(x):
    y = x * 2
    y += 1
    y -= 2
    y *= 2
    y /= 2
    return y


@behaves(
    "input changed in place",
    (X,),
    ops="/exp /add /mul",
    parents={"/exp": (), "/add": (), "/mul": ("/add", "/exp")},
    sources={"/exp": ("input",), "/add": ("input",)},
    values={"/exp": torch.exp, "/add": [[2, -1], [-2, 5]]},
)
def input_changed_in_place(x):
    y = x.exp()
    x.add_(1)
    return x * y


@behaves(
    "index assignment of a number",
    (X,),
    ops="/mul /setitem /sum",
    parents={"/setitem": ("/mul",), "/sum": ("/setitem",)},
    values={"/mul": [[2, -4], [-6, 8]], "/setitem": [[7, 7], [-6, 8]], "/sum": 16},
)
def assign_number(x):
    y = x * 2
    y[0] = 7
    return y.sum()


@behaves(
    "index assignment of a slice of itself",
    (X,),
    ops="/mul /getitem /setitem /sum",
    parents={"/getitem": ("/mul",), "/setitem": ("/mul", "/getitem"), "/sum": ("/setitem",)},
    values={"/mul": [[2, -4], [-6, 8]], "/getitem": [-6, 8], "/setitem": [[-6, 8], [-6, 8]], "/sum": 4},
)
def assign_slice(x):
    y = x * 2
    y[0] = y[1]
    return y.sum()


@behaves(
    "augmented assignment to an index",
    (X,),
    ops="/mul /getitem /add /setitem /sum",
    parents={"/getitem": ("/mul",), "/add": ("/getitem",), "/setitem": ("/add",), "/sum": ("/setitem",)},
    values={"/mul": [[2, -4], [-6, 8]], "/getitem": [2, -4], "/add": [12, 6], "/setitem": [[12, 6], [-6, 8]]},
)
def augmented_index(x):
    y = x * 2
    y[0] += 10
    return y.sum()


@behaves(
    "mask assignment",
    (X,),
    ops="/mul /lt /setitem /masked_fill /neg",
    parents={
        "/lt": ("/mul",),
        "/setitem": ("/mul", "/lt"),
        "/masked_fill": ("/setitem", "/lt"),
        "/neg": ("/masked_fill",),
    },
    values={"/mul": [[2, -4], [-6, 8]], "/setitem": [[2, 0], [0, 8]], "/neg": [[-2, -5], [-5, -8]]},
)
def assign_mask(x):
    y = x * 2
    negative = y < 0
    y[negative] = 0
    y.masked_fill_(negative, 5)
    return -y


@behaves(
    "in-place on a slice, then the base is read",
    (X,),
    ops="/mul /getitem /add /sum",
    parents={"/getitem": ("/mul",), "/add": ("/getitem",), "/sum": ("/add",)},
    values={"/mul": [[2, -4], [-6, 8]], "/getitem": [2, -6], "/add": [3, -5], "/sum": 2},
)
def write_slice_read_base(x):
    y = x * 2
    part = y[:, 0]
    part += 1
    return y.sum()


@behaves(
    "in-place on the base, then a slice is read",
    (X,),
    ops="/mul /getitem /add /sum",
    parents={"/add": ("/mul",), "/sum": ("/add",)},
    values={"/getitem": [2, -6], "/mul": [[2, -4], [-6, 8]], "/sum": -2},
)
def write_base_read_slice(x):
    y = x * 2
    part = y[:, 0]
    y += 1
    return part.sum()


@behaves(
    "in-place through unsqueeze",
    (X,),
    ops="/mul /unsqueeze /add /neg",
    parents={"/neg": ("/add",)},
    values={"/mul": [[2, -4], [-6, 8]], "/unsqueeze": [[[2, -4], [-6, 8]]], "/neg": [[-3, 3], [5, -9]]},
)
def write_through_unsqueeze(x):
    y = x * 2
    y.unsqueeze(0).add_(1)
    return -y


@behaves(
    "in-place through reshape",
    (X,),
    ops="/mul /reshape /setitem /neg",
    parents={"/setitem": ("/reshape",), "/neg": ("/setitem",)},
    values={"/mul": [[2, -4], [-6, 8]], "/reshape": [2, -4, -6, 8], "/neg": [[-2, 4], [6, -1]]},
)
def write_through_reshape(x):
    y = x * 2
    flat = y.reshape(-1)
    flat[3] = 1
    return -y


@behaves(
    "in-place on a reshape that copied",
    (X,),
    ops="/mul /T /reshape /add /neg",
    parents={"/reshape": ("/T",), "/add": ("/reshape",), "/neg": ("/mul",)},
    values={"/reshape": [2, -6, -4, 8], "/add": [3, -5, -3, 9], "/neg": [[-2, 4], [6, -8]]},
)
def write_to_a_copy(x):
    y = x * 2
    y.T.reshape(-1).add_(1)
    return -y


@behaves(
    "in-place through transpose",
    (X,),
    ops="/mul /transpose /getitem /add /neg",
    parents={"/neg": ("/add",)},
    values={"/mul": [[2, -4], [-6, 8]], "/transpose": [[2, -6], [-4, 8]], "/neg": [[-3, 4], [5, -8]]},
)
def write_through_transpose(x):
    y = x * 2
    y.transpose(0, 1)[0].add_(1)
    return -y


@behaves(
    "in-place through several views",
    (V,),
    ops="/mul /view /t /select /fill /view_2 /sum /sum_2",
    parents={
        "/select": ("/t",),
        "/fill": ("/select",),
        "/view_2": ("/fill",),
        "/sum": ("/view_2",),
        "/sum_2": ("/fill",),
    },
    values={"/mul": [2, 4, 6, 8], "/view": [[2, 4], [6, 8]], "/t": [[2, 6], [4, 8]], "/select": [2, 6], "/sum": 12},
)
def write_through_views(x):
    y = x * 2
    square = y.view(2, 2)
    square.t().select(0, 0).fill_(0)
    return y.view(-1).sum() + 0 * 0 if False else (y.view(-1).sum(), square.sum())


@behaves(
    "the middle view changed, the first read",
    (X,),
    ops="/mul /getitem /getitem_2 /mul_2 /sum /neg",
    parents={"/mul_2": ("/getitem",), "/sum": ("/mul_2",), "/neg": ("/mul_2",)},
    values={"/getitem": [2, -4], "/getitem_2": [2], "/mul_2": [20, -40], "/sum": -18, "/neg": [-20]},
)
def write_middle_view(x):
    first = x * 2
    middle = first[0]
    last = middle[:1]
    middle.mul_(10)
    return first.sum(), -last


@behaves(
    "returns that are the argument itself",
    (X,),
    ops="/mul /contiguous /to /float /dropout /type_as /neg",
    parents={
        "/contiguous": ("/mul",),
        "/to": ("/contiguous",),
        "/float": ("/to",),
        "/dropout": ("/float",),
        "/type_as": ("/dropout",),
        "/neg": ("/type_as",),
    },
    values={name: [[2, -4], [-6, 8]] for name in ("/mul", "/contiguous", "/to", "/float", "/dropout", "/type_as")},
)
def return_the_argument(x):
    y = (x * 2).contiguous().to("cpu").float()
    return -F.dropout(y, 0.5, training=False).type_as(x)


@behaves(
    "a return that is the argument, changed afterwards",
    (X,),
    ops="/mul /contiguous /add /sum",
    parents={"/contiguous": ("/mul",), "/add": ("/contiguous",), "/sum": ("/add",)},
    values={"/mul": [[2, -4], [-6, 8]], "/contiguous": [[2, -4], [-6, 8]], "/add": [[3, -3], [-5, 9]]},
)
def change_a_returned_argument(x):
    y = x * 2
    z = y.contiguous()
    z += 1
    return y.sum()


@behaves(
    "the same tensor in all arguments",
    (X,),
    ops="/mul /addcmul /cat",
    sources={"/addcmul": ("/mul",) * 3, "/cat": ("/addcmul",) * 2},
    parents={"/addcmul": ("/mul",), "/cat": ("/addcmul",)},
    values={"/addcmul": [[6, 12], [30, 72]]},
)
def same_tensor_everywhere(x):
    y = x * 2
    z = torch.addcmul(y, y, y)
    return torch.cat([z, z])


@behaves(
    "two parents with equal values",
    (X,),
    ops="/add /mul /sub",
    parents={"/sub": ("/add", "/mul")},
    values={"/sub": [[0, 0], [0, 0]]},
)
def equal_parents(x):
    a = x + 0
    b = x * 1
    return a - b


@behaves(
    "reflected and comparison operators",
    (X,),
    ops="/sub /div /pow /add /ge /bitwise_not /where",
    parents={"/where": ("/bitwise_not", "/div", "/add")},
    values={"/sub": [[2, 5], [6, -1]], "/ge": [[True, False], [False, True]], "/pow": [[1, 4], [9, 16]]},
)
def operators(x):
    a = 6 / (3 - x)
    b = 1 + x**2
    return torch.where(~(x >= 0), a, b)


@behaves(
    "several results",
    (torch.arange(8.0).reshape(2, 4),),
    ops="/split /chunk /unbind /topk /max /add /add_2 /add_3 /add_4 /cat",
    parents={
        "/add": ("/split",),
        "/add_2": ("/chunk",),
        "/add_3": ("/unbind",),
        "/add_4": ("/topk", "/max"),
        "/cat": ("/add", "/add_2", "/add_3", "/add_4"),
    },
    values={
        "/split": [[0], [4]],
        "/add": [[0, 1], [4, 5]],
        "/add_2": [[2, 4], [10, 12]],
        "/add_3": [4, 6, 8, 10],
        "/add_4": [[6], [14]],
    },
)
def several_results(x):
    left, right = x.split([1, 3], dim=1)
    a, b = torch.chunk(x, 2, dim=1)
    first, second = x.unbind(0)
    best, _ = x.topk(1, dim=1)
    largest = x.max(dim=1).values
    sums = (left + right[:, :2].shape[1] - 2 + torch_zero_free(right), a + b, first + second, best + largest[:, None])
    return torch.cat([s.reshape(-1) for s in sums])


def torch_zero_free(x):
    return x.shape[0] * 0


@behaves(
    "unpacking a tensor",
    (X,),
    ops="/mul /unbind /sub",
    parents={"/unbind": ("/mul",), "/sub": ("/unbind",)},
    sources={"/sub": ("/unbind", "/unbind")},
    values={"/unbind": [2, -4], "/sub": [8, -12]},
)
def unpack(x):
    a, b = x * 2
    return a - b


@behaves(
    "transposing and complex properties",
    (X,),
    ops="/mul /T /mT /complex /real /imag /add /H",
    parents={"/T": ("/mul",), "/mT": ("/T",), "/real": ("/complex",), "/imag": ("/complex",), "/add": ("/real", "/imag")},
    values={"/T": [[2, -6], [-4, 8]], "/mT": [[2, -4], [-6, 8]], "/add": [[3, -6], [-9, 12]]},
)
def properties(x):
    z = torch.complex((x * 2).T.mT, x)
    return (z.real + z.imag).H


@behaves(
    "data read and set",
    (X,),
    ops="/mul /data /add /exp /data_2 /neg",
    parents={"/data": ("/mul",), "/add": ("/data",), "/exp": (), "/neg": ("/data_2",)},
    values={"/mul": [[2, -4], [-6, 8]], "/add": [[3, -3], [-5, 9]], "/neg": lambda x: -x.exp()},
)
def data_read_and_set(x):
    y = x * 2
    y.data.add_(1)
    y.data = x.exp()
    return -y


@behaves(
    "real part set",
    (X,),
    ops="/complex /mul /real /imag /real_2 /add",
    parents={"/imag": ("/real",), "/real_2": ("/real",), "/add": ("/real_2", "/imag")},
    values={"/complex": lambda x: torch.complex(x, x), "/add": [[3, -6], [-9, 12]]},
)
def set_real_part(x):
    z = torch.complex(x, x)
    z.real = x * 2
    imaginary = z.imag
    return z.real + imaginary


@behaves(
    "out argument",
    (X,),
    ops="/zeros /exp /add /mul",
    parents={"/exp": ("/zeros",), "/mul": ("/add", "/exp")},
    values={"/zeros": [[0, 0], [0, 0]], "/exp": [[1, 1], [1, 1]], "/add": [[2, -1], [-2, 5]], "/mul": [[2, -1], [-2, 5]]},
)
def out_argument(x):
    room = torch.zeros(2, 2)
    ones = room.exp()
    torch.add(x, 1, out=room)
    return room * ones


@behaves(
    "boolean and index selection",
    (X,),
    ops="/gt /getitem /tensor /getitem_2 /getitem_3 /index_select /take /cat",
    parents={"/getitem": ("/gt",), "/getitem_2": ("/tensor",), "/index_select": ("/tensor",)},
    values={"/getitem": [1, 4], "/getitem_2": [[-3, 4], [1, -2]], "/getitem_3": [-2, 4], "/take": [-2, 1]},
)
def select(x):
    positive = x[x > 0]
    order = torch.tensor([1, 0])
    rows = x[order]
    column = x[..., -1]
    same = x.index_select(0, order)
    return torch.cat([positive, rows[0], column, same[1], x.take(order)]) if False else (
        torch.cat([positive, column, x.take(order)]) if same is None else _join(positive, rows, column, same, x, order)
    )


def _join(positive, rows, column, same, x, order):
    taken = x.take(order)
    return torch.cat([positive, column, taken]), rows, same


@behaves(
    "scatter, gather and where",
    (X,),
    ops="/argsort /gather /zeros_like /scatter /scatter_2 /where /nonzero",
    parents={
        "/gather": ("/argsort",),
        "/scatter": ("/zeros_like", "/argsort", "/gather"),
        "/scatter_2": ("/scatter", "/argsort"),
        "/where": ("/scatter_2", "/gather"),
    },
    values={"/gather": [[-2, 1], [-3, 4]], "/zeros_like": [[0, 0], [0, 0]], "/scatter": [[1, -2], [-3, 4]]},
)
def scatter_and_gather(x):
    order = x.argsort(dim=1)
    ordered = x.gather(1, order)
    back = torch.zeros_like(x).scatter(1, order, ordered)
    back.scatter_(1, order, 1.0)
    return torch.where(back, ordered, x) if back.dtype == torch.bool else _pick(back, ordered)


def _pick(back, ordered):
    return torch.where(back.bool() if False else back != 0, back, ordered).nonzero()


@behaves(
    "scalars, broadcasting and empty tensors",
    (X,),
    ops="/sum /mul /zeros /sum_2 /cat /expand /add",
    parents={"/sum": (), "/mul": ("/sum",), "/cat": ("/mul", "/zeros"), "/add": ("/expand", "/sum", "/sum_2")},
    values={"/sum": 0, "/sum_2": 0, "/cat": [[0, 0], [0, 0]]},
)
def scalars_and_empties(x):
    total = x.sum()
    scaled = x * total
    nothing = torch.zeros(0, 2)
    void = nothing.sum()
    joined = torch.cat([scaled, nothing])
    return torch.addcmul(joined, total, void) if False else _spread(joined, total, void)


def _spread(joined, total, void):
    wide = joined.expand(3, 2, 2)
    return torch.add(wide, total + 0 if False else total, alpha=1) if void is None else wide + total
