"""Pytest's root folder, kept whatever path an option names."""

from __future__ import annotations

import sys

import pytest

from opsverify.run import interrupt

__all__ = ["ensure_root"]


def ensure_root(config: pytest.Config) -> None:
    """Make sure that pytest found this project's settings, whatever path an option names.

    When pytest looks for its root it takes the value of an option that it does not know yet for a path to collect
    from: `--target /etc/live.toml` would make / its root, without our settings. Written with "=" it is no path, so the
    same command is run once more in that form.

    Raises:
        pytest.UsageError: the command cannot be run again, because pytest was called from a program.
    """
    arguments = list(config.invocation_params.args)
    joined = _joined(arguments)
    if config.inipath is not None or joined == arguments:
        return
    if list(map(str, arguments)) != sys.argv[1:]:
        msg = f"pytest takes the path of an option for its root; write it with '=': pytest {' '.join(joined)}"
        raise pytest.UsageError(msg)
    interrupt.replace_process([sys.executable, "-m", "opsverify", *joined])


def _joined(arguments: list[str]) -> list[str]:
    joined: list[str] = []
    for word in map(str, arguments):
        if joined and joined[-1] in (
            "--target",
            "--replay",
            "--reports",
            "--baseline",
            "--baseline-from",
            "--bundle",
            "--waivers",
            "--history",
            "--openmetrics",
        ):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined
