"""What a function reads from outside: globals, closure cells and their attributes.

The values are part of a jitted function's signature, like its arguments: a
changed global is noticed at the next call. `cfg.rht` is followed to the
attribute, so that a change of `cfg.rht` is noticed too.
"""

from __future__ import annotations

import builtins
import dis
import inspect
import operator
import types
from collections.abc import Callable
from typing import Any, NamedTuple


class Capture(NamedTuple):
    """One value from outside: how the code spells it, and how to read it now."""

    name: str
    read: Callable[[], Any]


_STARTS = ("LOAD_GLOBAL", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_NAME")
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
_OPAQUE = (types.ModuleType, types.BuiltinFunctionType, type)


def captures(function) -> list[Capture]:
    """What `function` and the plain Python functions it calls by name read from outside."""
    found: dict[str, Capture] = {}
    _collect(function, found, seen=set())
    return list(found.values())


def _collect(function, found: dict[str, Capture], seen: set) -> None:
    function = inspect.unwrap(getattr(function, "__func__", function))
    if function in seen or not isinstance(function, types.FunctionType):
        return
    seen.add(function)
    for root, attributes in _chains(function.__code__):
        read = _reader(function, root)
        if read is None:
            continue
        name, read, value = _follow(root, read, attributes)
        if isinstance(value, types.FunctionType) and not _is_ours(value):
            _collect(value, found, seen)
        if not isinstance(value, _OPAQUE) and not _is_ours(value):
            found.setdefault(f"{function.__module__}.{name}", Capture(name, read))


def _is_ours(value) -> bool:
    """Functions and callables of this package do not change."""
    return callable(value) and getattr(value, "__module__", "").partition(".")[0] == __name__.partition(".")[0]


def _chains(code) -> list[tuple[str, list[str]]]:
    """Names from outside with the attributes read of them, nested functions included."""
    chains: list[tuple[str, list[str]]] = []
    open_chain = None
    own = set(code.co_varnames) | set(code.co_cellvars)
    for instruction in dis.get_instructions(code):
        if instruction.opname in _STARTS and instruction.argval not in own:
            open_chain = (instruction.argval, [])
            chains.append(open_chain)
        elif instruction.opname in _ATTRIBUTES and open_chain is not None:
            open_chain[1].append(instruction.argval)
        elif instruction.opname not in ("CACHE", "PRECALL"):
            open_chain = None
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            chains += _chains(constant)
    return chains


def _reader(function, name: str) -> Callable[[], Any] | None:
    """Reads a free variable or global by name; None if it is neither."""
    if name in function.__code__.co_freevars:
        cell = function.__closure__[function.__code__.co_freevars.index(name)]
        return lambda: cell.cell_contents
    if name in function.__globals__:
        globals_ = function.__globals__
        return lambda: globals_[name]
    return None if name in vars(builtins) else None


def _follow(name: str, read, attributes: list[str]):
    """Follows attributes of modules and of plain objects to the value that is used."""
    try:
        value, path = read(), []
        for attribute in attributes:
            if not isinstance(value, types.ModuleType) and not hasattr(value, "__dict__"):
                break
            if callable(getattr(type(value), attribute, None)):  # a method: the object itself matters
                break
            value = getattr(value, attribute)
            path.append(attribute)
    except (AttributeError, ValueError, KeyError):
        return name, (lambda: None), None
    if not path:
        return name, read, value
    follow = operator.attrgetter(".".join(path))
    return ".".join([name, *path]), (lambda: follow(read())), value
