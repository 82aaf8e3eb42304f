"""`quadrille bench SUITE`: speed as ratios to peers, measured in one run on this machine; and what bounds GPU kernels."""

from __future__ import annotations

from ..isa import CHIPS


def add_command(commands) -> None:
    """Registers `quadrille bench` with an argparse subparsers object."""
    parser = commands.add_parser("bench", help="speed, as ratios to peers measured in the same run")
    parser.add_argument("suite", choices=["host", "gpu-quantize", "gpu-matmul", "kernels", "amd-kernels"])
    parser.add_argument("--threads", type=int, default=2, help="of Quadrille, PyTorch and the copies (default: 2)")
    parser.add_argument("--repeats", type=int, default=15, help="of each measurement; medians are shown")
    parser.add_argument("--target", action="append", help="of kernels (may be repeated; default: all with known rates)")
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Prints the suite's table of benchmarks/README.md."""
    import os

    if arguments.suite == "gpu-quantize":
        from . import gpu_quantize

        for line in gpu_quantize.table(arguments.repeats):
            print(line, flush=True)
        return 0

    if arguments.suite == "gpu-matmul":
        from . import gpu_matmul

        for line in gpu_matmul.table(arguments.repeats):
            print(line, flush=True)
        return 0

    if arguments.suite in ("kernels", "amd-kernels"):  # amd-kernels: kernels of AMD's targets
        from . import kernels

        known = [name for name in CHIPS if arguments.suite == "kernels" or name.startswith("gfx")]
        for line in kernels.table(arguments.target or known):
            print(line, flush=True)
        return 0

    os.environ["QUADRILLE_NUM_THREADS"] = str(arguments.threads)  # read when the first kernel runs
    from . import host

    for line in host.table(arguments.threads, arguments.repeats):
        print(line, flush=True)
    return 0
