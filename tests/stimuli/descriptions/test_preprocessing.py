"""Descriptions of a preprocessing: every part is included, and named where it differs.

They are the same in every process.
"""

import os
import re
import subprocess
import sys
import textwrap
import types
from importlib import metadata

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.errors import DataError
from neurolens.extract.stream.stores.provenance import compare_provenance
from neurolens.stimuli import describe_preprocessing

# Names that the source in a row may use.
HEADER = """
import collections, dataclasses, enum, functools, math, operator
import numpy as np
import pandas as pd
import torch
from torch import nn
from torchvision import transforms
"""

# kind -> (source that makes ``transform``, a piece of it, its replacement, the sentence on the
# difference)
KINDS = {
    "object of a bound method": (
        """
        class Clip:
            def __init__(self, top):
                self.top = top
            def run(self, x):
                return x.clip(0, self.top)
        transform = Clip(1.0).run
        """,
        "Clip(1.0)",
        "Clip(0.2)",
        r"preprocessing: transform.__self__.top was 1.0, is now 0.2$",
    ),
    "slots of a bound method's object": (
        """
        class Base:
            __slots__ = ("top",)
        class Clip(Base):
            __slots__ = ("low", "__hidden")
            def __init__(self, top):
                self.low, self.top, self.__hidden = 0, 0, top
            def run(self, x):
                return x.clip(self.low, self.__hidden)
        transform = Clip(1.0).run
        """,
        "Clip(1.0)",
        "Clip(0.2)",
        r"transform.__self__._Clip__hidden was 1.0, is now 0.2$",
    ),
    "object held by an object with slots": (
        """
        class Limits:
            def __init__(self, top):
                self.top = top
        class Clip:
            __slots__ = ("limits",)
            def __init__(self, limits):
                self.limits = limits
            def __call__(self, x):
                return x.clip(0, self.limits.top)
        transform = Clip(Limits(1.0))
        """,
        "Limits(1.0)",
        "Limits(0.2)",
        r"transform.limits.top was 1.0, is now 0.2$",
    ),
    "an object that holds itself": (
        """
        class Clip:
            def __init__(self, top):
                self.me, self.all, self.top = self, [self], top
            def __call__(self, x):
                return x.clip(0, self.top)
        transform = Clip(1.0)
        """,
        "Clip(1.0)",
        "Clip(0.2)",
        r"transform.top was 1.0, is now 0.2$",
    ),
    "keyword-only default": (
        "def transform(x, *, top=1.0): return x.clip(0, top)",
        "top=1.0",
        "top=0.2",
        "preprocessing: default top of mine.transform was 1.0, is now 0.2$",
    ),
    "default argument": (
        "def transform(x, low=0, top=1.0): return x.clip(low, top)",
        "top=1.0",
        "top=0.2",
        "preprocessing: default top of mine.transform was 1.0, is now 0.2$",
    ),
    "closure": (
        """
        def make(top):
            def clip(x):
                return x.clip(0, top)
            return clip
        transform = make(1.0)
        """,
        "make(1.0)",
        "make(0.2)",
        "variable top of mine.make.<locals>.clip was 1.0, is now 0.2$",
    ),
    "constant in the code": (
        "def transform(x): return x.clip(0, 1.0)",
        "1.0",
        "0.2",
        "constants of mine.transform was None, 0, 1.0, is now None, 0, 0.2$",
    ),
    "constant in an inner function": (
        """
        def transform(x):
            return tuple(row.clip(0, 1.0) for row in x)
        """,
        "1.0",
        "0.2",
        "code of mine.transform was sha256",
    ),
    "global": (
        "TOP = 1.0\ndef transform(x): return x.clip(0, TOP)",
        "TOP = 1.0",
        "TOP = 0.2",
        "preprocessing: global mine.TOP was 1.0, is now 0.2$",
    ),
    "global named in an inner function only": (
        """
        TOP = 1.0
        def transform(x):
            return list(map(lambda row: row.clip(0, TOP), x))
        """,
        "TOP = 1.0",
        "TOP = 0.2",
        "global mine.TOP was 1.0, is now 0.2$",
    ),
    "helper": (
        """
        def bound(x):
            return x.clip(0, 1.0)
        def transform(x):
            return bound(x)
        """,
        "1.0",
        "0.2",
        "constants of mine.bound was None, 0, 1.0, is now None, 0, 0.2$",
    ),
    "helper of a helper, which call each other": (
        """
        TOP = 1.0
        def bound(x, depth):
            return x.clip(0, TOP) if depth else prepare(x, depth + 1)
        def prepare(x, depth=0):
            return bound(x, depth)
        def transform(x):
            return prepare(x)
        """,
        "TOP = 1.0",
        "TOP = 0.2",
        "global mine.TOP was 1.0, is now 0.2$",
    ),
    "default of a helper": (
        """
        def bound(x, *, top=1.0):
            return x.clip(0, top)
        class Clip:
            def __call__(self, x):
                return bound(x)
        transform = Clip()
        """,
        "top=1.0",
        "top=0.2",
        "default top of mine.bound was 1.0, is now 0.2$",
    ),
    "another helper under the name": (
        """
        def low(x):
            return x.clip(0, 1)
        def high(x):
            return x.clip(1, 2)
        bound = low
        def transform(x):
            return bound(x)
        """,
        "bound = low",
        "bound = high",
        "global mine.bound was function mine.low, is now function mine.high",
    ),
    "attribute of a function": (
        """
        def transform(x):
            return x.clip(0, transform.top)
        transform.top = 1.0
        """,
        "transform.top = 1.0",
        "transform.top = 0.2",
        "mine.transform.top was 1.0, is now 0.2$",
    ),
    "names of arguments": (
        "def bound(a, b): return a - b\ndef transform(x): return bound(a=x, b=1)",
        "def bound(a, b): return a - b",
        "def bound(b, a): return b - a",
        "code of mine.bound was sha256",
    ),
    "code of __call__": (
        """
        class Clip:
            def __call__(self, x):
                return x + 1
        transform = Clip()
        """,
        "x + 1",
        "x - 1",
        "code of mine.Clip.__call__ was sha256",
    ),
    "code of a helper method": (
        """
        class Clip:
            def __call__(self, x):
                return self.bound(x)
            @staticmethod
            def bound(x):
                return x.clip(0, 1.0)
        transform = Clip()
        """,
        "1.0",
        "0.2",
        "constants of mine.Clip.bound was None, 0, 1.0, is now None, 0, 0.2$",
    ),
    "method of a base class": (
        """
        class Base:
            @classmethod
            def bound(cls, x):
                return x.clip(0, 1.0)
        class Clip(Base):
            def __call__(self, x):
                return self.bound(x)
        transform = Clip()
        """,
        "1.0",
        "0.2",
        "constants of mine.Base.bound was None, 0, 1.0, is now None, 0, 0.2$",
    ),
    "attribute of a class": (
        """
        class Clip:
            top = 1.0
            def __call__(self, x):
                return x.clip(0, self.top)
        transform = Clip()
        """,
        "top = 1.0",
        "top = 0.2",
        "mine.Clip.top was 1.0, is now 0.2$",
    ),
    "property": (
        """
        class Clip:
            @property
            def top(self):
                return 1.0
            def __call__(self, x):
                return x.clip(0, self.top)
        transform = Clip()
        """,
        "1.0",
        "0.2",
        "constants of mine.Clip.top was None, 1.0, is now None, 0.2$",
    ),
    "class made in a function that is called": (
        """
        class Clip:
            def __init__(self):
                self.top = 1.0
        def transform(x):
            return x.clip(0, Clip().top)
        """,
        "1.0",
        "0.2",
        "constants of mine.Clip.__init__ was None, 1.0, is now None, 0.2$",
    ),
    "dataclass": (
        """
        @dataclasses.dataclass(frozen=True, slots=True)
        class Clip:
            top: float
            def __call__(self, x):
                return x.clip(0, self.top)
        transform = Clip(1.0)
        """,
        "Clip(1.0)",
        "Clip(0.2)",
        "transform.top was 1.0, is now 0.2$",
    ),
    "partial": (
        "transform = functools.partial(torch.mul, other=1.0)",
        "1.0",
        "0.2",
        r"transform.keywords\['other'\] was 1.0, is now 0.2$",
    ),
    "partial of a bound method": (
        """
        class Clip:
            def __init__(self, top):
                self.top = top
            def run(self, low, x):
                return x.clip(low, self.top)
        transform = functools.partial(Clip(1.0).run, 0)
        """,
        "Clip(1.0)",
        "Clip(0.2)",
        "transform.func.__self__.top was 1.0, is now 0.2$",
    ),
    "weights of a network": (
        """
        torch.manual_seed(0)
        transform = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval()
        transform[0].weight.data[0, 0] = 1.0
        """,
        "= 1.0",
        "= 0.2",
        r"transform._modules\['0'\]._parameters was dict \('weight': tensor float32",
    ),
    "buffers of a network": (
        "transform = nn.BatchNorm1d(4).eval()\ntransform.running_mean += 1.0",
        "1.0",
        "0.2",
        r"transform._buffers was .*float32 \[1.0, 1.0, 1.0, 1.0\].* is now ",
    ),
    "setting of a library's object": (
        "transform = transforms.Compose([transforms.Normalize([0], [1.0])])",
        "1.0",
        "0.2",
        r"transform.transforms\[0\].std was list \(1.0\), is now list \(0.2\)$",
    ),
    "function in a library's object": (
        "transform = transforms.Compose([transforms.Lambda(lambda x: x * 1.0)])",
        "1.0",
        "0.2",
        "constants of mine.<lambda> was None, 1.0, is now None, 0.2$",
    ),
    "function under a library's decorator": (
        "@torch.no_grad()\ndef transform(x): return x * 1.0",
        "1.0",
        "0.2",
        "constants of mine.transform #2 was None, 1.0, is now None, 0.2$",
    ),
    "function whose results are kept": (
        "@functools.lru_cache\ndef top(): return 1.0\ndef transform(x): return x * top()",
        "1.0",
        "0.2",
        "constants of mine.top was None, 1.0, is now None, 0.2$",
    ),
    "function compiled": (
        "def scale(x): return x * 1.0\ntransform = torch.compile(scale, backend='eager')",
        "1.0",
        "0.2",
        "constants of mine.scale was None, 1.0, is now None, 0.2$",
    ),
    "dict": (
        "LIMITS = {'low': 0, 'top': {'all': 1.0}}\ndef transform(x): return x.clip(0, "
        "LIMITS['top']['all'])",
        "1.0",
        "0.2",
        r"global mine.LIMITS was dict \('low': 0, 'top': dict \('all': 1.0\)\), is now ",
    ),
    "dict of functions": (
        "STEPS = {'a': lambda x: x * 1.0}\ndef transform(x): return STEPS['a'](x)",
        "1.0",
        "0.2",
        "constants of mine.<lambda> was None, 1.0, is now None, 0.2$",
    ),
    "long dict": (
        "NUMBERS = {f'entry {i}': i for i in range(50)}\nNUMBERS['entry 7'] = 1.0\n"
        "def transform(x): return x * NUMBERS['entry 7']",
        "1.0",
        "0.2",
        r"global mine.NUMBERS\['entry 7'\] was 1.0, is now 0.2$",
    ),
    "long list": (
        "NUMBERS = [float(i) for i in range(900)]\nNUMBERS[700] = 1.0\n"
        "def transform(x): return x * NUMBERS[700]",
        "= 1.0",
        "= 0.2",
        "global mine.NUMBERS was list of length .*, sha256 .*, is now list of length .*, sha256 ",
    ),
    "set": (
        "KEPT = {'red', 'green', 'blue'}\ndef transform(x): return x if 'red' in KEPT else -x",
        "KEPT = {'red'",
        "KEPT = {'white'",
        r"global mine.KEPT was set \('blue', 'green', 'red'\), is now set \('blue', 'green', 'white'\)$",
    ),
    "set of functions": (
        """
        def scale(x):
            return x * 1.0
        STEPS = frozenset({scale, abs})
        def transform(x):
            return [step(x) for step in STEPS]
        """,
        "1.0",
        "0.2",
        "global mine.STEPS was frozenset",
    ),
    "array": (
        "MEAN = np.full(3, 1.0)\ndef transform(x): return x - MEAN",
        "1.0",
        "0.2",
        r"global mine.MEAN was array float64 \[1.0, 1.0, 1.0\], is now array float64 \[0.2, 0.2, 0.2\]$",
    ),
    "large array": (
        "MEAN = np.zeros((30, 40))\nMEAN[5, 6] = 1.0\ndef transform(x): return x - MEAN",
        "1.0",
        "0.2",
        r"global mine.MEAN was array float64, shape \(30, 40\), sha256 .*, is now ",
    ),
    "shape of an array": (
        "MEAN = np.zeros((3, 4))\ndef transform(x): return x - MEAN",
        "(3, 4)",
        "(4, 3)",
        r"MEAN was array float64, shape \(3, 4\)",
    ),
    "dtype of an array": (
        "MEAN = np.zeros(30, 'int32')\ndef transform(x): return x - MEAN",
        "int32",
        "float32",
        "MEAN was array int32",
    ),
    "array of objects": (
        "NAMES = np.array([1.0, 'b', None], dtype=object)\ndef transform(x): return x * NAMES[0]",
        "1.0",
        "0.2",
        r"list \(1.0, 'b', None\)\), is now",
    ),
    "masked array": (
        "MEAN = np.ma.array([1.0, 2.0], mask=[False, True])\ndef transform(x): return x - "
        "MEAN.filled(0)",
        "mask=[False",
        "mask=[True",
        "content of global mine.MEAN",
    ),
    "parameter that needs gradients": (
        "MEAN = nn.Parameter(torch.tensor([1.0], dtype=torch.bfloat16))\ndef transform(x): return "
        "x - MEAN",
        "1.0",
        "0.5",
        r"global mine.MEAN was tensor bfloat16 \[1.0\], is now tensor bfloat16 \[0.5\]$",
    ),
    "sparse tensor": (
        "MEAN = torch.tensor([[1.0, 0.0]]).to_sparse()\ndef transform(x): return x - "
        "MEAN.to_dense()",
        "1.0",
        "0.2",
        "global mine.MEAN was tensor float32, shape",
    ),
    "table": (
        "T = pd.DataFrame({'a': [1.0, 2.0], 'b': ['x', None]})\ndef transform(x): return x * "
        "T.a[0]",
        "1.0",
        "0.2",
        "content of global mine.T",
    ),
    "numpy's numbers": (
        "TOP = np.float32(1.0)\ndef transform(x): return x * TOP",
        "1.0",
        "0.5",
        "global mine.TOP was float32 1.0, is now float32 0.5$",
    ),
    "value of an enum": (
        "class Kind(enum.Enum):\n    TOP = 1.0\ndef transform(x): return x * Kind.TOP.value",
        "1.0",
        "0.2",
        r"mine.Kind.TOP was mine.Kind.TOP \(1.0\), is now mine.Kind.TOP \(0.2\)",
    ),
    "container with a class of its own": (
        """
        class Limits(dict):
            def read(self):
                return self['top']
        LIMITS = Limits(top=1.0)
        def transform(x):
            return x * LIMITS.read()
        """,
        "1.0",
        "0.2",
        r"global mine.LIMITS\['top'\] was 1.0, is now 0.2$",
    ),
    "default of a defaultdict": (
        "T = collections.defaultdict(lambda: 1.0)\ndef transform(x): return x * T['a']",
        "1.0",
        "0.2",
        "constants of mine.<lambda> was None, 1.0, is now None, 0.2$",
    ),
    "number with a class of its own": (
        "class Length(float):\n    unit = 'mm'\nTOP = Length(1.0)\ndef transform(x): return x * "
        "TOP",
        "Length(1.0)",
        "Length(0.2)",
        "global mine.TOP was object of mine.Length, 1.0, is now object of mine.Length, 0.2$",
    ),
    "object in C that tells what it holds": (
        "transform = operator.itemgetter(0)",
        "(0)",
        "(1)",
        r"content of transform was list \(tuple \(0\)\), is now list \(tuple \(1\)\)$",
    ),
    "builtin method of an object": (
        "transform = np.full(3, 1.0).__mul__",
        "1.0",
        "0.2",
        r"transform.__self__ was array float64 \[1.0, 1.0, 1.0\], is now",
    ),
    "global that is not there yet": (
        "def transform(x): return x.clip(0, TOP)\nTOP = 1.0",
        "TOP = 1.0",
        "",
        "global mine.TOP was 1.0, is now not defined",
    ),
}


