"""The worked examples of docs/numerics.md are what the code gives.

Run as a program, this file writes them anew.
"""

from __future__ import annotations

import pathlib
import sys

import numpy as np

from quadrille._core import numerics

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "numerics.md"
BEGIN, END = "<!-- worked examples: begin -->\n", "<!-- worked examples: end -->\n"
ELEMENT = 5


def example_input() -> np.ndarray:
    row, i = np.mgrid[0:16, 0:64]
    return ((((i + 5 * row) ** 2 % 61) - 30) / 16 * np.exp2(i // 16 - 2)).astype(np.float32)


def number(value) -> str:
    return f"{float(value):.9g}"


def hexadecimal(scales: np.ndarray, dtype: str) -> str:
    """Row 0's scales as stored, most significant digit first."""
    digits = max(2, numerics.scale_type(dtype)["storage_bits"] // 4)
    words = np.atleast_2d(scales)[0].view({2: np.uint8, 4: np.uint16, 8: np.uint32}[digits])
    return " ".join(f"{word:0{digits}x}" for word in words)


def level_steps(y, fmt, level, scales, name) -> tuple[np.ndarray, str]:
    """y after a level, and the level's line."""
    fields = fmt.levels[level].as_dict()
    after = numerics.divide(y, fmt, level, scales)
    if fields["rows"] == 0:
        largest, scale = np.abs(y).max(), scales[0]
    else:
        largest = numerics.block_amax(y, fields["rows"], fields["cols"])[0, 0]
        word = np.atleast_2d(scales)[0, :1]
        word = word.view(np.uint32) if word.dtype == np.float32 else word.astype(np.uint32)
        scale = numerics.decode_scale(word, fields["dtype"])[0]
    reciprocal = np.float32(1) / np.float32(scale)
    line = (
        f"amax {number(largest)} for qmax {number(fmt.qmax(level))}: {name} = {number(scale)}, "
        f"fl(1/{name}) = {number(reciprocal)}, {number(y[0, ELEMENT])} -> {number(after[0, ELEMENT])}"
    )
    return after, line


def way(x, fmt, scales) -> tuple[np.ndarray, list[str]]:
    """t, and the lines that lead to element 5's."""
    if fmt.name == "HIF4":
        _, t, _ = numerics.hif4_scales(x)
        unit = number(numerics.decode_scale(scales[2][0, :1].astype(np.uint32), "e6m2")[0])
        e8, e4 = scales[1][0, 0] & 1, scales[0][0, 0] >> 1 & 1
        return t, [f"e6m2 scale {unit}, e8 = {e8}, e4 = {e4}, {number(x[0, ELEMENT])} -> {number(t[0, ELEMENT])}"]
    lines, y = [], x
    for level in reversed(range(len(fmt.levels))):
        y, line = level_steps(y, fmt, level, scales[level], "S" if level else "s")
        lines.append(line)
    return y, lines


def worked_example(fmt) -> str:
    x = example_input()
    codes, scales, _, _ = numerics.quantize(x, fmt)
    t, lines = way(x, fmt, scales)
    code = numerics.unpack_codes(codes)[0, ELEMENT]
    assert code == numerics.encode(t, fmt.grid)[0, ELEMENT]
    value = numerics.dequantize(codes, scales, fmt)[0, ELEMENT]
    text = [f"### {fmt.name}", "", "```"]
    for level, array in zip(fmt.levels, scales):
        fields = level.as_dict()
        block = "tensor" if fields["rows"] == 0 else f"{fields['rows']}x{fields['cols']}"
        text.append(f"scales {block} {fields['dtype']}: {hexadecimal(array, fields['dtype'])}")
    text.append("codes: " + codes[0].tobytes().hex(" ", 4))
    text += [f"x[0][{ELEMENT}]: {line}" for line in lines]
    text.append(f"code {code:x} = {number(fmt.grid.values[code])}, dequantized {number(value)}")
    return "\n".join([*text, "```", "", ""])


def worked_examples() -> str:
    return "\n" + "".join(worked_example(fmt) for fmt in numerics.named_formats())


def test_worked_examples_are_what_the_code_gives():
    page = PAGE.read_text()
    written = page[page.index(BEGIN) + len(BEGIN) : page.index(END)]
    assert written == worked_examples()


def test_every_format_has_its_row():
    page = PAGE.read_text()
    for fmt in numerics.named_formats():
        assert f"| `{fmt.name}` | {fmt.grid.name} |" in page


def main() -> None:
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    PAGE.write_text(before + BEGIN + worked_examples() + END + rest.split(END)[1])


if __name__ == "__main__":
    sys.exit(main())
