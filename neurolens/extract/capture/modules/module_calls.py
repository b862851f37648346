"""The nn.Module call that is running now."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_modules
from torch.utils.hooks import RemovableHandle

from neurolens.extract.capture.modules.parts import ModelParts, list_parts


@dataclass(eq=False, slots=True)
class Scope:
    """One call of one module: ``address`` in the model, class name, and ``call`` number from 1."""

    address: str
    module_class: str
    call: int


class _Hook(partial):
    """A hook that a model may copy along with its modules.

    Calls of the copies are not counted as calls of the model.
    """

    def __deepcopy__(self, memo: dict) -> "_Hook":
        return self


class ScopeStack:
    """The module calls under way in one model, kept by hooks while used as a context.

    Hooks of other threads' passes through the same model are ignored. A module registered under
    several names has the first as its address; modules made during forward belong to their caller.

    Parameters
    ----------
    model : Module
    parts : ModelParts, optional
        Of the model, where they are known.

    Attributes
    ----------
    current : Scope
    on_return : callable
        Called with (scope, output) when a module returns, and with None as output when it raises.
    failure : (exception, address) or None
        The last error that left a module, and the innermost module it left.
    has_script : bool
        Whether parts of the model are TorchScript, whose calls are not seen.
    may_end_early : bool
        Whether an error raised inside the forward leaves users' hooks in balance.
    """

    def __init__(self, model: nn.Module, parts: ModelParts | None = None) -> None:
        parts = parts or list_parts(model)
        # A module wrapped by torch.compile gets the wrapper's address, because the wrapper itself
        # runs nothing.
        self._modules = {}
        for address, module in parts.modules.items():
            if "_orig_mod" in module._modules:
                continue
            if "_orig_mod" in address:
                address = ".".join([name for name in address.split(".") if name != "_orig_mod"])
            self._modules[address] = module
        self._addresses = {id(module): address for address, module in self._modules.items()}
        self.classes = {address: type(module).__name__ for address, module in self._modules.items()}
        self.on_return: Callable[[Scope, Any], None] = lambda scope, output: None
        modules = list(self._modules.values())
        self._hooked = [one for one in modules if not isinstance(one, torch.jit.ScriptModule)]
        self.has_script = len(self._hooked) < len(modules)
        self.may_end_early = not has_paired_hooks(modules)
        self._calls: dict[str, int] = {}
        self._open: list[Scope] = []
        # A number that no other hook of any module has.
        self._number = RemovableHandle(OrderedDict()).id
        self._thread = threading.get_ident()
        self.failure: tuple[BaseException, str] | None = None
        self.current = Scope("", type(model).__name__, 1)

    def __enter__(self) -> "ScopeStack":
        number = self._number
        enter = _Hook(self._enter_module)
        leave = _Hook(self._leave_module)
        try:
            for module in self._hooked:
                # As torch registers hooks: this one before all others, and this one always called.
                before: Any = module._forward_pre_hooks  # an OrderedDict
                before[number] = enter
                if len(before) > 1:
                    before.move_to_end(number, last=False)
                module._forward_hooks[number] = leave
                module._forward_hooks_always_called[number] = True
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        number = self._number
        for module in self._hooked:
            module._forward_pre_hooks.pop(number, None)
            module._forward_hooks.pop(number, None)
            module._forward_hooks_always_called.pop(number, None)

    def _enter_module(self, module: nn.Module, _: Any) -> None:
        address = self._addresses.get(id(module))
        if address is None or threading.get_ident() != self._thread:
            return
        call = self._calls[address] = self._calls.get(address, 0) + 1
        self._open.append(self.current)
        self.current = Scope(address, self.classes[address], call)

    def _leave_module(self, module: nn.Module, _: Any, output: Any) -> None:
        if id(module) not in self._addresses or threading.get_ident() != self._thread:
            return
        error = sys.exc_info()[1]
        if error is not None and (self.failure is None or self.failure[0] is not error):
            self.failure = (error, self.current.address)
        self.on_return(self.current, output)
        if self._open:
            self.current = self._open.pop()


def has_paired_hooks(modules: Iterable[nn.Module]) -> bool:
    """Return whether users' hooks before and after modules may belong together.

    One that has run before a module waits for the one after it, which an error in the forward would
    skip. A wrapper in place of ``forward``, which offloads weights for example, counts as both.
    """
    has_before = bool(torch_modules._global_forward_pre_hooks)
    has_after = bool(torch_modules._global_forward_hooks)
    for module in modules:
        if "forward" in vars(module) and not isinstance(module, torch.jit.ScriptModule):
            return True
        has_before = has_before or _has_users_hook(module._forward_pre_hooks)
        has_after = has_after or _has_users_hook(module._forward_hooks)
    return has_before and has_after


def _has_users_hook(hooks: Mapping[int, Callable]) -> bool:
    return bool(hooks) and not all(isinstance(hook, _Hook) for hook in hooks.values())


def has_foreign_hooks(modules: Iterable[nn.Module]) -> bool:
    """Return whether hooks run before or after modules that are none of torch's own.

    Those of ``torch.nn.utils`` make weights; others may keep what modules return.
    """
    hooks = [*torch_modules._global_forward_pre_hooks.values()]
    hooks += torch_modules._global_forward_hooks.values()
    for module in modules:
        hooks += [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
    return not all(_find_maker(hook).partition(".")[0] == "torch" for hook in hooks)


def _find_maker(hook: Callable) -> str:
    """Return the module in which a hook, or its class, is defined."""
    return str(getattr(hook, "__module__", None) or type(hook).__module__)