def make_transform(source):
    """Return the transform that a source makes, as in a module ``mine`` of the user's own."""
    held = {"__name__": "mine"}
    exec(HEADER + textwrap.dedent(source), held)
    return held["transform"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_difference_is_seen_and_named(kind):
    source, piece, other, sentence = KINDS[kind]
    assert piece in textwrap.dedent(source)
    before = describe_preprocessing(make_transform(source))
    again = describe_preprocessing(make_transform(source))
    after = describe_preprocessing(make_transform(source.replace(piece, other, 1)))
    assert before == again
    assert before.unseen == ()
    with pytest.raises(DataError, match=sentence.replace("$", "\n")):
        compare_provenance({"preprocessing": after.parts}, {"preprocessing": before.parts})
    stimuli = nl.load_stimuli(np.ones((2, 3), np.float32), transform=make_transform(source))
    assert stimuli.hash_content() == stimuli.use_transform(make_transform(source)).hash_content()
    changed = stimuli.use_transform(make_transform(source.replace(piece, other, 1)))
    assert changed.hash_content() != stimuli.hash_content()
    assert changed.hash_items() == stimuli.hash_items()


@pytest.mark.parametrize(
    ("source", "piece", "other"),
    [
        ("def transform(x):\n    'One thing.'\n    return x * 2", "One thing.", "Another thing."),
        ("OTHER = 1.0\ndef transform(x): return x.OTHER", "1.0", "0.2"),
        ("def other(x): return x * 1.0\ndef transform(x): return x", "1.0", "0.2"),
        ("class Clip:\n    def __repr__(self): return 'one'\n    def __call__(self, x): return x\ntransform = Clip()",
         "'one'", "'other'"),
    ],
    ids=["docstring", "global of an attribute's name", "function beside it", "repr"],
)  # fmt: skip
def test_what_nothing_follows_from_is_left_out(source, piece, other):
    before = describe_preprocessing(make_transform(source))
    assert before == describe_preprocessing(make_transform(source.replace(piece, other)))


@pytest.mark.parametrize("where", ["import limits", "from limits import TOP", "inside", "package"])
def test_modules_of_the_users_own_are_read_where_the_code_names_them(where, monkeypatch):
    module = types.ModuleType("limits")
    module.TOP, module.OTHER = 1.0, 2.0
    package = types.ModuleType("package")
    package.limits = module
    monkeypatch.setitem(sys.modules, "limits", module)
    monkeypatch.setitem(sys.modules, "package", package)
    sources = {
        "import limits": "import limits\ndef transform(x): return x * limits.TOP",
        "from limits import TOP": "def transform(x):\n    from limits import TOP\n    return x * TOP",
        "inside": "def transform(x):\n    import limits\n    return x * limits.TOP",
        "package": "import package\ndef transform(x): return x * package.limits.TOP",
    }
    transform = make_transform(sources[where])
    before = describe_preprocessing(transform)
    module.OTHER = 3.0
    assert describe_preprocessing(transform) == before
    module.TOP = 0.2
    with pytest.raises(DataError, match=r"^preprocessing: global limits.TOP was 1.0, is now 0.2\n"):
        compare_provenance(
            {"preprocessing": describe_preprocessing(transform).parts},
            {"preprocessing": before.parts},
        )


def test_packages_count_by_version_and_are_not_read():
    parts = describe_preprocessing(nl.ImageTransform()).parts
    assert parts == {
        "transform": "object of neurolens.stimuli.pictures.images.ImageTransform",
        "transform.resize": "256",
        "transform.crop": "224",
        "transform.mean": "tuple (0.485, 0.456, 0.406)",
        "transform.std": "tuple (0.229, 0.224, 0.225)",
        "version of neurolens": metadata.version("neurolens-brain"),
    }
    told = describe_preprocessing(
        make_transform("def transform(x): return nn.functional.relu(np.log(x))")
    )
    assert told.parts["version of torch"] == metadata.version("torch")
    assert told.parts["version of numpy"] == metadata.version("numpy")
    assert not any("relu" in name for name in told.parts)


def test_what_cannot_be_read_is_said():
    class Opens:
        def __init__(self):
            self.rows = iter([1, 2])
            self.steps = (x for x in "ab")

        def __call__(self, x):
            return x

    found = describe_preprocessing(Opens())
    assert found.unseen == ("transform.steps",)
    assert found.parts["transform.steps"].endswith("with content, which cannot be compared")
    scripted = describe_preprocessing(torch.jit.ScriptModule)
    assert scripted.unseen == ()


def test_values_cached_from_others_and_locks_are_no_difference():
    source = """
    import logging, threading
    class Clip:
        def __init__(self):
            self.lock, self.log = threading.Lock(), logging.getLogger("clip")
        @functools.cached_property
        def top(self):
            return 1.0
        def __call__(self, x):
            return x * self.top
    transform = Clip()
    """
    transform = make_transform(source)
    before = describe_preprocessing(transform)
    transform(2)
    assert describe_preprocessing(transform) == before
    assert before.unseen == ()
    assert before.parts["transform.log"] == "logger clip"


def test_something_endless_ends():
    class Link:
        def __init__(self, depth):
            self.next = Link(depth - 1) if depth else None

        def __call__(self, x):
            return x

    found = describe_preprocessing(Link(200))
    assert len(found.unseen) == 1
    wide = describe_preprocessing([[object()] for _ in range(4000)])
    assert len(wide.parts) < 8000
    assert wide.unseen


def tell_all():
    """Return the descriptions of all kinds, but for one whose compiler takes seconds to import."""
    kinds = [kind for kind in KINDS if kind != "function compiled"]
    return "\n".join(describe_preprocessing(make_transform(KINDS[kind][0])).text for kind in kinds)


@pytest.mark.slow
def test_descriptions_are_equal_in_every_process_and_hold_no_addresses(request):
    path = f"import sys; sys.path.insert(0, {str(request.path.parent)!r})"
    code = f"{path}; import test_preprocessing as tests; print(tests.tell_all())"
    environment = [os.environ | {"PYTHONHASHSEED": seed} for seed in "12"]
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
        for env in environment
    ]
    others = [process.communicate()[0].rstrip("\n") for process in running]
    told = tell_all()
    assert others == [told, told]
    assert len(told) > 10_000
    assert not re.search(r"0x[0-9a-f]{6,}", told)


