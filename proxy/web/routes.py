"""Endpoints and assets become routes: every endpoint in the wrapper of its caller, none without."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp import web

from proxy.features import Endpoint, Feature
from proxy.web.callers import Callers
from proxy.web.cors import PUBLIC
from proxy.web.pages import ASSETS, Pages


def base_path(issuer: str) -> str:
    """The path below which every address of ours lies; ends in a slash, as the issuer does."""
    return urlsplit(issuer).path


def add_routes(site: web.Application, features: Sequence[Feature], callers: Callers, base: str) -> None:
    """Every endpoint of every feature, in the wrapper of its caller."""
    for feature in features:
        for endpoint in feature.endpoints():
            handler = callers.wrap(endpoint)
            for method in methods_of(endpoint):
                site.router.add_route(method, base + endpoint.path, handler)
            if endpoint.cors:
                site.router.add_route("OPTIONS", base + endpoint.path, callers.cors.preflight(endpoint))


def methods_of(endpoint: Endpoint) -> tuple[str, ...]:
    """What is asked of an endpoint, and HEAD where it only shows what is public (RFC 9110 9.3.2): there alone it cannot
    do any harm."""
    return (*endpoint.methods, "HEAD") if endpoint.cors == PUBLIC else endpoint.methods


def add_assets(site: web.Application, pages: Pages, base: str) -> None:
    """The pages' style and pictures: a closed list, read at start, under an address that changes with them."""

    async def serve(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in ASSETS:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(body=pages.assets[name], content_type=ASSETS[name], headers=headers)

    for method in ("GET", "HEAD"):
        site.router.add_route(method, f"{base}assets/{{version}}/{{name}}", serve)
