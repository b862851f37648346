"""Random numbers of a pass, drawn for each stimulus from a seed of its own."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from neurolens.extract.capture.calls.torch_calls import Call

# Functions that write random numbers into their first argument.
_FILLING = frozenset(
    "normal_ uniform_ bernoulli_ exponential_ log_normal_ cauchy_ geometric_ random_".split()
)
# Functions that make a tensor of random numbers, and how such a tensor is filled.
_MAKING = {
    "rand": "uniform_",
    "rand_like": "uniform_",
    "randn": "normal_",
    "randn_like": "normal_",
    "randint": "random_",
    "randint_like": "random_",
}
# Functions that draw from the distributions that their first argument holds.
_SAMPLING = frozenset(("bernoulli", "poisson", "multinomial"))
_DROPOUTS = frozenset(("dropout", "dropout_", "feature_dropout", "feature_dropout_"))
_BY_EXACT_NAME = {
    **dict.fromkeys(_FILLING, "fill"),
    **dict.fromkeys(_MAKING, "make"),
    **dict.fromkeys(_SAMPLING, "sample"),
    **dict.fromkeys(_DROPOUTS, "dropout"),
    "normal": "normal",
}


class RandomAxis(NamedTuple):
    """The position of the stimuli among random numbers: ``group`` entries of ``axis`` for each."""

    axis: int
    group: int


class StimulusNoise:
    """Draws the random numbers of a model for each stimulus on its own.

    The numbers follow from the seed, the stimulus's id, the call (module, function, and how often
    it ran in the pass) and the number of the sample, not from the batch. Where random numbers have
    no axis of the stimuli, all stimuli get the same ones.

    Parameters
    ----------
    seed : int

    Attributes
    ----------
    drew : bool
        Whether the last function that was run here drew random numbers.
    seeds_generators : bool
        Whether the generators of the process and of the model begin each pass from a seed of the
        batch, because the model draws from some of them in ways that are not replaced here.
    round : int
        Counts repetitions with other numbers from the generators that are not replaced here.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.drew = False
        self.round = 0
        self.seeds_generators = False
        self._ids: Sequence[str] = ("",)
        self._sample: tuple[int, ...] = ()
        self._torch_state: torch.Tensor | None = None
        self._held_states: dict[int, torch.Tensor] = {}
        self._counts: Counter[str] = Counter()
        self._shapes: dict[str, dict[int, tuple[int, ...]]] = {}
        self._guessed: set[str] = set()

    def begin(self, ids: Sequence[str], sample: int = 0) -> None:
        """Begin a pass over a batch of these stimuli, in which each has the numbers of a sample."""
        self._ids = ids
        # Sample 0 has the numbers of a run without samples.
        self._sample = (sample,) if sample else ()
        self._counts = Counter()

    def note_generators(self, held: Iterable[torch.Generator]) -> None:
        """Note torch's own generator and those that the model holds, as a pass begins."""
        self._torch_state = torch.get_rng_state()
        self._held_states = {id(generator): generator.get_state() for generator in held}

    def _is_seeded(self, generator: torch.Generator | None) -> bool:
        """Return whether the pass made or seeded a generator, whose own numbers it then wants."""
        if generator is None:
            before = self._torch_state
            now = torch.get_rng_state()
        else:
            before = self._held_states.get(id(generator))
            now = generator.get_state()
        return before is None or not torch.equal(before, now)

    def may_draw(self, call: Call) -> bool:
        """Return whether the random numbers of a function can be drawn here."""
        return call.exact in _BY_EXACT_NAME

    def run(self, call: Call, place: str, func: Callable, args: tuple, kwargs: dict) -> Any:
        """Run a function that may draw, with random numbers from here.

        Parameters
        ----------
        call : Call
        place : str
            Address of the module that is running.
        func, args, kwargs
        """
        kind = _BY_EXACT_NAME[call.exact]
        generator = kwargs.get("generator")
        self.drew = _draws(call.exact, args, kwargs) and not self._is_seeded(generator)
        if not self.drew:
            return func(*args, **kwargs)
        key = f"{place}/{call.exact}"
        self._counts[key] += 1
        key = f"{key}@{self._counts[key]}"
        with torch.no_grad():
            if kind == "fill":
                return self._run_filling(key, func, args, kwargs)
            if kind == "make":
                return self._run_making(key, call.exact, func, args, kwargs)
            if kind == "sample":
                return self._run_sampling(key, func, args, kwargs)
        if kind == "dropout":
            return self._run_dropout(key, call.exact, args, kwargs)
        return self._run_normal(key, args, kwargs)

    def forget_guesses(self) -> bool:
        """Return whether some axes were guessed wrong, now that two numbers of stimuli were seen.

        The passes must then be run again.
        """
        wrong = any(
            self._find_axis(key, shape) != _guess_axis(shape, n_stimuli)
            for key in self._guessed
            for n_stimuli, shape in self._shapes[key].items()
        )
        self._guessed.clear()
        return wrong

    def _find_axis(self, key: str, shape: Sequence[int]) -> RandomAxis | None:
        """Return the axis of the stimuli in random numbers of this shape.

        It is the one that grows with the number of stimuli. Before two numbers were seen it is
        guessed.
        """
        n_stimuli = len(self._ids)
        shapes = self._shapes.setdefault(key, {})
        shapes.setdefault(n_stimuli, tuple(shape))
        if len(shapes) == 1:
            self._guessed.add(key)
            return _guess_axis(shape, n_stimuli)
        (few, small), (more, large) = sorted(shapes.items())[:2]
        found = _match_axis(small, large, few, more)
        if found is None or len(shape) <= found.axis:
            return None
        return found if shape[found.axis] == found.group * n_stimuli else None

    def _split(self, key: str, tensor: torch.Tensor) -> list[tuple[torch.Generator, torch.Tensor]]:
        """Return the part of each stimulus, a view of the tensor, with its generator."""
        found = self._find_axis(key, tensor.shape)
        if found is None:
            return [(self._make_generator(key, None, tensor.device), tensor)]
        parts = []
        for i, stimulus in enumerate(self._ids):
            part = tensor.narrow(found.axis, i * found.group, found.group)
            parts.append((self._make_generator(key, stimulus, tensor.device), part))
        return parts

    def _make_generator(
        self, key: str, stimulus: str | None, device: torch.device
    ) -> torch.Generator:
        seed = hash_seed(self.seed, key, stimulus, *self._sample)
        generator = torch.Generator(device).manual_seed(seed)
        if device.type == "cpu":
            # Of a seed it reads 32 bits; others say where in its numbers to begin.
            torch.empty(1 + (seed >> 40) % 1000).uniform_(generator=generator)
        return generator

    def hash_batch(self) -> int:
        """Return a seed for what is not drawn here.

        It follows from the batch's first stimulus and from the sample.
        """
        return hash_seed(self.seed, self.round, self._ids[0], *self._sample)

    def _fill(self, key: str, tensor: torch.Tensor, how: str, *settings: Any) -> torch.Tensor:
        """Fill a tensor, stimulus by stimulus, by a function that writes random numbers."""
        for generator, part in self._split(key, tensor):
            # How torch fills a tensor may depend on its strides.
            fresh = torch.empty_like(part, memory_format=torch.contiguous_format)
            part.copy_(getattr(fresh, how)(*settings, generator=generator))
        return tensor

    def _run_filling(self, key: str, func: Callable, args: tuple, kwargs: dict) -> torch.Tensor:
        tensor, *settings = args
        named = {name: value for name, value in kwargs.items() if name != "generator"}
        probabilities = next((p for p in (*settings, *named.values()) if _is_array(p)), None)
        if probabilities is not None:  # bernoulli_(p) with a probability for each number
            uniform = self._fill(key, torch.empty_like(tensor, dtype=torch.float32), "uniform_")
            return tensor.copy_(uniform < probabilities)
        for generator, part in self._split(key, tensor):
            fresh = torch.empty_like(part, memory_format=torch.contiguous_format)
            func(fresh, *settings, **named, generator=generator)
            part.copy_(fresh)
        return tensor

    def _run_making(
        self, key: str, name: str, func: Callable, args: tuple, kwargs: dict
    ) -> torch.Tensor:
        bounds = _read_bounds(name, args, kwargs) if name.startswith("randint") else ()
        named = {key: value for key, value in kwargs.items() if key not in ("low", "high")}
        if name.endswith("_like"):
            named.pop("generator", None)
            like = named.pop("input", None) if "input" in named else args[0]
            empty = torch.empty_like(like, **named)
        else:
            device = kwargs.get("device") or torch.get_default_device()
            empty = func(*args, **kwargs | {"generator": torch.Generator(device)})
        values = self._fill(key, empty.detach(), _MAKING[name], *bounds)
        return values.requires_grad_(empty.requires_grad)

    def _run_sampling(self, key: str, func: Callable, args: tuple, kwargs: dict) -> torch.Tensor:
        tensor, *settings = args
        named = {name: value for name, value in kwargs.items() if name != "generator"}
        drawn = [
            func(part.contiguous(), *settings, **named, generator=generator)
            for generator, part in self._split(key, tensor)
        ]
        found = self._find_axis(key, tensor.shape)
        return drawn[0] if found is None else torch.cat(drawn, found.axis)

    def _run_dropout(self, key: str, name: str, args: tuple, kwargs: dict) -> torch.Tensor:
        given = _read_dropout(args, kwargs)
        tensor = given["input"]
        kept = 1 - given["p"]
        shape = tensor.shape
        if name.startswith("feature"):
            shape = (*shape[:2], *[1] * (tensor.ndim - 2))
        mask = self._fill(key, tensor.detach().new_empty(shape), "bernoulli_", kept)
        if name.endswith("_"):
            return tensor.mul_(mask.div_(kept))
        return tensor * mask.div_(kept)

    def _run_normal(self, key: str, args: tuple, kwargs: dict) -> torch.Tensor:
        given = dict(zip(("mean", "std", "size"), args, strict=False)) | kwargs
        mean = given.get("mean", 0.0)
        std = given.get("std", 1.0)
        arrays = [value for value in (mean, std) if isinstance(value, torch.Tensor)]
        if arrays:
            shape = torch.broadcast_shapes(*[value.shape for value in arrays])
            empty = arrays[0].detach().new_empty(shape)
        else:
            settings = {key: given[key] for key in ("dtype", "device") if given.get(key)}
            empty = torch.empty(given["size"], **settings)
        return self._fill(key, empty, "normal_") * std + mean