class Plain(nn.Module):
    def forward(self, x):
        return x * 2


RESUMED = [
    "object of a bound method",
    "global",
    "helper",
    "keyword-only default",
    "code of a helper method",
]


@pytest.mark.parametrize("kind", RESUMED)
def test_a_store_made_with_another_preprocessing_is_refused_though_no_stimulus_tells(
    kind, tmp_path
):
    source, piece, other, sentence = KINDS[kind]
    # Clipped or not, these are the same.
    dark = nl.load_stimuli(np.full((12, 3), 0.1, np.float32), transform=make_transform(source))
    dark = dark.use_transform(wrap_tensor(make_transform(source)))
    changed = dark.use_transform(wrap_tensor(make_transform(source.replace(piece, other))))
    nl.extract_activations(Plain(), dark, store=tmp_path / "a.zarr", quiet=True)
    nl.extract_activations(Plain(), dark, store=tmp_path / "a.zarr", quiet=True)
    with pytest.raises(DataError, match="is now") as caught:
        nl.extract_activations(Plain(), changed, store=tmp_path / "a.zarr", quiet=True)
    assert re.search(
        sentence.removeprefix("preprocessing: ").removeprefix("transform").removesuffix("$"),
        str(caught.value),
    )
    assert "sha256 was" not in str(caught.value)


