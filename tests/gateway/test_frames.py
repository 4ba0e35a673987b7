"""Where frames begin and end, however they are cut into pieces, and which never go on."""

from __future__ import annotations

import itertools

import pytest

from proxy.gateway.frames import PROTOCOL, TOO_BIG, Frames, close_frame, ping_frame

MASK = b"\x01\x02\x03\x04"
LIMIT = 100_000


def frame(payload: bytes, *, opcode: int = 2, fin: bool = True, rsv: int = 0, mask: bytes = b"") -> bytes:
    """A frame as the section says it is."""
    size, first = len(payload), (0x80 if fin else 0) | rsv << 4 | opcode
    flag = 0x80 if mask else 0
    if size < 126:
        head = bytes((first, flag | size))
    elif size < 65_536:
        head = bytes((first, flag | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, flag | 127)) + size.to_bytes(8, "big")
    return head + mask + payload


SIZES = (0, 1, 124, 125, 126, 127, 65_535, 65_536, LIMIT)
FLOW = [frame(b"x" * size) for size in SIZES]


@pytest.mark.parametrize("masked", [False, True], ids=["app", "browser"])
@pytest.mark.parametrize("size", SIZES)
def test_rfc6455_5_2_each_length_goes_through(size: int, masked: bool) -> None:
    """RFC 6455 5.2: at the bounds of the three forms, with and without a mask, as one piece; then we are between."""
    frames, whole = Frames(LIMIT, masked=masked), frame(b"x" * size, mask=MASK if masked else b"")
    for _ in range(2):
        assert frames.feed(whole) is whole and frames.between and not frames.fault


@pytest.mark.parametrize("masked", [False, True], ids=["app", "browser"])
@pytest.mark.parametrize("piece", [1, 2, 3, 7, 13, 100, 65_537])
def test_ds_17_whatever_the_pieces_the_same_bytes_go_on(piece: int, masked: bool) -> None:
    """DS-17: 1-byte fragments and others: nothing is lost, added or held back but the beginning of a header."""
    frames = Frames(LIMIT, masked=masked)
    flow = b"".join(frame(b"x" * size, mask=MASK if masked else b"") for size in (0, 1, 125, 126, 300, 65_536, 5))
    out = b""
    for at in range(0, len(flow), piece):
        before = len(out)
        out += frames.feed(flow[at : at + piece])
        assert len(out) - before <= piece + 9 and len(out) <= at + piece
    assert out == flow and frames.between


def test_rfc6455_5_2_we_are_between_two_frames_and_nowhere_else() -> None:
    """At every cut of two frames: inside one we are not between; with the beginning of a header alone we are."""
    one, two = frame(b"x" * 200), frame(b"y" * 3)
    flow = one + two
    for cut in range(len(flow)):
        frames = Frames(LIMIT, masked=False)
        out = frames.feed(flow[:cut])
        assert frames.between == (out in (b"", one))
        assert out + frames.feed(flow[cut:]) == flow and frames.between


@pytest.mark.parametrize(("opcode", "rsv", "fin"), [*itertools.product((0, 1, 2, 3, 7), (0, 4, 7), (True, False))])
def test_rfc6455_5_2_data_opcodes_fragments_and_extensions_are_left_alone(opcode: int, rsv: int, fin: bool) -> None:
    """RSV bits belong to extensions, the order of fragments to the app."""
    frames, whole = Frames(LIMIT, masked=False), frame(b"abc", opcode=opcode, rsv=rsv, fin=fin)
    assert frames.feed(whole) == whole and not frames.fault


BAD = {
    "126 in the second form is the least": b"\x82\x7e\x00\x7d" + b"x" * 125,
    "65536 in the third form is the least": b"\x82\x7f" + (65_535).to_bytes(8, "big"),
    "the first bit of the third form": b"\x82\x7f\x80" + bytes(7),
    "a long ping": b"\x89\x7e\x00\x7e" + b"x" * 126,
    "a longest ping": b"\x89\x7f",
    "a ping in fragments": b"\x09\x00",
    "a close in fragments": b"\x08\x00",
    "a long control frame of later": b"\x8b\x7e",
    "a mask from the app": b"\x82\x80" + MASK,
    "a masked close from the app": b"\x88\x80" + MASK,
}


