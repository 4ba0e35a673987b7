"""Forward-auth behind Haproxy, a real one, with the configuration that is printed for it."""

from __future__ import annotations

import pytest

from tests.e2e.forward_auth_suite import Behind

pytestmark = pytest.mark.e2e


class TestHaproxy(Behind):
    """The suite."""

    server = "haproxy"
