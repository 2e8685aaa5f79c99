"""Planted secrets, looked for on every surface of a real run."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.engine.project import Project, Ran

PASSWORD, IN_URL, PIN = 'Correct&Horse"Battery', "S3cret-of-the-bulb", "qx7z"
ENV = {"LAMP_PASSWORD": PASSWORD, "LAMP_PIN": PIN}
# Where a secret may come out: as a value, in an error, on the two streams, in logs, in an assertion.
TELLS = f"""
import base64, logging, os, sys
secret = os.environ["LAMP_PASSWORD"]
print("printed", secret, {IN_URL!r})
print("printed", base64.b64encode(("user:" + secret).encode()).decode(), file=sys.stderr)
logging.getLogger("lamp").error("logged %s %s", secret, {IN_URL!r})
try:
    raise ValueError(secret)
except ValueError:
    logging.getLogger("lamp").exception("caught")
"""
BAD = (
    "seen = f'{secret} {brightness.value!r}'\n"
    "verify(Finding(holds=False, reason='told', expected='e', observed=seen, "
    "details=(os.environ['LAMP_PIN'], secret)))"
)


class Leaky(NamedTuple):
    """A run that is given every occasion to leak."""

    ran: Ran

    def surfaces(self) -> dict[str, str]:
        """Everything that it wrote anywhere."""
        files = {p.name: p.read_text(encoding="utf-8", errors="replace") for p in self.ran.files()}
        return {"stdout": self.ran.stdout, "stderr": self.ran.stderr, **files}


def forms(secret: str) -> set[str]:
    """How a secret may look."""
    raw = secret.encode()
    inside = {base64.b64encode(b"user:"[:shift] + raw).decode()[4:-4] for shift in range(3)}
    return {
        secret,
        quote(secret),
        base64.b64encode(raw).decode().rstrip("="),
        raw.hex(),
        *inside,
        secret.replace('"', "&#34;").replace("&", "&amp;", 1),
    }


def _prepare(project: Project) -> Project:
    folder = project.folder
    project.answer("bulb", value=f"the bulb says {PASSWORD} and {quote(PASSWORD)}")
    project.answer(
        "switch",
        **{
            "raise": "crash",
            "message": f"login failed for {PASSWORD} at {base64.b64encode(PASSWORD.encode()).decode()}",
        },
    )
    folder.joinpath("bulb.json").rename(folder / "b.json")
    project.target(
        'name = "porch"\n[lamp]\npassword_env = "LAMP_PASSWORD"\npin_env = "LAMP_PIN"\n'
        'switch = "switch.json"\n'
        f'bulb = "file://me:{IN_URL}@x{folder}/b.json"\n'
    )
    project.check("L-BLB-61", f"{TELLS}\n{BAD}", takes="brightness")
    project.check("L-BLB-62", f"{TELLS}\nassert secret == 'x', secret", takes="brightness")
    project.check("L-BLB-63", f"{TELLS}\nraise KeyError(secret)", takes="brightness")
    project.write(
        "checks/lamp/conftest.py",
        "import pytest, os\n@pytest.fixture\ndef broken():\n    raise OSError(os.environ['LAMP_PASSWORD'])\n",
    )
    project.check("L-BLB-64", "pass", takes="broken")
    project.write(
        "checks/lamp/test_plain.py",
        f"import os\ndef test_an_ordinary_test():\n    assert os.environ['LAMP_PASSWORD'] == {IN_URL!r}\n",
    )
    return project


_LIVE = ("--profile", "smoke", "--target", "live")


def _every_occasion(project: Project) -> Ran:
    return _prepare(project).run(*_LIVE, "-ra", env=ENV)


def _live_logs(project: Project) -> Ran:
    return _prepare(project).run(*_LIVE, "-o", "log_cli=true", "--log-file", "run.log", "-k", "63", env=ENV)


def _printed_by_pytest(path: str, text: str) -> Callable[[Project], Ran]:
    def act(project: Project) -> Ran:
        _prepare(project).write(path, text)
        return project.run(*_LIVE, "-W", "default", "-k", "warns or module or bulb", env=ENV)

    return act


_RAISE = "raise ValueError(os.environ['LAMP_PASSWORD'])\n"
RUNS: dict[str, Callable[[Project], Ran]] = {
    "every occasion": _every_occasion,
    "live logs": _live_logs,
    "module": _printed_by_pytest("checks/lamp/test_module.py", f"import os\n{_RAISE}"),
    "hook": _printed_by_pytest(
        "conftest.py",
        f"import os\npytest_plugins = ('lamp_system',)\ndef pytest_runtest_logreport(report):\n    {_RAISE}",
    ),
    "warning": _printed_by_pytest(
        "checks/lamp/test_warns.py",
        "import os, warnings\ndef test_warns():\n    warnings.warn(os.environ['LAMP_PASSWORD'])\n",
    ),
}


@pytest.fixture(scope="module")
def leaky(left_by: Callable[[str], Ran]) -> Leaky:
    """One run with every occasion."""
    ran = left_by("every occasion")
    assert ran.code == 10, ran.said
    return Leaky(ran)


@pytest.mark.parametrize("secret", [PASSWORD, IN_URL], ids=["from the environment", "from an address"])
def test_no_surface_shows_a_secret(secret: str, leaky: Leaky) -> None:
    """Neither terminal nor any report nor the journal holds a secret in any form."""
    found = [
        (name, form) for name, text in leaky.surfaces().items() for form in forms(secret) if form in text
    ]
    assert found == []
    assert {"stdout", "report.html", "report.json", "junit.xml", "journal.jsonl"} <= set(leaky.surfaces())


def test_a_short_secret_is_masked_as_a_whole_value_with_a_warning(leaky: Leaky) -> None:
    """A secret under 8 characters that is a whole value is masked, and the run warns that it does no more."""
    for check in leaky.ran.report["checks"]:
        for finding in check["findings"]:
            assert PIN not in finding["details"]
    assert any("pin_env is shorter than 8 characters" in w for w in leaky.ran.report["warnings"])


def test_what_is_no_secret_stays(leaky: Leaky) -> None:
    """The rest of a message is still there."""
    assert "the bulb says [redacted]" in leaky.ran.check("L-BLB-61")["findings"][0]["observed"]
    assert "login failed for [redacted]" in leaky.ran.check("L-SWI-1")["explanation"]


def test_live_logs_show_no_secret(left_by: Callable[[str], Ran]) -> None:
    """Logs that are shown as they come, and a log file, hold no secret, tracebacks included."""
    chatty = left_by("live logs")
    log = (chatty.folder.parents[1] / "run.log").read_text(encoding="utf-8")
    assert "logged [redacted]" in chatty.stdout
    assert [form for form in forms(PASSWORD) if form in chatty.stdout + log] == []


@pytest.mark.parametrize("where", ["module", "hook", "warning"])
def test_what_pytest_prints_itself_shows_no_secret(where: str, left_by: Callable[[str], Ran]) -> None:
    """A secret in the traceback of a check file, of a hook, or in a warning is masked."""
    assert [form for form in forms(PASSWORD) if form in left_by(where).said] == []
