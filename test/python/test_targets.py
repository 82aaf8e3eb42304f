"""The capability table, from Python."""

from __future__ import annotations

import pytest
import quadrille as qd

pytestmark = pytest.mark.capability


def test_all_targets_are_there():
    wanted = "host sm_80 sm_89 sm_90a sm_100a sm_120a gfx942 gfx950 gfx1100 gfx1200 gfx1250"
    assert set(wanted.split()) <= set(qd.targets())


@pytest.mark.parametrize("name", [*qd.formats])
def test_an_answer_says_why(name):
    for target in qd.targets():
        for op in ("quantize", "matmul"):
            answer = qd.is_supported(target, name, op)
            assert answer.why and (bool(answer) or answer.instead)
            assert str(answer).startswith("yes: " if answer else "no: ")


@pytest.mark.parametrize(
    "arguments", [("sm_10", "UFP4", "matmul"), ("host", "FP4", "matmul"), ("host", "UFP4", "conv")]
)
def test_an_unknown_name_is_an_error_with_the_choices(arguments):
    with pytest.raises(qd.ArgumentError) as error:
        qd.is_supported(*arguments)
    assert ", " in error.value.instead
