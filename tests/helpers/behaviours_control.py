"""Behaviours of graph shapes, loops and control flow."""

import torch
from behaviours import Behaviour, make_linear, make_register, name_passes
from torch import nn
from torch.nn import functional as F

BEHAVIOURS: dict[str, Behaviour] = {}
behaves = make_register(BEHAVIOURS)

X = torch.tensor([[1.0, -2.0], [-3.0, 4.0]])
STEPS = torch.arange(6.0).reshape(3, 1, 2)


def make_double():
    return make_linear([[2, 0], [0, 2]])


@behaves(
    "branch",
    (X,),
    ops="/mul /exp /neg",
    parents={"/exp": ("/mul",), "/neg": ("/mul",)},
    outputs={"output.0": "/exp", "output.1": "/neg"},
    layers=(),
)
def branch(x):
    y = x * 2
    return y.exp(), -y


@behaves(
    "residual",
    (X,),
    ops="/mul /relu /add",
    parents={"/add": ("/relu", "/mul")},
    values={"/add": [[4, -4], [-6, 16]]},
)
def residual(x):
    y = x * 2
    return y.relu() + y


@behaves(
    "diamond",
    (X,),
    ops="/mul /sin /cos /mul_2 /add",
    parents={
        "/sin": ("/mul",),
        "/cos": ("/mul",),
        "/mul_2": ("/sin", "/cos"),
        "/add": ("/mul_2", "/mul"),
    },
)
def diamond(x):
    y = x * 2
    return y.sin() * y.cos() + y


@behaves(
    "internal tensors merging late",
    (X,),
    ops="/ones /arange /add /exp /mul /add_2",
    sources={"/ones": (), "/arange": (), "/add": ("/ones", "/arange")},
    parents={"/exp": (), "/mul": ("/exp",), "/add_2": ("/mul", "/add")},
)
def merge_late(x):
    made = torch.ones(2) + torch.arange(2)
    return x.exp() * 2 + made


@behaves(
    "orphans",
    (X,),
    ops="/mul /exp /rand /neg",
    parents={"/exp": ("/mul",), "/rand": (), "/neg": ()},
)
def orphans(x):
    (x * 2).exp()
    torch.rand(2)
    return -x


