"""Behaviours of inputs, outputs, modules, parameters and buffers."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import torch
from behaviours import Behaviour, make_linear, make_register
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

BEHAVIOURS: dict[str, Behaviour] = {}
behaves = make_register(BEHAVIOURS)

X = torch.tensor([[1.0, -2.0], [-3.0, 4.0]])
ONES = torch.ones(2, 2)
THREES = torch.full((2, 2), 3.0)


def make_double():
    return make_linear([[2, 0], [0, 2]])


@behaves(
    "several arguments",
    (X, ONES),
    ops="/add /mul",
    sources={"/add": ("input.0", "input.1"), "/mul": ("/add", "input.1")},
    values={"/add": [[2, -1], [-2, 5]]},
    outputs={"output": "/mul"},
)
def several_arguments(a, b):
    return (a + b) * b


@behaves("list argument", ([X, ONES],), ops="/stack", sources={"/stack": ("input.0", "input.1")})
def list_argument(tensors):
    return torch.stack(tensors)


@behaves(
    "tuple argument",
    ((X, ONES), THREES),
    ops="/sub /add",
    sources={"/sub": ("input.0.0", "input.0.1")},
)
def tuple_argument(pair, c):
    return pair[0] - pair[1] + c


@behaves(
    "dict argument", ({"a": X, "b": ONES},), ops="/sub", sources={"/sub": ("input.a", "input.b")}
)
def dict_argument(named):
    return named["a"] - named["b"]


@behaves(
    "nested arguments",
    ({"a": [X, {"b": (ONES, None, 3)}], "c": "text"},),
    ops="/mul /mul_2",
    sources={"/mul": ("input.a.0", "input.a.1.b.0"), "/mul_2": ("/mul",)},
)
def nested_arguments(tree):
    first, rest = tree["a"]
    return first * rest["b"][0] * rest["b"][2]


@behaves(
    "variable arguments",
    (X, ONES, THREES),
    ops="/cat",
    sources={"/cat": ("input.0", "input.1", "input.2")},
)
def variable_arguments(*tensors, **options):
    return torch.cat(tensors, **options)


@behaves(
    "keyword arguments only",
    (),
    kwargs={"a": X, "b": ONES, "scale": 2},
    ops="/mul /add",
    sources={"/mul": ("input.a",), "/add": ("/mul", "input.b")},
)
def keywords_only(*, a, b, scale):
    return a * scale + b


class Points(NamedTuple):
    a: torch.Tensor
    b: torch.Tensor


@behaves(
    "named tuple argument", (Points(X, ONES),), ops="/sub", sources={"/sub": ("input.0", "input.1")}
)
def named_tuple_argument(points):
    return points.a - points.b


@behaves(
    "ordered dict argument",
    (OrderedDict(a=X, b=ONES),),
    ops="/sub",
    sources={"/sub": ("input.a", "input.b")},
)
def ordered_dict_argument(named):
    return named["a"] - named["b"]


class Holder:
    def __init__(self, tensor):
        self.tensor = tensor


@behaves(
    "wrapper object holding a tensor", (Holder(X),), ops="/mul", values={"/mul": [[2, -4], [-6, 8]]}
)
def wrapper_object(holder):
    return holder.tensor * 2


class Endless:
    """Yields for ever, so that a search through it for tensors would never return."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __iter__(self):
        while True:
            yield self.tensor


@behaves("iterable without end", (Endless(X),), ops="/add", values={"/add": [[2, -4], [-6, 8]]})
def endless_iterable(stream):
    stream = iter(stream)
    return next(stream) + next(stream)


# One tensor has two names: the first is used, as for parameters and modules.
@behaves(
    "the same input twice",
    (X, X),
    ops="/sub",
    sources={"/sub": ("input.0", "input.0")},
    values={"/sub": [[0, 0], [0, 0]]},
)
def same_input_twice(a, b):
    return a - b


@behaves("output tuple", (X,), ops="/neg /exp", outputs={"output.0": "/exp", "output.1": "/neg"})
def output_tuple(x):
    a, b = -x, x.exp()
    return b, a


@behaves("output list", (X,), ops="/neg /exp", outputs={"output.0": "/neg", "output.1": "/exp"})
def output_list(x):
    return [-x, x.exp()]


@behaves("output dict", (X,), ops="/neg /exp", outputs={"output.a": "/neg", "output.b": "/exp"})
def output_dict(x):
    return {"a": -x, "b": x.exp()}


@behaves(
    "output nested", (X,), ops="/neg /exp", outputs={"output.a.0": "/neg", "output.a.1.b": "/exp"}
)
def output_nested(x):
    return {"a": [-x, {"b": x.exp()}], "n": 3}


