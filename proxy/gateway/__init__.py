"""In front of apps that speak no OpenID Connect: who may reach what, and the way there.

Two ways to carry one decision. ``reverse_proxy`` is the way through us; ``forward_auth`` answers the servers of others
(nginx, Caddy, Traefik, Envoy, HAProxy) in status codes. Both ask ``gatekeeper``, which asks ``decide``: pure, on
exactly the bytes that go on to the app. Decisions begin as "no"; one line says "yes".
"""
