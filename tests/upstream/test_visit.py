"""A visit to a tenant: what is asked, what is seen on the way, and how long a failure takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from proxy.models import Connection
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.upstream.connections import Connections
from proxy.upstream.health import Health
from proxy.upstream.visit import Doctor, clock_skew
from tests.upstream.conftest import DOCUMENT, ISSUER, NOW, Clock, FakeTenant, connection, front


class Ward:
    """A doctor, the connections, and their tenant."""

    def __init__(self, *connections: Connection, headers: Mapping[str, str] | None = None) -> None:
        self.tenant, self.clock, self.headers = FakeTenant(), Clock(), headers or {}
        self.waited: list[float] = []
        self.known = {one.name: one for one in connections}
        self.tenants = Connections(self.known, self.send, self.clock)
        self.doctor = Doctor(self.tenants, self.known, self.clock, self.wait)

    async def wait(self, seconds: float) -> None:
        self.waited.append(seconds)

    async def send(self, request: HttpRequest) -> HttpResponse:
        answer = await self.tenant.send(request)
        ends = int(NOW + 86_400) if request.tells_certificate and "jwks" in request.url else None
        return replace(answer, headers={**answer.headers, **self.headers}, certificate_ends=ends)

    async def see(self, one: Connection) -> Health:
        return await self.doctor.see(one)


async def test_document_and_keys_are_asked_for_whatever_is_cached() -> None:
    """Twice seen, twice asked; logins' own copies stay as they are; the certificate is asked for."""
    ward = Ward(front())
    await ward.tenants.metadata(front(), since=NOW)
    for _ in range(2):
        assert (await ward.see(front())).state == "green"
    assert ward.tenant.calls == {"discovery": 3, "jwks": 2}
    assert [one.tells_certificate for one in ward.tenant.sent] == [False, True, True, True, True]
    assert {(one.seconds, one.limit, one.group) for one in ward.tenant.sent} == {(3.0, 128 * 1024, "corp")}
    assert ward.waited == []


async def test_what_is_seen_on_the_way() -> None:
    """The clock from the Date header, the certificate that ends first."""
    ward = Ward(front(), headers={"date": formatdate(NOW + 100, usegmt=True)})
    assert [one.code for one in (await ward.see(front())).warnings] == ["clock_skew", "certificate_expires"]


async def test_the_configuration_in_place_of_a_document() -> None:
    """Nothing is asked but the keys; what is missing is told all the same."""
    one = front(oidc_metadata={**DOCUMENT, "response_types_supported": ["code"]})
    ward = Ward(one)
    assert (await ward.see(one)).missing == ("response_types_supported: id_token",)
    assert ward.tenant.calls == {"jwks": 1}


@pytest.mark.parametrize(
    ("answers", "down"),
    [
        ({}, {"discovery"}),
        ({"discovery": HttpResponse(404, {}, b"")}, set()),
        ({"discovery": HttpResponse(302, {"location": "http://169.254.169.254/"}, b"")}, set()),
        ({"discovery": HttpResponse(200, {}, b"220 mail")}, set()),
        ({"discovery": HttpResponse(200, {}, b'{"secret": "of-the-inside"}')}, set()),
        ({"discovery": HttpResponse(200, {}, b'{"issuer": "https://other.example"}')}, set()),
        ({"jwks": HttpResponse(200, {}, b"{}")}, set()),
        ({}, {"jwks"}),
    ],
)
async def test_ss_09_a_visit_that_brought_nothing_takes_a_second(answers: dict[str, Any], down: set[str]) -> None:
    """SS-09, SS-05: an open port that answers with something else takes as long as a closed one."""
    ward = Ward(front())
    ward.tenant.answers, ward.tenant.down = answers, down
    health = await ward.see(front())
    assert health.state == ("unusable" if health.errors[0].code == "issuer_mismatch" else "red")
    assert ward.waited == [1.0]
    assert "inside" not in str(health)


async def test_rp_23_what_logins_do_not_believe_is_told() -> None:
    """RP-23: the document moved since the first login."""
    ward = Ward(front())
    await ward.tenants.metadata(front(), since=NOW)
    ward.tenant.document["token_endpoint"] = "https://evil.example/token"
    assert [one.code for one in (await ward.see(front())).findings] == ["metadata_moved", "certificate_expires"][::-1]


async def test_rp_22_the_others_on_the_callback_are_known() -> None:
    """RP-22: those of the same kind, and not the connection itself."""
    other = connection().model_copy(update={"name": "other"})
    one, own = connection(), connection(own_callback=True).model_copy(update={"name": "own"})
    ward = Ward(one, other, own, front().model_copy(update={"name": "front"}))
    told = next(found for found in (await ward.see(one)).findings if found.code == "mix_up")
    assert "one of other could" in told.words


async def test_a_tenant_that_asked_for_patience_is_left_alone() -> None:
    """What it said to logins holds for visits too."""
    ward = Ward(front())
    ward.tenant.answers = {"discovery": HttpResponse(429, {"retry-after": "30"}, b"")}
    for _ in range(2):
        assert (await ward.see(front())).state == "red"
    assert ward.tenant.calls["discovery"] == 1


@pytest.mark.parametrize(
    ("headers", "skew"),
    [
        ({}, 0),
        ({"date": "yesterday"}, 0),
        ({"date": "Mon, 99 Foo 9999 99:99:99 GMT"}, 0),
        ({"date": formatdate(NOW, usegmt=True)}, 0),
        ({"date": formatdate(NOW - 1, usegmt=True)}, 0),
        ({"date": formatdate(NOW + 45, usegmt=True)}, 46),
        ({"date": formatdate(NOW - 90, usegmt=True)}, -90),
        ({"date": formatdate(NOW - 90, usegmt=True), "age": "90"}, 0),
        ({"date": formatdate(NOW - 90, usegmt=True), "age": "old"}, 0),
        ({"date": "Fri, 01 Jan 9998 00:00:00 GMT"}, 0),
    ],
)
def test_ft_47_the_clock_of_an_answer(headers: Mapping[str, str], skew: int) -> None:
    """FT-47: from the Date header, with the age of a cached copy; nonsense is no difference."""
    assert abs(clock_skew(headers, NOW) - skew) <= 1


async def test_the_answer_comes_from_the_tenant_alone() -> None:
    """What it publishes is told only if it is this tenant's."""
    ward = Ward(front())
    assert (await ward.see(front())).published["issuer"] == ISSUER
