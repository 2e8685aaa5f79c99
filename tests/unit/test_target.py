"""A bad target file is refused with file, key, what was found, and what would be right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict

from opsverify.evidence.redaction import Redactor
from opsverify.model.limits import Limit, Limits
from opsverify.target.file import EnvSecret, Section, Target, TargetError, load_target

if TYPE_CHECKING:
    from pathlib import Path


class Heat(BaseModel):
    """A nested table."""

    model_config = ConfigDict(extra="forbid")

    url: str = ""
    degrees: int = 0
    password_env: EnvSecret | None = None


class StoveLimits(Limits):
    """One limit."""

    warmth: Limit = Limit(value=20, unit="°C", source="assumed")


class Stove(Section):
    """A system with two surfaces."""

    surfaces: ClassVar[tuple[str, ...]] = ("oven", "plate")

    oven: Heat | None = None
    plate: str | None = None
    limits: StoveLimits = StoveLimits()

    def addresses(self) -> dict[str, str]:
        """Address of each configured surface."""
        return {k: v for k, v in (("oven", self.oven.url if self.oven else None), ("plate", self.plate)) if v}


def load(folder: Path, text: str, name: str = "kitchen.toml") -> Target:
    """Write a target file and read it."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return load_target(path, {"stove": Stove})