@pytest.mark.parametrize("piece", [1, 100])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_rfc6455_5_5_what_two_readers_could_read_differently_is_refused(bad: bytes, piece: int) -> None:
    """RFC 6455 5.1, 5.2, 5.5: not a byte of it goes on, nor of what follows; what came before it did."""
    frames, good = Frames(LIMIT, masked=False), frame(b"abc")
    flow = good + bad + good
    out = b"".join(frames.feed(flow[at : at + piece]) for at in range(0, len(flow), piece))
    assert out == good and frames.fault == PROTOCOL and frames.between and not frames.closing


@pytest.mark.parametrize("opcode", [1, 8, 9])
def test_rfc6455_5_1_a_browsers_frame_without_a_mask_is_refused(opcode: int) -> None:
    """RFC 6455 5.1."""
    frames = Frames(LIMIT, masked=True)
    assert frames.feed(frame(b"abc", opcode=opcode)) == b"" and frames.fault == PROTOCOL


@pytest.mark.parametrize("size", [LIMIT + 1, 64 * 1024 * 1024, 2**63 - 1])
def test_ds_17_a_frame_beyond_the_limit_is_refused_by_its_header(size: int) -> None:
    """DS-17: 64 MB are refused when they are announced; nothing of them is kept."""
    frames = Frames(LIMIT, masked=True)
    assert frames.feed(b"\x82\xff" + size.to_bytes(8, "big")) == b"" and frames.fault == TOO_BIG
    assert frames.feed(b"x" * 1000) == b""


def test_rfc6455_5_5_1_after_a_close_nothing_goes_on() -> None:
    """RFC 6455 5.5.1: the Close itself does, in one piece or many."""
    end = close_frame(1000, "bye")
    for piece in (1, 100):
        frames, flow, out = Frames(LIMIT, masked=False), end + frame(b"late"), b""
        for at in range(0, len(flow), piece):
            out += frames.feed(flow[at : at + piece])
        assert out == end and frames.closing and frames.between and not frames.fault


def test_the_rest_of_a_frame_can_be_had_alone() -> None:
    """What follows it is gone, whether it came in the same piece or in another."""
    whole = frame(b"x" * 300)
    for cut in range(5, len(whole)):
        frames = Frames(LIMIT, masked=False)
        out = frames.feed(whole[:cut])
        assert out + frames.finish(whole[cut:] + whole) == whole and frames.between and frames.finish(whole) == b""


@pytest.mark.parametrize("mask", [b"", MASK])
def test_frames_of_ours_are_frames(mask: bytes) -> None:
    """RFC 6455 5.5.1, 5.3: two bytes of code, then the text; as a browser would send it with a mask."""
    made = close_frame(1008, "session ended", mask)
    frames = Frames(LIMIT, masked=bool(mask))
    assert frames.feed(made) == made and frames.closing and frames.between
    payload = made[2 + len(mask) :]
    plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if mask else payload
    assert plain == (1008).to_bytes(2, "big") + b"session ended"
    assert len(close_frame(1008, "x" * 500)) == 127
    assert ping_frame() == b"\x89\x00"


@pytest.mark.parametrize("junk", [b"", b"\x00", b"\xff", b"HTTP/1.1 200 OK\r\n\r\n", bytes(range(256)) * 4])
def test_ds_17_junk_never_raises(junk: bytes) -> None:
    """Whatever comes, at every cut: an answer, and no more bytes than came."""
    for masked, cut in itertools.product((True, False), range(len(junk) + 1)):
        frames = Frames(125, masked=masked)
        out = frames.feed(junk[:cut]) + frames.feed(junk[cut:])
        assert junk.startswith(out)
