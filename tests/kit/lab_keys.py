"""RSA keys for tenants of the lab, made once for all tests: making one costs more than a login."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import count

from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.lab.keys import new_rsa


@cache
def lab_key(number: int = 0) -> rsa.RSAPrivateKey:
    """One of them."""
    return new_rsa()


def in_turn() -> Callable[[], rsa.RSAPrivateKey]:
    """Gives two of them, again and again: a tenant that rotates never has the same twice running."""
    numbers = count()
    return lambda: lab_key(next(numbers) % 2)