@behaves(
    "tensor cached on self",
    (X,),
    ops="/mul first/exp /add",
    parents={"first/exp": ("/mul",), "/add": ("first/exp", "/mul")},
)
class Cached(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Exponent()
        self.seen = None

    def forward(self, x):
        self.seen = x * 2
        y = self.first(self.seen)
        return y + self.seen


class Exponent(nn.Module):
    def forward(self, x):
        return x.exp()


@behaves(
    "tensor deleted mid-forward",
    (X,),
    ops="/mul /exp /neg /add",
    parents={"/neg": ("/exp",), "/add": ("/neg",)},
    values={"/mul": [[2, -4], [-6, 8]]},
)
class Deleted(nn.Module):
    def forward(self, x):
        self.held = x * 2
        y = self.held.exp()
        del self.held
        return -y + 1


# Identities of dead tensors come back: 50 short-lived ones must not be taken for each other.
@behaves("many short-lived tensors", (X,), parents={"/add@50": ("/add@49", "/mul@50")})
def short_lived(x):
    total = x
    for i in range(50):
        total = total + x * i
    return total


@behaves(
    "loop of one op",
    (X,),
    ops="/tanh /tanh@2 /tanh@3",
    parents={"/tanh@3": ("/tanh@2",)},
    layers=name_passes("/tanh", n=3),
)
def loop_of_one(x):
    for _ in range(3):
        x = torch.tanh(x)
    return x


@behaves(
    "loop with the same op twice in its body",
    (X,),
    ops="/tanh /tanh_2 /tanh@2 /tanh_2@2",
    parents={"/tanh_2": ("/tanh",), "/tanh@2": ("/tanh_2",), "/tanh_2@2": ("/tanh@2",)},
    layers=name_passes("/tanh", "/tanh_2", n=2),
)
def same_op_twice(x):
    for _ in range(2):
        x = torch.tanh(x)
        x = torch.tanh(x)
    return x


@behaves(
    "nested loops",
    (X,),
    ops="/tanh /tanh@2 /add /tanh@3 /tanh@4 /add@2",
    parents={"/tanh@3": ("/add",), "/add@2": ("/tanh@4",)},
    layers=(*name_passes("/tanh", n=4), *name_passes("/add", n=2)),
)
def nested_loops(x):
    for _ in range(2):
        for _ in range(2):
            x = torch.tanh(x)
        x = x + 1
    return x


@behaves(
    "two loops in sequence with equal ops",
    (X,),
    ops="/tanh /tanh@2 /tanh_2 /tanh_2@2",
    parents={"/tanh_2": ("/tanh@2",)},
    layers=name_passes("/tanh", "/tanh_2", n=2),
)
def loops_in_sequence(x):
    for _ in range(2):
        x = torch.tanh(x)
    for _ in range(2):
        x = torch.tanh(x)
    return x


@behaves(
    "loop over parallel branches",
    (X,),
    ops="/mul /mul@2 /mul@3 /stack",
    parents={"/mul@3": (), "/stack": ("/mul", "/mul@2", "/mul@3")},
    layers=(),
)
def parallel_loop(x):
    return torch.stack([x * k for k in (2, 3, 4)])


@behaves("loop of a single pass", (X,), ops="/tanh", layers=())
def single_pass(x):
    for _ in range(1):
        x = torch.tanh(x)
    return x


@behaves(
    "loop of 1,000 passes",
    (X,),
    parents={"/tanh@1000": ("/tanh@999",)},
    layers=name_passes("/tanh", n=1000),
)
def long_loop(x):
    for _ in range(1000):
        x = torch.tanh(x)
    return x


@behaves("while loop", (X,), ops="/mul /mul@2 /mul@3", layers=name_passes("/mul", n=3))
def while_loop(x):
    n = 0
    while n < 3:
        x = x * 2
        n += 1
    return x


@behaves(
    "loop index as a scalar",
    (X,),
    ops="/mul /mul@2 /mul@3",
    values={"/mul": [[1, -2], [-3, 4]], "/mul@3": [[6, -12], [-18, 24]]},
    layers=name_passes("/mul", n=3),
)
def loop_index(x):
    for i in range(1, 4):
        x = x * i
    return x


class WithFc(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.head, self.norm = make_double(), make_double(), nn.LayerNorm(2)


@behaves(
    "recurrent parameters",
    (X,),
    ops="fc/linear /add fc/linear@2 /add@2 fc/linear@3 /add@3",
    parents={"fc/linear@2": ("/add",), "/add@3": ("fc/linear@3",)},
    layers=name_passes("fc/linear", "/add", n=3),
)
class Recurrent(WithFc):
    def forward(self, x):
        for _ in range(3):
            x = self.fc(x)
            x = x + 1
        return x


@behaves(
    "recurrent parameters nested",
    (X,),
    ops="fc/linear fc/linear@2 head/linear fc/linear@3 fc/linear@4 head/linear@2",
    layers=(*name_passes("fc/linear", n=4), *name_passes("head/linear", n=2)),
)
class RecurrentNested(WithFc):
    def forward(self, x):
        for _ in range(2):
            for _ in range(2):
                x = self.fc(x)
            x = self.head(x)
        return x


@behaves(
    "recurrent parameters interleaved",
    (X,),
    ops="fc/linear head/linear fc/linear@2 head/linear@2",
    parents={"fc/linear@2": ("head/linear",)},
    layers=name_passes("fc/linear", "head/linear", n=2),
)
class RecurrentInterleaved(WithFc):
    def forward(self, x):
        for _ in range(2):
            x = self.head(self.fc(x))
        return x


# A module's own code is one place, whoever called it: calls before the loop and in it are passes of
# one layer.
@behaves(
    "recurrent parameters inside and outside a loop",
    (X,),
    ops="fc/linear /relu fc/linear@2 /relu_2 fc/linear@3 /relu_2@2",
    parents={"fc/linear@2": ("/relu",), "fc/linear@3": ("/relu_2",)},
    layers=(*name_passes("fc/linear", n=3), *name_passes("/relu_2", n=2)),
)
class RecurrentOutside(WithFc):
    def forward(self, x):
        x = self.fc(x).relu()
        for _ in range(2):
            x = self.fc(x).relu()
        return x


@behaves(
    "loop body varying per pass",
    (X,),
    ops="fc/linear fc/linear@2 norm/layer_norm fc/linear@3",
    parents={"fc/linear@3": ("norm/layer_norm",)},
    layers=name_passes("fc/linear", n=3),
)
class VaryingBody(WithFc):
    def forward(self, x):
        for i in range(3):
            x = self.fc(x)
            if i == 1:
                x = self.norm(x)
        return x


@behaves(
    "inputs consumed and outputs emitted per step",
    (STEPS,),
    ops="/getitem fc/linear /relu head/linear /getitem@2 fc/linear@2 /add /relu@2 head/linear@2 "
    "/getitem@3 fc/linear@3 /add@2 /relu@3 head/linear@3 /stack",
    parents={
        "/add": ("fc/linear@2", "/relu"),
        "head/linear@3": ("/relu@3",),
        "/stack": ("head/linear", "head/linear@2", "head/linear@3"),
    },
    layers=(
        *name_passes("/getitem", "fc/linear", "/relu", "head/linear", n=3),
        *name_passes("/add", n=2),
    ),
)
class Steps(WithFc):
    def forward(self, x):
        h, out = None, []
        for t in range(3):
            y = self.fc(x[t])
            h = torch.relu(y if h is None else y + h)
            out.append(self.head(h))
        return torch.stack(out)


@behaves(
    "inputs consumed per step",
    (STEPS,),
    ops="/getitem /add fc/linear /getitem@2 /add@2 fc/linear@2 /getitem@3 /add@3 fc/linear@3",
    parents={"/add@2": ("fc/linear", "/getitem@2")},
    layers=name_passes("/getitem", "/add", "fc/linear", n=3),
)
class ConsumingSteps(WithFc):
    def forward(self, x):
        h = 0
        for t in range(3):
            h = self.fc(h + x[t])
        return h


@behaves(
    "tied modules that are not a loop",
    (X,),
    ops="/neg fc/linear fc/linear@2 /relu /relu_2 /add",
    parents={"fc/linear": (), "fc/linear@2": ("/neg",)},
    layers=(),
)
class TiedBranches(WithFc):
    def forward(self, x):
        y = -x
        a, b = self.fc(x), self.fc(y)
        return a.relu() + b.relu()


@behaves(
    "one line over several layers is not a loop",
    (X,),
    ops="fc/linear /relu head/linear /relu@2",
    parents={"head/linear": ("/relu",)},
    layers=(),
)
class ManyLayers(WithFc):
    def forward(self, x):
        for layer in (self.fc, self.head):
            x = F.relu(layer(x))
        return x


def step_up(x):
    return x * 2 + 1


@behaves(
    "one helper on several inputs is not a loop",
    (X,),
    ops="/neg /mul /add /mul_2 /add_2 /sub",
    layers=(),
)
def helper_on_several(x):
    y = -x
    return step_up(x) - step_up(y)


@behaves(
    "if on a tensor",
    (X,),
    ops="/sum /ge /add",
    parents={"/add": ()},
    reads=(("__bool__", "True"),),
    verdict="unverified",
)
def if_on_tensor(x):
    if x.sum() >= 0:
        return x + 1
    return x - 1


@behaves(
    "if, elif and else on a tensor",
    (X,),
    ops="/sum /gt /lt /neg",
    reads=(("__bool__", "False"), ("__bool__", "False")),
    verdict="unverified",
)
def if_elif_else(x):
    total = x.sum()
    if total > 0:
        return x + 1
    if total < 0:
        return x - 1
    return -x


@behaves(
    "nested conditions and chained bools",
    (X,),
    ops="/max /gt /min /lt /getitem /gt_2 /mul",
    reads=(("__bool__", "True"), ("__bool__", "True"), ("__bool__", "True")),
    verdict="unverified",
)
def nested_conditions(x):
    if x.max() > 0 and x.min() < 0:
        if x[0, 0] > 0:
            return x * 2
        return x * 3
    return x


@behaves(
    "ternary on a tensor",
    (X,),
    ops="/gt /all /exp",
    reads=(("__bool__", "False"),),
    verdict="unverified",
)
def ternary(x):
    return x.sin() if (x > 0).all() else x.exp()


@behaves(
    "while on a tensor",
    (torch.ones(2),),
    ops="/sum /lt /mul /sum@2 /lt@2 /mul@2 /sum@3 /lt@3",
    parents={"/sum@2": ("/mul",), "/mul@2": ("/mul",)},
    reads=(("__bool__", "True"), ("__bool__", "True"), ("__bool__", "False")),
    values={"/mul@2": [4, 4]},
    verdict="unverified",
    layers=(*name_passes("/sum", "/lt", n=3), *name_passes("/mul", n=2)),
)
def while_on_tensor(x):
    while x.sum() < 5:
        x = x * 2
    return x


@behaves(
    "item",
    (X,),
    ops="/max /mul",
    sources={"/mul": ("input",)},
    reads=(("item", "4.0"),),
    values={"/mul": [[4, -8], [-12, 16]]},
    verdict="unverified",
)
def item(x):
    return x * x.max().item()


@behaves(
    "tolist and numpy",
    (X,),
    ops="/add /mul",
    reads=(("tolist", "[[1.0, -2.0], [-3.0, 4.0]]"), ("numpy", "array (2, 2)")),
    verdict="unverified",
)
def tolist_and_numpy(x):
    return (x + len(x.tolist())) * float(x.numpy()[0, 0])


class Flagged(nn.Module):
    def __init__(self, double):
        super().__init__()
        self.double = double

    def forward(self, x):
        return x * 2 if self.double else x + 1


BEHAVIOURS["Python bool true"] = Behaviour(lambda: Flagged(True), (X,), ops=("/mul",), reads=())
BEHAVIOURS["Python bool false"] = Behaviour(lambda: Flagged(False), (X,), ops=("/add",), reads=())


@behaves("shape steers", (X,), ops="/mul", reads=(), verdict="unverified")
def shape_steers(x):
    return x * 2 if x.shape[0] == 2 and x.ndim == len(x) else x + 1


@behaves(
    "no_grad and enable_grad inside", (X,), ops="/mul /add", values={"/add": [[3, -3], [-5, 9]]}
)
def grad_modes_inside(x):
    with torch.no_grad():
        y = x * 2
    with torch.enable_grad():
        return y + 1
