"""The rooms of the lab: each a tenant with its people and its ways. The first is healthy; data, not code, tells them
apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.lab.people import PEOPLE, Person


@dataclass(frozen=True)
class LabClient:
    """A Relying Party registered at a room. Without a secret it is public: PKCE is then compulsory."""

    client_id: str
    redirect_uris: tuple[str, ...]
    client_secret: str = ""
    post_logout_redirect_uris: tuple[str, ...] = ()


@dataclass(frozen=True)
class Room:
    """A tenant to log in at: its name, what the login page says about it, who lives there."""

    name: str
    title: str
    about: str
    people: tuple[Person, ...] = PEOPLE

    def find(self, sub: str) -> Person | None:
        """The person with that ``sub``."""
        return next((person for person in self.people if person.sub == sub), None)


HEALTHY = Room(
    name="healthy",
    title="Corp login",
    about="A tenant on this machine, made for trying things out. It asks for no password.",
)

ROOMS: Mapping[str, Room] = {room.name: room for room in (HEALTHY,)}


@dataclass
class Login:
    """A live login at a tenant: who, when, and the session id that goes into ID tokens."""

    person: Person
    at: int
    sid: str


@dataclass
class Grant:
    """What a code or an access token stands for."""

    client: LabClient
    login: Login
    scopes: tuple[str, ...]
    expires: int
    redirect_uri: str = ""
    nonce: str = ""
    challenge: str = ""
    token: str = ""


@dataclass
class Memory:
    """What a tenant remembers while it runs."""

    logins: dict[str, Login] = field(default_factory=dict)
    codes: dict[str, Grant] = field(default_factory=dict)
    used: dict[str, Grant] = field(default_factory=dict)
    tokens: dict[str, Grant] = field(default_factory=dict)
