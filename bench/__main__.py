"""Runs every measurement and prints one table; it judges nothing, and writes only the file of --write."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.beside_pytest import beside_pytest
from bench.endpoints import endpoints, raise_descriptors
from bench.gathering import SIZES, against_bare
from bench.measured import Row, markdown, note
from bench.restoring import SIZES_MB, restoring
from bench.whole_runs import black_hole, overhead, smoke

PARTS = ("whole", "gathering", "overhead", "black-hole", "smoke", "restoring")
CHECKS = 5000
EACH = 2  # a connection has two ends; the server's are in its own process, but count with a margin


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[[], *PARTS], help=f"what to measure (default: {', '.join(PARTS)})"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, metavar="N", help="how often each is measured (default: 3)"
    )
    parser.add_argument(
        "--checks", type=int, default=CHECKS, metavar="N", help=f"checks of the large run (default: {CHECKS})"
    )
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=SIZES_MB,
        metavar="MB",
        help=f"dumps to restore, in MB of SQL (default: {' '.join(map(str, SIZES_MB))})",
    )
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="write the table there too, for example docs/benchmark.md"
    )
    options = parser.parse_args()
    parts = options.parts or PARTS
    may_open = raise_descriptors()
    sizes = tuple(n for n in SIZES if n * EACH <= may_open)
    if sizes != SIZES:
        note(
            f"only {may_open} files may be open: left out {', '.join(str(n) for n in SIZES if n not in sizes)} endpoints"
        )
    rows: list[Row] = []
    with endpoints() as where:
        if "whole" in parts:
            rows += beside_pytest(where, options.repeats)
        if "gathering" in parts:
            rows += against_bare(where, sizes, options.repeats)
        if "overhead" in parts:
            rows += overhead(options.checks, options.repeats)
        if "black-hole" in parts:
            rows += black_hole(where, options.repeats)
    if "smoke" in parts:
        rows += smoke(options.repeats)
    if "restoring" in parts:
        rows += restoring(tuple(options.sizes), options.repeats)
    table = markdown(rows)
    print(table)
    if options.write is not None:
        text = (
            f"# Benchmark\n\nWhat the engine costs, and its goals; measured by `python -m bench`.\n\n{table}"
        )
        options.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
