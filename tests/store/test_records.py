"""Records: a head that scripts can read, and a rest that only the tenant's secrets open, in its own place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proxy.oidc.errors import Unavailable
from proxy.store import Key, Record, Taken, Used, key
from proxy.store.records import LIVE, REVISION, USED, Records, Unreadable
from proxy.store.sealing import Seal

SECRET, STRANGE = b"o" * 32, b"s" * 32
CODE = key("code", "c0de")
RECORDS = Records(Seal([SECRET]))
Reader = Callable[[Key, bytes | None], object]
READERS: dict[str, Reader] = {"get": RECORDS.record, "add": RECORDS.added, "take": RECORDS.taken}


def test_a_live_record_has_a_head_and_shows_nothing_else() -> None:
    """Version and state, eight bytes of revision, then sealed bytes in which no value can be read."""
    raw = RECORDS.live(CODE, {"token": "geheimnis"})
    assert raw.startswith(LIVE) and b"geheimnis" not in raw and b"token" not in raw
    assert RECORDS.record(CODE, raw) == Record({"token": "geheimnis"}, raw[REVISION])


def test_every_write_has_a_revision_of_its_own() -> None:
    """Written twice, the same value can be told apart: compare and set sees that somebody else wrote it."""
    assert len({RECORDS.live(CODE, {})[REVISION] for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("reader", "absent", "live", "used"),
    [
        ("get", None, {"n": 1}, None),
        ("add", None, {"n": 1}, Record({}, b"")),
        ("take", None, Taken({"n": 1}), Used("grant-1")),
    ],
)
def test_what_each_verb_finds(reader: str, absent: object, live: object, used: object) -> None:
    """A used record is nothing to a ``get``, something empty to an ``add``, and tells a ``take`` what it led to."""
    read = READERS[reader]
    found = read(CODE, RECORDS.live(CODE, {"n": 1}))
    assert read(CODE, None) is absent
    assert (found.value if isinstance(found, Record) else found) == live
    assert read(CODE, RECORDS.used(CODE, "grant-1")) == used


def test_a_used_record_shows_nothing_of_what_it_led_to() -> None:
    """The name of the grant is sealed too, and there is no revision left to compare."""
    raw = RECORDS.used(CODE, "geheimnis")
    assert raw.startswith(USED) and b"geheimnis" not in raw and raw[REVISION] == bytes(8)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\x02" + RECORDS.live(CODE, {})[1:], id="newer-version"),
        pytest.param(b"", id="empty"),
        pytest.param(LIVE, id="head-alone"),
        pytest.param(RECORDS.live(CODE, {})[:-1], id="cut"),
        pytest.param(Records(Seal([STRANGE])).live(CODE, {}), id="other-secret"),
        pytest.param(RECORDS.live(key("code", "mine"), {}), id="se-03-moved-from-another-key"),
        pytest.param(RECORDS.live(key("session", "c0de"), {}), id="se-03-another-kind"),
    ],
)
def test_what_cannot_be_read_is_never_absent(reader: str, raw: bytes) -> None:
    """SE-03: a record that is not ours, or not of this place, is 503; it is neither believed nor taken for nothing."""
    with pytest.raises(Unreadable) as caught:
        READERS[reader](CODE, raw)
    assert isinstance(caught.value, Unavailable) and CODE.name not in str(caught.value)


@pytest.mark.parametrize("value", [{"t": {1, 2}}, {"n": float("nan")}, {"b": b"x"}], ids=["set", "nan", "bytes"])
def test_what_is_not_json_is_refused(value: dict[str, object]) -> None:
    """What would not come back as it went in does not go in."""
    with pytest.raises((TypeError, ValueError)):
        RECORDS.live(CODE, value)


def test_a_secret_can_be_rolled_over() -> None:
    """Both secrets are live: what the old one sealed is read, what is written now the new one opens alone."""
    both = Records(Seal([STRANGE, SECRET]))
    assert both.record(CODE, RECORDS.live(CODE, {"n": 1})) is not None
    assert Records(Seal([STRANGE])).record(CODE, both.live(CODE, {"n": 2})) is not None
