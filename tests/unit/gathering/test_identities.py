"""One run sees one server: identities are looked at before everything else and again after it."""

from __future__ import annotations

from opsverify.model.observation import Bracketed, ErrorKind, Unobservable
from tests.unit.gathering.toy import Named, gather, identity, kinds, raises, site, spec, takes, trouble

GONE = Unobservable(ErrorKind.REFUSED, "gone")


async def test_an_identity_that_stays_is_kept_with_both_ends() -> None:
    """The identity is looked at first and last, and stands on everything seen of that surface."""
    seen = await gather(
        [spec("who", identity("a", "a"), identity=True), spec("o", takes(0)), spec("other", takes(0), "s1")]
    )
    assert seen["who"].value == Bracketed[Named].model_construct(
        first=Named(identity="a"), last=Named(identity="a")
    )
    assert (seen["who"].identity, seen["o"].identity, seen["other"].identity) == ("a", "a", "")


async def test_an_identity_that_changes_makes_the_rest_unknown() -> None:
    """What was seen of a server that changed in between was not observed; the change itself was, and other
    surfaces were.
    """
    seen = await gather(
        [
            spec("who", identity("a", "b"), identity=True),
            spec("o", takes(0)),
            spec("both", takes(0), "s1", "s0"),
            spec("refused", raises(ConnectionRefusedError())),
            spec("other", takes(0), "s1"),
        ]
    )
    assert (seen["who"].value.first.identity, seen["who"].value.last.identity) == ("a", "b")
    for name in ("o", "both"):
        trouble = seen[name].unobservable
        assert trouble is not None
        assert trouble.kind is ErrorKind.IDENTITY_CHANGED
        assert "s0 was a at the start of the run and b at its end" in trouble.seen
    refused = seen["refused"].unobservable
    assert refused is not None
    assert refused.kind is ErrorKind.REFUSED
    assert seen["other"].value == 1


async def test_an_identity_that_goes_away_makes_the_rest_unknown() -> None:
    """A server that is gone at the end was not observed as one."""
    seen = await gather(
        [
            spec("who", identity("a", Unobservable(ErrorKind.REFUSED, "gone")), identity=True),
            spec("o", takes(0)),
        ]
    )
    assert [o.unobservable.kind if o.unobservable else None for o in seen.values()] == [
        ErrorKind.REFUSED,
        ErrorKind.IDENTITY_CHANGED,
    ]


async def test_an_identity_that_never_answered_leaves_the_rest() -> None:
    """Without an identity at the start nothing is doubted, whatever answers at the end; why there is none is told."""
    for last in (Unobservable(ErrorKind.DENIED, "no"), GONE, "b"):
        start = Unobservable(ErrorKind.DENIED, "no rights yet")
        seen = await gather([spec("who", identity(start, last), identity=True), spec("o", takes(0))])
        assert kinds(seen) == {"who": ErrorKind.DENIED, "o": None}
        assert trouble(seen["who"]).seen == "no rights yet"
        assert seen["o"].identity == ""


async def test_one_identity_that_is_lost_does_not_speak_for_the_next() -> None:
    """Where one never answered and one went away, the change of a third is seen all the same."""
    for first in ((GONE, GONE), ("a", GONE)):
        seen = await gather(
            [
                spec("lost", identity(*first), identity=True),
                spec("who", identity("b", "c"), "s1", identity=True),
                spec("o", takes(0), "s1"),
            ]
        )
        assert kinds(seen) == {"lost": ErrorKind.REFUSED, "who": None, "o": ErrorKind.IDENTITY_CHANGED}


async def test_what_came_of_two_servers_has_both_their_identities() -> None:
    """The identities of all surfaces of a look stand on it, each once."""
    seen = await gather(
        [
            spec("who", identity("a", "a"), identity=True),
            spec("other", identity("b", "b"), "s1", identity=True),
            spec("o", takes(0), "s0", "s1"),
        ]
    )
    assert seen["o"].identity == "a + b"


async def test_an_identity_speaks_for_its_own_system_only() -> None:
    """Another system's surface of the same name is another server."""
    seen = await gather(
        [
            spec("who", identity("a", "b"), identity=True),
            spec("o", takes(0)),
            spec("theirs", identity("x", "x"), identity=True, system="other"),
            spec("p", takes(0), system="other"),
        ],
        site(),
        site(name="other"),
    )
    assert kinds(seen) == {"who": None, "o": ErrorKind.IDENTITY_CHANGED, "theirs": None, "p": None}
    assert (seen["o"].identity, seen["p"].identity) == ("a", "x")