GOOD = 'name = "kitchen"\n[stove]\nplate = "http://plate:1"\n'
AHEAD = (datetime.now(UTC) + timedelta(hours=25)).isoformat()
SOON = (datetime.now(UTC) + timedelta(hours=23)).isoformat()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('nam = "k"\n' + GOOD, ["unknown key 'nam'", "did you mean 'name'?"]),
        (GOOD + 'plat = "x"\n', ["unknown key 'stove.plat'", "did you mean 'plate'?", "keys here:"]),
        (GOOD + "[stove.oven]\ndegres = 3\n", ["unknown key 'stove.oven.degres'", "did you mean 'degrees'?"]),
        (
            GOOD + "[stove.limits]\nwarmt = 3\n",
            ["unknown key 'stove.limits.warmt'", "did you mean 'warmth'?"],
        ),
        ("[stov]\n" + GOOD.replace("[stove]", "[stove]"), ["unknown key 'stov'", "did you mean 'stove'?"]),
        (GOOD + '[stove.oven]\ndegrees = "hot"\n', ["stove.oven.degrees", "found 'hot' (str)", "integer"]),
        (GOOD.replace('"kitchen"', "7"), ["name: found '7' (int)", "string"]),
        (GOOD.replace('"kitchen"', '"my kitchen"'), ["name", "'my kitchen'"]),
        ('[stove]\nplate = "http://plate:1"\n', ["key 'name' is missing", "add a line `name = …`"]),
        (
            GOOD + '[stove.oven]\npassword_env = "NO_SUCH_VARIABLE"\n',
            ["stove.oven.password_env", "NO_SUCH_VARIABLE is not set", "export NO_SUCH_VARIABLE=…"],
        ),
        (
            GOOD + '[stove.oven]\npassword_env = "EMPTY_VARIABLE"\n',
            ["stove.oven.password_env", "EMPTY_VARIABLE is empty"],
        ),
        (
            GOOD + '[stove.oven]\npassword_env = "not a name!"\n',
            ["stove.oven.password_env", "NAME of an environment variable"],
        ),
        (GOOD + f'[arm]\nactions = ["press"]\nexpires = {AHEAD}\n', ["arm.expires", "at most 24 h ahead"]),
        (GOOD + "[arm]\nexpires = 2030-01-01T00:00:00\n", ["arm.expires", "timezone"]),
        (GOOD + '[arm]\nactions = ["press"]\n', ["'arm.expires' is missing", "under [arm]"]),
        (
            GOOD + '[stove.absent]\novn = "sold"\n',
            ["stove", "absent.ovn", "surfaces are oven, plate", "did you mean 'oven'?"],
        ),
        (GOOD + '[stove.absent]\noven = " "\n', ["absent.oven", "needs a reason"]),
        (
            GOOD + '[stove.absent]\nplate = "sold"\n',
            ["absent.plate", "declared absent and configured as http://plate:1"],
        ),
        (
            GOOD + '[servers]\nprovider = "embedded"\n',
            ["stove.plate", "http://plate:1", "remove the address"],
        ),
        (GOOD + '[servers]\nprovider = "cloud"\n', ["servers.provider", "'cloud'", "embedded"]),
        ('name = "kitchen"\n', ["names no system", "[stove]"]),
        (GOOD + '[severity]\n"A-B-1" = "P9"\n', ["severity.A-B-1", "'P9'"]),
        ("name = kitchen\n", ["not valid TOML", "line 1"]),
    ],
)
def test_bad_input_is_told_with_its_key_and_remedy(
    text: str, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each bad input is refused in words that name the file, the key, what was found and what would be
    right.
    """
    monkeypatch.setenv("EMPTY_VARIABLE", "")
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    with pytest.raises(TargetError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "kitchen.toml"))
    assert [part for part in told if part not in message] == []


def test_every_trouble_has_a_line(tmp_path: Path) -> None:
    """Two mistakes are told at once, a line each."""
    with pytest.raises(TargetError) as caught:
        load(tmp_path, GOOD + 'plat = "x"\n[stove.oven]\ndegrees = "hot"\n')
    assert len(str(caught.value).splitlines()) == 2


def test_a_missing_file_names_the_nearest_one(tmp_path: Path) -> None:
    """A file that does not exist is refused with what is there and the nearest name."""
    load(tmp_path, GOOD, "kitchen.toml")
    with pytest.raises(
        TargetError,
        match=r"kichen\.toml: no such target file.*; did you mean 'kitchen\.toml'\?",
    ):
        load_target(tmp_path / "kichen.toml", {"stove": Stove})


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A folder and a file that is no UTF-8 are refused with their path."""
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    for bad in (tmp_path, tmp_path / "latin.toml"):
        with pytest.raises(TargetError, match="cannot be read"):
            load_target(bad, {"stove": Stove})


def test_a_good_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good file gives sections, limits, arming and secrets, and keeps secret values out of its text."""
    monkeypatch.setenv("STOVE_PASSWORD", "very-hot-secret")
    target = load(
        tmp_path,
        GOOD.replace("plate:1", "cook:p%40ss@plate:1")
        + (
            '[stove.oven]\nurl = "http://oven"\npassword_env = "STOVE_PASSWORD"\n'
            "[stove.limits]\nwarmth = 30\n"
            f'[arm]\nfaults = ["cold"]\nexpires = {SOON}\n'
        ),
    )
    section = target.sections()["stove"]
    assert isinstance(section, Stove)
    assert section.limits.warmth.value == 30
    assert section.unconfigured() == []
    assert not target.owned
    assert target.secrets() == {"stove.oven.password_env": "very-hot-secret", "stove.plate": "p@ss"}
    assert "very-hot-secret" not in repr(target)


def test_a_surface_that_nobody_mentions_is_unconfigured(tmp_path: Path) -> None:
    """A surface is unconfigured until it has an address or a reason for its absence."""
    assert load(tmp_path, GOOD).sections()["stove"].unconfigured() == ["oven"]
    assert load(tmp_path, GOOD + '[stove.absent]\noven = "sold"\n').sections()["stove"].unconfigured() == []


def test_the_key_is_the_instance_and_not_the_file(tmp_path: Path) -> None:
    """Two files that name the same addresses have one key; another address, another key."""
    one = load(tmp_path, GOOD, "a.toml")
    same = load(tmp_path, GOOD.replace("kitchen", "cellar") + '[stove.absent]\noven = "sold"\n', "b.toml")
    other = load(tmp_path, GOOD.replace("plate:1", "plate:2"), "c.toml")
    assert one.key == same.key
    assert one.key != other.key


@pytest.mark.parametrize("spelled", ["http://PLATE:1", "http://plate:1/", "http://cook:secret-one@plate:1"])
def test_the_key_does_not_depend_on_spelling(spelled: str, tmp_path: Path) -> None:
    """Host case, a final slash and a login do not make another instance."""
    assert (
        load(tmp_path, GOOD.replace("http://plate:1", spelled), "a.toml").key
        == load(tmp_path, GOOD, "b.toml").key
    )


@pytest.mark.parametrize("more", ['[servers]\nprovider = "embedded"\n', '[stove.absent]\nplate = "sold"\n'])
def test_a_refusal_never_prints_a_password(more: str, tmp_path: Path) -> None:
    """A password in an address stays out of the message that refuses the file."""
    with pytest.raises(TargetError) as caught:
        load(tmp_path, GOOD.replace("plate:1", "cook:very-hot-secret@plate:1") + more)
    assert "very-hot-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[notify]]\nkind = "pidgeon"', ["notify.0.kind: found 'pidgeon'", "'alertmanager', 'slack'"]),
        ('[[notify]]\nurl_env = "A_URL"', ["key 'notify.0.kind' is missing", "under [[notify]]"]),
        ('[[notify]]\nkind = "slack"', ["url_env' is missing", "under [[notify]]"]),
        (
            '[[notify]]\nkind = "slack"\nurl_env = "A_URL"\nat_lest = "P1"',
            ["did you mean 'at_least'?", "token_env"],
        ),
        ('[[notify]]\nkind = "slack"\nurl_env = "NO_URL"', ["notify.0.slack.url_env", "https://host/path"]),
        ('[[notify]]\nkind = "slack"\nurl_env = "https://a/b"', ["NAME of an environment variable"]),
        (
            '[[notify]]\nkind = "slack"\nurl_env = "A_URL"\n' * 2,
            ["two receivers are called 'slack'; give each its own name"],
        ),
        ('[history]\nurl_env = "A_URL"', ["history.url_env", "postgresql://user:password@host/database"]),
        ('[history]\nurl_env = "A_DATABASE"\npath = "h"', ["has both path and url_env; keep one"]),
        ("[canary]\ndown_after = 0", ["canary.down_after: found '0'"]),
        ("[canary]\nflapping_changes = 10", ["flapping_changes = 10 cannot happen in flapping_runs = 10"]),
        ("[canary]\nconfirm_after = 21", ["canary.confirm_after"]),
        ('[canary]\nping_url_env = "NO_URL"', ["canary.ping_url_env", "https://host/path"]),
    ],
)
def test_a_wrong_canary_says_what_would_be_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: list[str]
) -> None:
    """Whom to tell, where to remember and when a check is down are refused with key, what was found, and the remedy."""
    monkeypatch.setenv("A_URL", "https://hooks.example.net/path")
    monkeypatch.setenv("NO_URL", "ftp-no-address")
    monkeypatch.setenv("A_DATABASE", "postgresql://u:a-long-password@host/db")
    with pytest.raises(TargetError) as caught:
        load(tmp_path, GOOD + text + "\n")
    assert [part for part in told if part not in str(caught.value)] == [], str(caught.value)


def test_the_secrets_of_a_canary_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses and keys that the environment holds are secrets, and so is the password inside such an address."""
    monkeypatch.setenv("A_URL", "https://hooks.example.net/T0/secret-path")
    monkeypatch.setenv("A_DATABASE", "postgresql://u:a-long-password@host/db")
    text = '[[notify]]\nkind = "slack"\nurl_env = "A_URL"\n[history]\nurl_env = "A_DATABASE"\n'
    redactor = Redactor(load(tmp_path, GOOD + text).secrets())
    for secret in ("https://hooks.example.net/T0/secret-path", "/T0/secret-path", "a-long-password"):
        assert secret not in redactor.text(f"told {secret} all")