@dataclass
class Pair:
    first: torch.Tensor
    second: torch.Tensor | None = None


@behaves("output dataclass", (X,), ops="/neg", outputs={"output.first": "/neg"})
def output_dataclass(x):
    return Pair(-x)


@dataclass
class ModelOutput(OrderedDict):
    """Both a dataclass and a dict, as transformer libraries return.

    It cannot be made again from its items.
    """

    logits: torch.Tensor
    hidden: tuple = ()
    loss: torch.Tensor | None = None

    def __post_init__(self):
        for name in ("logits", "hidden"):
            self[name] = getattr(self, name)


@behaves(
    "output ModelOutput",
    (X,),
    ops="/neg /exp",
    outputs={"output.logits": "/exp", "output.hidden.0": "/neg"},
)
def output_model_output(x):
    hidden = -x
    return ModelOutput(hidden.exp(), hidden=(hidden,))


@behaves("output with None", (X,), ops="/neg", outputs={"output.1": "/neg"})
def output_with_none(x):
    return None, -x, "text"


@behaves(
    "output is the same tensor twice",
    (X,),
    ops="/neg",
    outputs={"output.0": "/neg", "output.1": "/neg"},
)
def output_twice(x):
    y = -x
    return y, y


@behaves("output is the input", (X,), ops=(), outputs={"output": "input"})
def output_is_input(x):
    return x