def wrap_tensor(transform):
    """Return a transform that returns a tensor and has ``transform`` in its closure."""
    return lambda x: torch.as_tensor(transform(x))


def test_a_store_says_when_its_preprocessing_cannot_be_read(tmp_path):
    transform = wrap_tensor((x for x in "ab").send)
    stimuli = nl.load_stimuli(np.ones((4, 3), np.float32))
    with pytest.warns(
        RuntimeWarning, match="of the preprocessing cannot be read.*would not notice"
    ):
        nl.extract_activations(
            Plain(),
            stimuli.use_transform(Unreadable(transform)),
            store=tmp_path / "a.zarr",
            quiet=True,
        )


class Unreadable:
    def __init__(self, held):
        self.held = held

    def __call__(self, x):
        return torch.as_tensor(x)


@pytest.mark.parametrize(("n", "row"), [(100, 99), (100, 42), (9, 5), (2, 1)])
def test_stimuli_all_over_the_set_are_looked_at(n, row, tmp_path):
    """A preprocessing that reads a file is recognized by its effect on the stimuli."""
    path = tmp_path / "factor.npy"
    np.save(path, 1.0)
    x = np.zeros((n, 3), np.float32)
    x[row] = 1
    stimuli = nl.load_stimuli(
        x, transform=lambda x: torch.as_tensor(x * np.load(path).astype("float32"))
    )
    nl.extract_activations(Plain(), stimuli, store=tmp_path / "a.zarr", quiet=True)
    np.save(path, 2.0)
    with pytest.raises(
        DataError, match="something else: the stimuli differ as the model sees them: "
    ):
        nl.extract_activations(Plain(), stimuli, store=tmp_path / "a.zarr", quiet=True)
