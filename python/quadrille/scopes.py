"""Names for parts of a program, in locations, reports and profilers."""

from __future__ import annotations

import threading

_state = threading.local()


def current_scope() -> str:
    """The names of the enclosing scopes, joined by dots; "" outside."""
    return ".".join(getattr(_state, "names", ()))


class scope:
    """`with qd.scope("layer3.fc1"):` names the operations traced inside. Scopes nest."""

    def __init__(self, name: str):
        self.name = name

    def __enter__(self) -> scope:
        _state.names = (*getattr(_state, "names", ()), self.name)
        return self

    def __exit__(self, *_) -> None:
        _state.names = _state.names[:-1]
