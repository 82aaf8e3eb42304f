"""`quadrille demo`: a linear layer's three products under 4-bit recipes, on real operands.

operands.py     the tensors: a sample in the package, or full files from a path
experiment.py   compiles and runs every recipe on every linear and measures
screen.py       what is shown: one screen, a JSON file, a figure
"""

from __future__ import annotations

from pathlib import Path


def add_command(commands) -> None:
    """Registers `quadrille demo` with an argparse subparsers object."""
    parser = commands.add_parser("demo", help="a UFP4 linear layer on real operands, compiled for this CPU")
    parser.add_argument(
        "path", nargs="?", type=Path, help="folder of layer*_*.npz files (default: the packaged sample)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("quadrille-demo"), help="folder of the table and figure"
    )
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Runs the experiment, prints the screen, writes demo.json and demo.png."""
    from ..progress import progress
    from . import experiment, operands, screen

    linears = operands.load(arguments.path)
    arguments.output.mkdir(parents=True, exist_ok=True)
    cases, results = experiment.cases(), experiment.Results()
    with progress(f"compile {len(cases)} programs") as step:
        experiment.compile_all(linears, cases, results, step)
    with progress(f"run them on {len(linears)} linears") as step:
        experiment.run(linears, cases, results, step)
    screen.write_json(results, arguments.output / "demo.json")
    drawn = screen.draw(results, arguments.output / "demo.png")
    print(screen.render(results, linears, arguments.output, drawn))
    return 0