@behaves("output is a buffer", (X,), ops="/mul", outputs={"output": "stored"}, parents={"/mul": ()})
class OutputIsConstant(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("stored", torch.ones(2))

    def forward(self, x):
        x * 2
        return self.stored


@behaves(
    "output is not a tensor",
    (X,),
    ops="/sum",
    verdict="unverified",
    reads=(("item", "0.0"),),
    outputs={},
)
def output_is_number(x):
    return x.sum().item()


class Nest(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.inner = Nest(depth - 1) if depth else make_double()

    def forward(self, x):
        return self.inner(x) + 1


BEHAVIOURS["four levels deep"] = Behaviour(
    lambda: Nest(3),
    (X,),
    ops=(
        "inner.inner.inner.inner/linear",
        "inner.inner.inner/add",
        "inner.inner/add",
        "inner/add",
        "/add",
    ),
    parents={"inner/add": ("inner.inner/add",), "/add": ("inner/add",)},
    values={"inner.inner.inner.inner/linear": [[2, -4], [-6, 8]], "/add": [[6, 0], [-2, 12]]},
    modules={"inner.inner/add": ("inner.inner", 1)},
    found={"inner": "inner/add", "inner.inner.inner.inner": "inner.inner.inner.inner/linear"},
)


@behaves(
    "shared module called on two lines",
    (X,),
    ops="fc/linear /relu fc/linear@2 /relu_2",
    parents={"fc/linear@2": ("/relu",), "/relu_2": ("fc/linear@2",)},
    values={
        "fc/linear": [[2, -4], [-6, 8]],
        "/relu": [[2, 0], [0, 8]],
        "fc/linear@2": [[4, 0], [0, 16]],
    },
    modules={"fc/linear": ("fc", 1), "fc/linear@2": ("fc", 2)},
    found={"fc": "fc/linear", "fc@2": "fc/linear@2"},
)
class SharedTwice(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = make_double()

    def forward(self, x):
        x = self.fc(x).relu()
        return self.fc(x).relu()


@behaves(
    "shared module in a loop",
    (X,),
    ops="fc/linear fc/linear@2 fc/linear@3",
    parents={"fc/linear@3": ("fc/linear@2",)},
    values={"fc/linear@3": [[8, -16], [-24, 32]]},
    modules={"fc/linear@3": ("fc", 3)},
    layers=(("fc/linear", "fc/linear@2", "fc/linear@3"),),
)
class SharedInLoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = make_double()

    def forward(self, x):
        for _ in range(3):
            x = self.fc(x)
        return x


@behaves(
    "shared module in branches",
    (X,),
    ops="/neg fc/linear fc/linear@2 /add",
    parents={"fc/linear": (), "fc/linear@2": ("/neg",), "/add": ("fc/linear", "fc/linear@2")},
    layers=(),
)
class SharedInBranches(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = make_double()

    def forward(self, x):
        y = -x
        return self.fc(x) + self.fc(y)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = make_double()

    def forward(self, x):
        return self.inner(x) + 1


@behaves(
    "inner module of a reused module called directly",
    (X,),
    ops="block.inner/linear block/add block.inner/linear@2 block/add@2 block.inner/linear@3",
    parents={"block.inner/linear@3": ("block/add@2",)},
    modules={"block/add@2": ("block", 2), "block.inner/linear@3": ("block.inner", 3)},
    values={"block.inner/linear@3": [[14, -10], [-18, 38]]},
)
class DirectInner(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()

    def forward(self, x):
        return self.block.inner(self.block(self.block(x)))


@behaves(
    "identity and pass-through modules",
    (X,),
    ops="0/linear 4/relu",
    parents={"4/relu": ("0/linear",)},
    found={"0": "0/linear", "1": "0/linear", "3": "0/linear"},
)
class Identities(nn.Sequential):
    def __init__(self):
        super().__init__(
            make_double(), nn.Identity(), nn.Sequential(), nn.Sequential(nn.Identity()), nn.ReLU()
        )


@behaves(
    "ModuleList indexed and skipped",
    (X,),
    ops="layers.2/linear layers.0/linear",
    parents={"layers.0/linear": ("layers.2/linear",)},
)
class ListedModules(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(make_double() for _ in range(3))

    def forward(self, x):
        return self.layers[0](self.layers[2](x))


@behaves(
    "ModuleDict",
    (X,),
    ops="layers.b/relu layers.a/linear",
    parents={"layers.a/linear": ("layers.b/relu",)},
)
class NamedModules(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict({"a": make_double(), "b": nn.ReLU()})

    def forward(self, x):
        for name in ("b", "a"):
            x = self.layers[name](x)
        return x


@behaves(
    "functional op after the last submodule",
    (X,),
    ops="fc/linear /softmax",
    parents={"/softmax": ("fc/linear",)},
    modules={"/softmax": ("", 1)},
)
class FunctionalLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = make_double()

    def forward(self, x):
        return F.softmax(self.fc(x), dim=1)


@behaves(
    "module made in forward",
    (X,),
    ops="/mul /relu",
    parents={"/relu": ("/mul",)},
    modules={"/relu": ("", 1)},
)
def module_made_in_forward(x):
    return nn.ReLU(inplace=True)(x * 2)


# Its weights are drawn in this pass, so what draws them is part of the graph.
@behaves("module with weights made in forward", (X,))
def weights_made_in_forward(x):
    return nn.Linear(2, 2)(x)


@behaves(
    "one module registered twice",
    (X,),
    ops="first/linear first/linear@2",
    parents={"first/linear@2": ("first/linear",)},
    sources={"first/linear@2": ("first/linear", "first.weight")},
    modules={"first/linear@2": ("first", 2)},
)
class RegisteredTwice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = make_double()
        self.second = self.first

    def forward(self, x):
        return self.second(self.first(x))


@behaves(
    "model in a model",
    (X,),
    ops="model.fc/linear model.fc/linear@2 model.fc/linear@3 /neg",
    parents={"/neg": ("model.fc/linear@3",)},
    found={"model": "model.fc/linear@3"},
)
class ModelInModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = SharedInLoop()

    def forward(self, x):
        return -self.model(x)


@behaves(
    "user hooks that change what passes",
    (X,),
    ops="fc/neg fc/linear fc/add /relu",
    parents={"fc/linear": ("fc/neg",), "fc/add": ("fc/linear",), "/relu": ("fc/add",)},
    values={
        "fc/neg": [[-1, 2], [3, -4]],
        "fc/linear": [[-2, 4], [6, -8]],
        "fc/add": [[-1, 5], [7, -7]],
    },
    modules={"fc/neg": ("fc", 1), "fc/add": ("fc", 1)},
    found={"fc": "fc/add"},
)
class Hooked(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = make_double()
        self.fc.register_forward_pre_hook(lambda module, args: (-args[0],))
        self.fc.register_forward_hook(lambda module, args, output: output + 1)
        self.fc.register_full_backward_hook(lambda module, given, made: None)

    def forward(self, x):
        return self.fc(x).relu()


@behaves(
    "user hook that changes its module's output in place",
    (X,),
    ops="fc/linear fc/zero /neg",
    parents={"fc/zero": ("fc/linear",), "/neg": ("fc/zero",)},
    values={"fc/linear": [[2, -4], [-6, 8]], "fc/zero": [[0, 0], [0, 0]]},
)
class HookedInPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = make_double()
        self.fc.register_forward_hook(erase_output)

    def forward(self, x):
        return -self.fc(x)


def erase_output(module, args, output):
    output.zero_()


@behaves(
    "parameter used functionally",
    (X,),
    ops="/linear /mul",
    sources={"/linear": ("input", "fc.weight"), "/mul": ("/linear", "scale")},
    modules={"/linear": ("", 1)},
)
class ParameterUsed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = make_double()
        self.scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, x):
        return F.linear(x, self.fc.weight) * self.scale


@behaves(
    "tied weights",
    (X,),
    ops="encode/linear /relu decode/linear",
    sources={
        "encode/linear": ("input", "encode.weight"),
        "decode/linear": ("/relu", "encode.weight"),
    },
    layers=(),
)
class TiedWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode, self.decode = make_double(), make_double()
        self.decode.weight = self.encode.weight

    def forward(self, x):
        return self.decode(self.encode(x).relu())


class Scale(nn.Module):
    def forward(self, x, by):
        return x * by


@behaves("parameter as an argument", (X,), ops="scale/mul", sources={"scale/mul": ("input", "by")})
class ParameterPassed(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale, self.by = Scale(), nn.Parameter(torch.tensor(3.0))

    def forward(self, x):
        return self.scale(x, self.by)


@behaves(
    "pruning mask",
    (X,),
    ops="fc/to fc/mul fc/linear",
    sources={"fc/mul": ("fc/to", "fc.weight_orig"), "fc/linear": ("input", "fc/mul")},
    values={"fc/mul": [[2, 0], [0, 0]], "fc/linear": [[2, 0], [-6, 0]]},
)
class Pruned(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = make_double()
        prune.custom_from_mask(self.fc, "weight", torch.tensor([[1.0, 1.0], [1.0, 0.0]]))

    def forward(self, x):
        return self.fc(x)


BEHAVIOURS["weight normalisation"] = Behaviour(
    lambda: nn.Sequential(parametrizations.weight_norm(make_double())),
    (X,),
    ops=("0.parametrizations.weight.0/weight_norm", "0/linear"),
    parents={"0/linear": ("0.parametrizations.weight.0/weight_norm",)},
)


@behaves(
    "generated weights",
    (X,),
    ops="make/linear fc/linear",
    parents={"fc/linear": ("make/linear",)},
    sources={"fc/linear": ("input", "make/linear")},
    values={"make/linear": [[2, -4], [-6, 8]], "fc/linear": [[10, -22], [-22, 50]]},
)
class GeneratedWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.make, self.fc = make_double(), make_double()

    def forward(self, x):
        return torch.func.functional_call(self.fc, {"weight": self.make(x)}, (x,))


@behaves("frozen parameters", (X,), ops="0/linear 1/linear")
class Frozen(nn.Sequential):
    def __init__(self):
        super().__init__(make_double().requires_grad_(False), make_double())


@behaves("attributes that raise", (X,), ops="fc/linear", values={"fc/linear": [[2, -4], [-6, 8]]})
class Raising(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = make_double()

    @property
    def broken(self):
        raise RuntimeError("not to be looked at")

    def forward(self, x):
        return self.fc(x)


class Buffered(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(2))
        self.register_buffer("hidden", torch.ones(2), persistent=False)


@behaves(
    "buffers read",
    (X,),
    ops="/add /mul",
    sources={"/add": ("input", "total"), "/mul": ("/add", "hidden")},
)
class ReadsBuffers(Buffered):
    def forward(self, x):
        return (x + self.total) * self.hidden


@behaves(
    "buffer reassigned",
    (X,),
    ops="/add /mul",
    sources={"/add": ("total",), "/mul": ("input", "/add")},
    values={"/add": [1, 1], "/mul": [[1, -2], [-3, 4]]},
)
class ReassignsBuffer(Buffered):
    def forward(self, x):
        self.total = self.total + 1
        return x * self.total


@behaves(
    "buffer changed in place",
    (X,),
    ops="/mul /add /mul_2",
    sources={"/mul": ("input", "total"), "/add": ("total",), "/mul_2": ("input", "/add")},
    values={"/mul": lambda x: x * 0, "/add": [1, 1], "/mul_2": [[1, -2], [-3, 4]]},
)
class ChangesBuffer(Buffered):
    def forward(self, x):
        before = x * self.total
        self.total += 1
        return before, x * self.total


@behaves(
    "buffer changed through a view",
    (X,),
    ops="/getitem /add /mul",
    sources={"/getitem": ("total",), "/add": ("/getitem",), "/mul": ("input", "/add")},
    values={"/add": 1, "/mul": [[1, 0], [-3, 0]]},
)
class ChangesBufferView(Buffered):
    def forward(self, x):
        self.total[0].add_(1)
        return x * self.total


@behaves(
    "batch norm statistics in training",
    (X,),
    train=True,
    ops="bn/add bn/batch_norm /mul",
    parents={"/mul": ("bn/batch_norm",)},
    values={"bn/add": 1, "/mul": lambda x: x * (0.1 * x.mean(0))},
    modules={"bn/batch_norm": ("bn", 1)},
)
class BatchStatistics(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm1d(2)

    def forward(self, x):
        y = self.bn(x)
        return y, x * self.bn.running_mean
