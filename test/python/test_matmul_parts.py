"""When a product by wgmma has its contraction cut into parts: by its shape alone, as docs/matmul.md says."""

from __future__ import annotations

import pytest
import quadrille as qd
from quadrille import inspection, mlir
from quadrille.compiler import compile_module
from quadrille.schedule import launches

pytestmark = pytest.mark.compiler


@pytest.fixture(scope="module", params=["UFP4_B", "MXUF4"])
def launched(request):
    """By kernel the blocks that a product of sizes m, n, k launches on sm_90a, and the largest workspace in bytes."""
    product = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32"))

    def specs(m, n, k):
        return {"a": qd.spec(f"{request.param}[{m},{k}]"), "b": qd.spec(f"{request.param}[{n},{k}]")}

    classed = {name: inspection._classed(value) for name, value in specs(1024, 1024, 1024).items()}
    _, _, traced = product._trace((), classed)
    schedule = compile_module(mlir.print_graph(traced.graph), "sm_90a", "asm").schedule

    def of(m, n, k):
        _, leaves, _ = product._trace((), specs(m, n, k))
        sizes = []

        def allocate(size):
            sizes.append(size)
            return inspection.Extent((size,), (1,))

        found = launches(schedule, inspection._arrays(traced, leaves), allocate=allocate)
        return {launch.kernel.rpartition("matmul")[2]: launch.grid[0] for launch in found}, sizes

    return of


@pytest.mark.parametrize("m, n, k", [(768, 768, 65536), (2304, 768, 65536), (256, 512, 16384)])
def test_few_tiles_of_a_long_contraction(launched, m, n, k):
    grids, sizes = launched(m, n, k)
    tiles = (m // 256) * (n // 256)
    parts = grids[""] / (2 * tiles)
    assert 2 <= parts <= 8 and parts == int(parts)
    assert grids["_sum"] == m * n / 8 / 128
    assert 4 * parts * m * n in sizes


@pytest.mark.parametrize("m, n, k", [(8192, 8192, 8192), (4096, 4096, 4096), (65536, 2304, 768), (768, 768, 1024 // 8)])
def test_others_are_in_one_part(launched, m, n, k):
    grids, sizes = launched(m, n, k)
    assert grids[""] == 2 * (m // 256) * (n // 256) and "_sum" not in grids and 0 in sizes


@pytest.mark.parametrize("m, n, k", [(0, 768, 4096), (768, 0, 4096), (768, 768, 0)])
def test_nothing_to_multiply(launched, m, n, k):
    grids, _ = launched(m, n, k)
    assert "_sum" not in grids
