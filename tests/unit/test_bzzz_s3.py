"""What a target may say of an S3-compatible store, and what it is told where it is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from systems.bzzz.backups.stores import target as module
from systems.bzzz.backups.stores.target import S3Address, S3Target, s3_address
from systems.bzzz.backups.target import BackupsTarget


def backups(**more: Any) -> BackupsTarget:
    """A target's backups."""
    return BackupsTarget.model_validate({"host": "local://", **more})


def refusal(**more: Any) -> str:
    """What is said of a wrong one."""
    with pytest.raises(ValidationError) as seen:
        backups(**more)
    return str(seen.value)


@pytest.mark.parametrize(
    ("place", "bucket", "prefix"),
    [
        ("s3://chorus-backups", "chorus-backups", ""),
        ("s3://chorus-backups/", "chorus-backups", ""),
        ("s3://chorus-backups/bzzz/", "chorus-backups", "bzzz/"),
        ("s3://a.b_C-1/one two/ü", "a.b_C-1", "one two/ü/"),
    ],
)
def test_an_address_is_a_bucket_and_a_prefix(place: str, bucket: str, prefix: str) -> None:
    """A bucket alone, and a prefix with or without a last slash, mean what `aws s3 cp` means by them."""
    assert s3_address(place) == S3Address(bucket, prefix)
    assert s3_address(backups(folder=place).folder) == S3Address(bucket, prefix)


@pytest.mark.parametrize(
    "place",
    [
        "s3://",
        "s3:///x",
        "s3://b",
        "s3://-bucket",
        "s3://bucket//x",
        "s3://bucket/x?y",
        "s3://bucket/\n",
        "S3://b/x",
    ],
)
def test_a_malformed_address_is_told(place: str) -> None:
    """An address that is none is refused with what would be right, for dumps as for copies."""
    for key in ("folder", "offsite"):
        assert "must be s3://bucket/prefix" in refusal(**{key: place})


def test_another_kind_of_address_is_told() -> None:
    """What is neither a folder nor s3:// is refused with both ways to say it."""
    assert "absolute folder on the host, or s3://bucket/prefix" in refusal(folder="gs://bucket/x")
    assert "must be an absolute folder" in refusal(offsite="relative/folder")


def test_credentials_do_not_belong_in_an_address() -> None:
    """Credentials in an address are refused, and not repeated."""
    said = refusal(folder="s3://AKID:planted-secret@bucket/x")
    assert "found credentials in it" in said
    with pytest.raises(ValueError, match="found credentials") as seen:
        s3_address("s3://AKID:planted-secret@bucket/x")
    assert "planted-secret" not in str(seen.value)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    """Whatever stands behind s3:// is an address with a bucket, or is refused."""
    try:
        found = s3_address(f"s3://{text}")
    except ValueError:
        return
    assert found.bucket
    assert "/" not in found.bucket
    assert found.prefix in {"", f"{found.prefix.rstrip('/')}/"}


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional package an s3:// address says what to install; folders need none."""
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert "pip install -e '.[systems,s3]'" in refusal(offsite="s3://bucket/x")
    assert backups(offsite="/offsite").offsite == "/offsite"


def test_who_asks_is_said_once_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are names of variables that are set, both of them, and not beside a profile."""
    monkeypatch.setenv("S3_KEY", "AKID")
    monkeypatch.setenv("S3_SECRET", "secret")
    monkeypatch.delenv("S3_NOT_SET", raising=False)
    pair = {"access_key_env": "S3_KEY", "secret_key_env": "S3_SECRET"}
    assert S3Target.model_validate(pair).secret_key_env is not None
    for given_, said in (
        ({"access_key_env": "S3_KEY"}, "belong together"),
        ({"secret_key_env": "S3_SECRET"}, "belong together"),
        ({"session_token_env": "S3_SECRET"}, "belongs to access_key_env"),
        ({**pair, "profile": "bzzz"}, "keep one"),
        ({**pair, "secret_key_env": "S3_NOT_SET"}, "S3_NOT_SET is not set"),
        ({**pair, "secret_key_env": "AKID/not a name"}, "must be the NAME of an environment variable"),
        ({"endpoint": "store.example.net:9000"}, "must be an address such as https://"),
    ):
        with pytest.raises(ValidationError, match=said):
            S3Target.model_validate(given_)


def test_a_store_lies_on_no_host() -> None:
    """An off-site copy in a store has no off-site host; what is looked at is named by host and store."""
    host = "ssh://op@backup.example.net"
    assert "take offsite_host away" in refusal(offsite="s3://bucket/x", offsite_host=host)
    assert backups(offsite="/x", offsite_host=host).places() == "local://"
    assert backups(folder="s3://a-bucket/x/", offsite="/y").places() == "local://, s3://a-bucket/x"
