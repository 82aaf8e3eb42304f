"""The tutorials' Python is run, block by block."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "tutorials"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: page.stem)
def test_blocks_run_in_order(page):
    text, names = page.read_text(), {}
    blocks = list(BLOCK.finditer(text))
    assert blocks
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        # At its lines of the page, so that errors point there.
        exec(compile("\n" * line + block.group(1), str(page), "exec"), names)


def test_all_pages_are_there():
    assert {page.stem for page in FOLDER.glob("*.md")} == {"train", "compare", "grid", "watch", "swiglu"}
