"""The people of the lab's tenants. Each has every standard claim of OpenID Connect Core 5.1, and groups and roles.

Anybody may also type a name of their own: ``somebody`` makes a person of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SCOPE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "profile": (
        "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
        "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
    "groups": ("groups", "roles"),
}  # fmt: skip
"""Which claims a scope releases (OpenID Connect Core 5.4); ``groups`` is this tenant's own."""


@dataclass(frozen=True)
class Person:
    """Somebody who can log in: the tenant's ``sub``, and what else is known."""

    sub: str
    claims: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What the login form calls them."""
        return str(self.claims["name"])

    def released(self, scopes: tuple[str, ...]) -> dict[str, Any]:
        """The claims that ``scopes`` release."""
        names = [name for scope in scopes for name in SCOPE_CLAIMS.get(scope, ())]
        return {name: self.claims[name] for name in names if name in self.claims}


def person(
    sub: str, given: str, middle: str, family: str, *, born: str, gender: str, zone: str, locale: str,
    phone: str, address: tuple[str, str, str, str, str], groups: tuple[str, ...], roles: tuple[str, ...],
) -> Person:  # fmt: skip
    """A person with every standard claim. ``address``: street, locality, region, postal code, country."""
    street, locality, region, postal, country = address
    return Person(
        sub,
        {
            "name": " ".join(filter(None, (given, middle, family))),
            "given_name": given,
            "middle_name": middle,
            "family_name": family,
            "nickname": given[:3],
            "preferred_username": sub,
            "profile": f"https://people.corp.example/{sub}",
            "picture": f"https://people.corp.example/{sub}.png",
            "website": f"https://{sub}.example/",
            "email": f"{sub}@corp.example",
            "email_verified": True,
            "gender": gender,
            "birthdate": born,
            "zoneinfo": zone,
            "locale": locale,
            "phone_number": phone,
            "phone_number_verified": True,
            "address": {
                "formatted": f"{street}\n{postal} {locality}\n{country}",
                "street_address": street,
                "locality": locality,
                "region": region,
                "postal_code": postal,
                "country": country,
            },
            "updated_at": 1_750_000_000,
            "groups": list(groups),
            "roles": list(roles),
        },
    )


PEOPLE: tuple[Person, ...] = (
    person(
        "mira", "Mira", "Joan", "Vance", born="1985-10-14", gender="female", zone="Europe/London", locale="en-GB",
        phone="+44 20 7946 0101", address=("1 Bridge Street", "London", "Greater London", "N1 9GU", "United Kingdom"),
        groups=("engineering", "on-call"), roles=("admin", "editor"),
    ),
    person(
        "jonas", "Jonas", "Emil", "Keller", born="0000-03-02", gender="male", zone="Europe/Berlin", locale="de-DE",
        phone="+49 30 23125 042;ext=7", address=("Am Ufer 7", "Berlin", "Berlin", "10115", "Deutschland"),
        groups=("sales",), roles=("viewer",),
    ),
    person(
        "zoe", "Zoë", "Ł.", "Ångström-Nuñez", born="1999", gender="non-binary", zone="America/Santiago",
        locale="es-CL", phone="+56 2 2345 6789", address=("Av. del Río 33", "Santiago", "RM", "8320000", "Chile"),
        groups=("design", "Ñandú & friends"), roles=("editor",),
    ),
)  # fmt: skip


def somebody(name: str) -> Person:
    """A person of any name: a stable ``sub`` made of its letters, an address that is not verified, no groups."""
    words = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", ".", words).strip(".")[:40] or "somebody"
    first, _, last = name.rpartition(" ")
    return Person(
        f"guest-{slug}",
        {
            "name": name,
            "given_name": first or name,
            "family_name": last if first else "",
            "preferred_username": slug,
            "email": f"{slug}@guest.example",
            "email_verified": False,
            "groups": [],
            "roles": [],
        },
    )
