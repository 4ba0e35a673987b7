"""A tenant that says "later" is left alone."""

from __future__ import annotations

import pytest

from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.upstream.patience import LONGEST, UNSAID, Patience
from tests.upstream.conftest import Clock


class Busy:
    """Answers with a status and a Retry-After, and counts."""

    def __init__(self, status: int, after: str | None) -> None:
        self.calls = 0
        self.answer = HttpResponse(status, {} if after is None else {"retry-after": after}, b"")

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.calls += 1
        return self.answer


@pytest.mark.parametrize(
    ("status", "after", "seconds"),
    [
        (429, "10", 10),
        (503, "10", 10),
        (503, "86400", LONGEST),
        (503, "9" * 5000, UNSAID),
        (503, "-5", UNSAID),
        (503, "Wed, 21 Oct 2099 07:28:00 GMT", UNSAID),
        (503, "\u0663", UNSAID),
        (429, None, 0),
        (200, "10", 0),
        (503, "0", 0),
    ],
)
async def test_ft_39_retry_after_is_kept(status: int, after: str | None, seconds: int) -> None:
    """FT-39: no call before the time the tenant named, at most a minute; then one goes through."""
    clock, busy = Clock(), Busy(status, after)
    send = Patience(busy.send, clock).send
    one = HttpRequest("GET", "https://idp.example/", group="corp")
    await send(one)
    for second in range(seconds):
        clock.now = 1_800_000_000.0 + second
        with pytest.raises(UpstreamError) as caught:
            await send(one)
        assert (caught.value.status, caught.value.reason) == (503, "retry_after")
    assert busy.calls == 1
    clock.now = 1_800_000_000.0 + seconds
    await send(one)
    assert busy.calls == 2


async def test_ft_39_other_tenants_are_not_held_up() -> None:
    """FT-39: the pause is the tenant's own."""
    busy = Busy(503, "60")
    send = Patience(busy.send, Clock()).send
    await send(HttpRequest("GET", "https://idp.example/", group="a"))
    await send(HttpRequest("GET", "https://idp.example/", group="b"))
    assert busy.calls == 2
