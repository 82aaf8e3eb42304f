"""Quantized tensors as .safetensors files.

Tensors: `codes` (uint8, packed, the quantized axis last), `scales.0`,
`scales.1`, .. inner to outer, each in its own type's bits (float32 as such,
bf16 as uint16, the others as uint8), and `groups` of a grouped tensor, its
offsets. A pair of row and column results has the column's under `column.codes`,
`column.scales.N`, `column.groups`. Metadata: `format` (a name,
or JSON for a format of your own), `shape`, `axis`, `stored`, `rht`, `signs`
(n characters, 1 for -1), `rounding`, `numerics_version`, `scale_layout` where it is not
row_major; for a pair also
`column.format`, `column.rht`, ...
Of a scale rule of the user's a file holds the name: what is loaded multiplies and
dequantizes, but its format quantizes nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, replace

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from . import _native, arrays, storage
from .errors import ArgumentError, FileError, QuadrilleError
from .formats import NAMED, Format, Level
from .formats import format as make_format
from .formats import level as make_level
from .grids import Grid, e1m2, e2m1, int4
from .grids import grid as make_grid
from .rht import RHT
from .scale_rules import ScaleRule, rule_from_file
from .tensor import QTensor, host_arrays

_COLUMN = "column."


def save(path, tensor) -> None:
    """Writes a QTensor, or a (row, column) pair of one tensor, to `path`.

    The file appears whole or not at all. Raises OSError of the file system.
    """
    pair = tensor if isinstance(tensor, tuple) else (tensor,)
    if not pair or len(pair) > 2 or not all(isinstance(q, QTensor) for q in pair):
        raise ArgumentError(f"cannot save {tensor!r}", instead="a QTensor or a pair from quantize_pair")
    tensors: dict[str, np.ndarray] = {}
    metadata = {"numerics_version": str(_native.NUMERICS_VERSION)}
    for prefix, q in zip(("", _COLUMN), pair):
        codes, *scales = host_arrays(q)
        tensors[prefix + "codes"] = np.ascontiguousarray(codes)
        for i, scale in enumerate(scales):
            tensors[f"{prefix}scales.{i}"] = np.ascontiguousarray(storage.bits(scale))
        if q.groups is not None:
            tensors[prefix + "groups"] = np.ascontiguousarray(arrays.to_host(q.groups))
        metadata |= {prefix + key: value for key, value in _metadata(q).items()}
    _write_whole(path, tensors, metadata)


def _write_whole(path, tensors, metadata) -> None:
    path = os.fspath(path)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", suffix=".partial")
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata=metadata)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _metadata(q: QTensor) -> dict[str, str]:
    return {
        "format": format_text(q.format),
        "shape": json.dumps(list(q.shape)),
        "axis": str(q.axis),
        "stored": str(q.stored),
        "rht": str(q.rht.n) if q.rht else "none",
        "signs": q.rht.sign_bits if q.rht else "",
        "rounding": q.rounding,
    } | ({"scale_layout": q.scale_layout} if q.scale_layout != storage.ROW_MAJOR else {})


def format_text(fmt: Format) -> str:
    """A named format's name, another's definition as JSON."""
    if NAMED.get(fmt.name) == fmt:
        return fmt.name
    fields = {"name": fmt.name, "grid": asdict(fmt.grid), "levels": [_level_fields(l) for l in fmt.levels]}
    return json.dumps(fields | ({"alternative": asdict(fmt.alternative)} if fmt.alternative else {}))


def _level_fields(level: Level) -> dict:
    rule = f"@{level.rule.name}" if isinstance(level.rule, ScaleRule) else level.rule
    return asdict(replace(level, rule=rule))


def _parse_grid(fields: dict) -> Grid:
    builtin = {g.name: g for g in (e2m1, e1m2, int4)}.get(fields["name"])
    return builtin or make_grid(fields["name"], fields["values"], qmax=fields["qmax"])


def parse_format(text: str) -> Format:
    """The inverse of format_text; FileError for other text."""
    if text in NAMED:
        return NAMED[text]
    try:
        fields = json.loads(text)
        grids = [_parse_grid(fields[name]) for name in ("grid", "alternative") if name in fields]
        levels = [
            make_level(
                (l["rows"], l["cols"]) if l["rows"] else "tensor",
                l["dtype"],
                rule=rule_from_file(l["rule"][1:]) if l["rule"].startswith("@") else l["rule"],
                bits=l["bits"] or None,
                qmax=l["qmax"] or None,
            )
            for l in fields["levels"]
        ]
        return make_format(fields["name"], grids, levels)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{text!r} is not a format: {error}") from None


def load(path):
    """The QTensor, or the (row, column) pair, of a file that `save` wrote.

    Arrays are NumPy's. Raises FileError, naming what is missing or does not fit.
    """
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise FileError(f"{path} is not a safetensors file: {error}") from None
    version = metadata.get("numerics_version")
    if version != str(_native.NUMERICS_VERSION):
        raise FileError(f"{path} has numerics_version {version}; this is {_native.NUMERICS_VERSION}")
    try:
        row = _read(tensors, metadata, "")
        return (row, _read(tensors, metadata, _COLUMN)) if _COLUMN + "codes" in tensors else row
    except KeyError as error:
        raise FileError(f"{path} lacks {error}") from None
    except QuadrilleError as error:
        raise FileError(f"{path}: {error.message}", instead=error.instead) from None
    except ValueError as error:
        raise FileError(f"{path}: {error}") from None


def _read(tensors, metadata, prefix: str) -> QTensor:
    fmt: Format = parse_format(metadata[prefix + "format"])
    scales = []
    for i, level in enumerate(fmt.levels):
        stored = tensors[f"{prefix}scales.{i}"]
        dtype = storage.SCALE_DTYPES[level.dtype]
        if stored.itemsize != dtype.itemsize:
            raise ValueError(f"{prefix}scales.{i} is {stored.dtype}, not the bits of {level.dtype}")
        scales.append(stored.view(dtype))
    signs = metadata[prefix + "signs"]
    return QTensor(
        tensors[prefix + "codes"],
        scales,
        fmt,
        json.loads(metadata[prefix + "shape"]),
        axis=int(metadata[prefix + "axis"]),
        rht=RHT.from_sign_bits(signs) if signs else None,
        stored=int(metadata[prefix + "stored"]),
        rounding=metadata[prefix + "rounding"],
        scale_layout=metadata.get(prefix + "scale_layout", storage.ROW_MAJOR),
        groups=tensors.get(prefix + "groups"),
    )
