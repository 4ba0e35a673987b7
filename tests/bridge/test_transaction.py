"""Transactions: one trip, one browser, once."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl

from proxy.bridge import transaction as trips
from proxy.downstream.authorize import AuthorizeRequest
from proxy.models import Transaction, Wishes
from proxy.store import Take, Taken, Used
from proxy.store.memory import MemoryStore


def a_trip(id: str = "", browser: str = "mine") -> Transaction:
    return Transaction(
        id=id or trips.new_id(browser),
        request={"client_id": "webapp"},
        client_id="webapp",
        started_at=1,
        wishes=Wishes(scopes=("openid", "email"), prompt=("login",), max_age=5, fresh=True),
        previous={"sid": "s", "user_id": "u", "auth_time": 1},
    )


async def test_a_transaction_comes_back_as_it_was_saved() -> None:
    """Every field survives the store, tuples as tuples."""
    store, trip = MemoryStore(), a_trip()
    await store.run(trips.save("b" * 43, trip))
    record = await store.get(trips.transaction_key("b" * 43, trip.id))
    assert record is not None and trips.from_value(record.value) == trip


async def test_cb_02_another_browser_finds_nothing() -> None:
    """CB-02: the state alone does not find the transaction; the browser's secret is part of its key."""
    store, trip = MemoryStore(), a_trip()
    await store.run(trips.save("mine", trip))
    (stolen,) = await store.run(Take(trips.transaction_key("theirs", trip.id)))
    (own,) = await store.run(Take(trips.transaction_key("mine", trip.id)))
    assert stolen is None and isinstance(own, Taken)


async def test_cb_03_a_state_is_taken_once() -> None:
    """CB-03: the second time it is known as used."""
    store, trip = MemoryStore(), a_trip()
    await store.run(trips.save("mine", trip))
    first, second = await store.run(*[Take(trips.transaction_key("mine", trip.id))] * 2)
    assert isinstance(first, Taken) and isinstance(second, Used)


async def test_cb_15_at_most_a_hundred_trips_are_open_in_a_browser() -> None:
    """CB-15: of 500 begun the last 100 are there, the oldest made room."""
    store = MemoryStore()
    for number in range(500):
        await store.run(trips.save("mine", a_trip(f"t{number}")))
    kept = [n for n in range(500) if await store.get(trips.transaction_key("mine", f"t{n}"))]
    assert kept == list(range(400, 500))


def test_a_login_can_be_started_again_as_it_was_asked() -> None:
    """The address of our authorization endpoint, with the client's own request."""
    asked = AuthorizeRequest("webapp", "https://app.example/cb", ("openid",), state="s&t", prompt=("login",))
    url = trips.start_again("https://sso.example/", replace(a_trip(), request=asked.as_value()))
    assert url.startswith("https://sso.example/authorize?")
    again = dict(parse_qsl(url.partition("?")[2]))
    assert again.items() >= {"client_id": "webapp", "state": "s&t", "scope": "openid", "prompt": "login"}.items()


def test_what_was_signed_is_not_started_again_from_here() -> None:
    """RFC 9101 10.5: the page offers no address where the request would be refused for want of a signature; one about
    a certain person stays about them."""
    asked = AuthorizeRequest("webapp", "https://app.example/cb", ("openid",), subject="oidc|corp|ada")
    sealed = replace(a_trip(), request=replace(asked, sealed=True).as_value())
    assert trips.start_again("https://sso.example/", sealed) == ""
    url = trips.start_again("https://sso.example/", replace(a_trip(), request=asked.as_value()))
    claims = dict(parse_qsl(url.partition("?")[2]))["claims"]
    assert claims == '{"id_token":{"sub":{"value":"oidc|corp|ada"}}}'


def test_cb_15_a_trip_knows_the_cookie_of_its_browser() -> None:
    """CB-15: the id begins as the browser's secret does, and finds that secret among several, and no other."""
    one, two = trips.new_browser(), trips.new_browser()
    assert trips.browser_of(trips.new_id(two), (one, two)) == two
    assert trips.browser_of(trips.new_id(trips.new_browser()), (one, two)) == ""
    assert trips.browser_of("", (one, two)) == "" and trips.browser_of(trips.new_id(one), ()) == ""


def test_a_cookie_belongs_to_its_slot() -> None:
    """A value under another slot's name, or of another length, is no browser's secret."""
    secret = trips.new_browser()
    assert trips.is_browser(secret, trips.slot(secret))
    assert not trips.is_browser(secret, "xxxx") and not trips.is_browser(secret + "x", trips.slot(secret))
