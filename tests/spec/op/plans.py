"""Which variants the certification plans run a module with.

Basic, Implicit and Hybrid, each again with ``response_mode=form_post``; clients register themselves. ``also_static``
adds the client of the file, where that makes a difference. ``dynamic`` are variants of the Dynamic plan, which leaves
the response type open.
"""

from __future__ import annotations

import pytest

from tests.kit.suite import Variant

BASIC = ("code",)
IMPLICIT = ("id_token", "id_token token")
HYBRID = ("code id_token", "code token", "code id_token token")
EVERY = (*BASIC, *IMPLICIT, *HYBRID)
WITH_CODE = (*BASIC, *HYBRID)
WITH_ACCESS_TOKEN = (*WITH_CODE, "id_token token")
WITH_ID_TOKEN = (*IMPLICIT, "code id_token", "code id_token token")
ONCE_A_PLAN = ("code", "id_token token", "code id_token")


def variants(types: tuple[str, ...], *, also_static: bool = False, auth: str = "client_secret_basic") -> list[Variant]:
    """Each type in its own mode and by form_post."""
    found = [Variant(kind, form_post, auth=auth) for kind in types for form_post in (False, True)]
    static = [Variant(kind, static=True, auth=auth) for kind in types] if also_static else []
    return [*found, *static]


def of(types: tuple[str, ...], *, also_static: bool = False, auth: str = "client_secret_basic") -> pytest.MarkDecorator:
    """The mark that runs a test with these variants."""
    return pytest.mark.parametrize("variant", variants(types, also_static=also_static, auth=auth), ids=str)


dynamic = pytest.mark.parametrize(
    "variant", [Variant(kind, auth="private_key_jwt") for kind in ("code", "code id_token")], ids=str
)
basic = pytest.mark.parametrize("variant", [Variant()], ids=str)
every_type = pytest.mark.parametrize("variant", [Variant(kind) for kind in EVERY], ids=str)
