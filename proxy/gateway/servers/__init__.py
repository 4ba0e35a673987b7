"""Configurations for other servers that carry the traffic and ask Isthmus: ``isthmus gateway-config SERVER``.

The templates beside this file are those configurations; what they say of hosts, routes and headers is in ``plan``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jinja2

from proxy.gateway.servers.plan import Plan

SERVERS: Final[Mapping[str, tuple[str, ...]]] = {
    "nginx": ("isthmus.conf",),
    "caddy": ("Caddyfile",),
    "haproxy": ("haproxy.cfg", "isthmus.lua"),
    "traefik": ("traefik.yaml",),
    "envoy": ("envoy.yaml",),
}
"""The servers, each with the files of its configuration."""


def configurations(server: str, plan: Plan) -> dict[str, str]:
    """The files for one of ``SERVERS``, by name."""
    return {name: _render(f"{server}.{name}.tmpl", {"plan": plan}) for name in SERVERS[server]}


def _render(template: str, values: Mapping[str, Any]) -> str:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,  # noqa: S701 - no markup
        line_comment_prefix=None, comment_start_string="{##", comment_end_string="##}",
    )  # fmt: skip
    return templates.get_template(template).render(values)
