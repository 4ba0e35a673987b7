"""Isthmus: a federation proxy with two shores and a bridge.

      upstream tenant  <----  upstream   |   bridge   |   downstream  ---->  apps
                              we ask     |  we cross  |   we answer

    oidc         words both shores speak                        (pure; imports nothing of ours)
    upstream     the Relying Party: discovery, code and front channel, ID token checks
    bridge       the only package that knows both shores: login, transaction, profile, session
    downstream   the OpenID Provider: authorize, token, userinfo, logout; one file a feature
    store        a few verbs, kept in memory or in Redis
    management   the Management API: connections by program, in Auth0's shapes
    web          callers, session cookie, pages, the listening server
    app.py       puts everything together; its one list says what is switched on

Plugin authors need one name from here: ``hookimpl``.
"""

from proxy.hooks import hookimpl

__all__ = ["hookimpl"]
__version__ = "0.1.0"
