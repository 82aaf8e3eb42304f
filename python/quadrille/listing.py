"""Parts of a program's text: one kernel of a stage."""

from __future__ import annotations

import re

from .errors import ArgumentError

#: How a function starts at each stage; the name is group 1.
_STARTS = {
    "mlir": re.compile(r"^ *(?:quad\.kernel|tile\.func|tile\.kernel|func\.func|llvm\.func)[^@\n]*@([\w$.]+)", re.M),
    "llvm": re.compile(r"^define [^@\n]*@([\w$.]+)", re.M),
    # Not the metadata that follows AMD's code.
    "asm": re.compile(r"^(?:\.visible |\.weak )?(?:\.entry |\.func )?((?!amdhsa\.)[A-Za-z_][\w$.]*)(?=:|\()", re.M),
}
_KINDS = {"trace": "mlir", "quad": "mlir", "tile": "mlir", "mlir": "mlir", "llvm": "llvm", "asm": "asm"}


def functions(text: str, stage: str) -> dict[str, str]:
    """The text of each function of a stage's text, by name."""
    starts = list(_STARTS[_KINDS[stage]].finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return {match[1]: _body(text[match.start() : end], _KINDS[stage]) for match, end in zip(starts, ends)}


def _body(text: str, kind: str) -> str:
    """Up to the end of the function that starts the text."""
    if kind == "asm":
        end = re.search(r"^(\}|\.Lfunc_end\d+:).*$", text, re.M)
    else:
        indent = len(text) - len(text.lstrip(" "))
        end = re.search(rf"^ {{{indent}}}\}}.*$", text, re.M)
    return text[: end.end()] + "\n" if end else text


def kernel(text: str, stage: str, name: str) -> str:
    """One function of a stage's text; ArgumentError names those that there are."""
    found = functions(text, stage)
    if name not in found:
        raise ArgumentError(
            f"there is no kernel {name!r} at stage {stage}", instead=", ".join(found) or "another stage"
        )
    return found[name]