def hash_seed(*parts: object) -> int:
    """Return a seed that follows from all parts."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "little") % 2**63


def _guess_axis(shape: Sequence[int], n_stimuli: int) -> RandomAxis | None:
    if shape and shape[0] and shape[0] % n_stimuli == 0:
        return RandomAxis(0, shape[0] // n_stimuli)
    return None


def _match_axis(
    small: tuple[int, ...], large: tuple[int, ...], few: int, more: int
) -> RandomAxis | None:
    """Return the one axis that grows in proportion to the number of stimuli."""
    if len(small) != len(large):
        return None
    grown = [i for i, (a, b) in enumerate(zip(small, large, strict=True)) if a != b]
    if len(grown) != 1:
        return None
    axis = grown[0]
    group = small[axis] // few
    fits = small[axis] == group * few and large[axis] == group * more
    return RandomAxis(axis, group) if fits else None


def _is_array(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 0


def _read_dropout(args: tuple, kwargs: dict) -> dict[str, Any]:
    """Return the arguments ``input``, ``p`` and ``train`` of torch.dropout and its kin."""
    given = dict(zip(("input", "p", "train"), args, strict=False)) | kwargs
    given.setdefault("train", given.pop("training", True))
    return given


def _draws(name: str, args: tuple, kwargs: dict) -> bool:
    """Return whether a function draws with these arguments, which must be of a known form."""
    kind = _BY_EXACT_NAME[name]
    if kwargs.get("out") is not None:
        return False
    if kind == "dropout":
        given = _read_dropout(args, kwargs)
        return bool(given["train"]) and 0 < given["p"] < 1 and "input" in given
    if kind in ("fill", "sample"):
        is_array = bool(args) and _is_array(args[0]) and args[0].numel() > 0
        # One distribution over categories, for all stimuli, has no rows.
        return is_array and not (name == "multinomial" and args[0].ndim == 1)
    return True


def _read_bounds(name: str, args: tuple, kwargs: dict) -> tuple[int, int]:
    """Return low and high of randint(low=0, high, size) and randint_like(input, low=0, high)."""
    numbers = [value for value in args if isinstance(value, (int, np.integer))]
    high = kwargs["high"] if "high" in kwargs else numbers.pop()
    low = kwargs["low"] if "low" in kwargs else (numbers or [0])[0]
    return int(low), int(high)
