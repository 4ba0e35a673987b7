"""The lab's pages: a login form, a goodbye, a mistake, and the form that posts an answer back.

Server-rendered, no script but the one line of the form_post page; the policy names it by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from proxy.oidc.urls import origin

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5a6675; --paper: #ffffff; --back: #eef1f5;
        --line: #c9d1db; --deep: #1f5c57; --focus: #0b63ce; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ecf1; --soft: #a3afbd; --paper: #1b222c; --back: #11161d; --line: #3a4655;
          --deep: #7fd1c7; --focus: #7db5ff; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--back);
       color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 26rem; padding: 2rem; background: var(--paper); border: 1px solid var(--line);
       border-top: .4rem solid var(--deep); border-radius: .5rem; overflow-wrap: anywhere; }
main.wide { max-width: 44rem; }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; line-height: 1.2; }
h2 { margin: 1.5rem 0 .5rem; font-size: 1rem; }
p { margin: 0 0 1rem; color: var(--soft); }
button, input, .button { font: inherit; width: 100%; min-height: 2.75rem; padding: .5rem .75rem; border-radius: .375rem;
       border: 1px solid var(--soft); background: var(--paper); color: var(--ink); }
button, .button { display: block; cursor: pointer; text-align: left; text-decoration: none; margin-bottom: .5rem; }
button:hover, .button:hover { border-color: var(--deep); box-shadow: inset 0 0 0 1px var(--deep); }
.first { background: var(--deep); border-color: var(--deep); color: var(--paper); text-align: center; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
button small { display: block; color: var(--soft); }
label { display: block; margin: 1.25rem 0 .25rem; }
label + input { margin-bottom: .5rem; }
table { width: 100%; border-collapse: collapse; margin-bottom: 1rem; }
th, td { text-align: left; vertical-align: top; padding: .375rem .5rem .375rem 0; border-top: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; }
a { color: var(--deep); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .125rem .75rem; margin: 0 0 .5rem; }
dt { color: var(--soft); } dd { margin: 0; }
section { border-top: 1px solid var(--line); } section h2 { margin-top: .75rem; }
summary { cursor: pointer; padding: .375rem 0; }
pre { margin: 0 0 1rem; padding: .75rem; border: 1px solid var(--line); border-radius: .375rem; background: var(--back);
      font: .875rem/1.5 ui-monospace, monospace; white-space: pre-wrap; }
@media (max-width: 30rem) { main { padding: 1.25rem; } th, td { display: block; padding: .25rem 0; }
  td { border-top: 0; padding-bottom: .5rem; } }
"""

SEND = "document.forms[0].submit()"

LAYOUT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{{ style|safe }}</style></head>
<body><main{% if wide %} class="wide"{% endif %}>{% block main %}{% endblock %}</main>
{% block end %}{% endblock %}</body></html>"""

LOGIN = """{% extends "layout" %}{% block main %}
<h1>{{ title }}</h1><p>{{ about }}</p>
<form method="post" action="{{ action }}">
<h2 id="who">Who are you?</h2>
<div role="group" aria-labelledby="who">
{% for person in people %}<button name="person" value="{{ person.sub }}">{{ person.name }}
{% if person.claims.email is defined %}<small>{{ person.claims.email }}</small>{% endif %}</button>
{% endfor %}</div></form>
<form method="post" action="{{ action }}">
<label for="name">Somebody else</label>
<input id="name" name="name" maxlength="60" autocomplete="name" required value="{{ hint }}">
<button class="first">Continue</button></form>
<form method="post" action="{{ action }}"><button name="cancel" value="1">Cancel</button></form>
{% endblock %}"""

MESSAGE = """{% extends "layout" %}{% block main %}<h1>{{ title }}</h1><p>{{ words }}</p>{% endblock %}"""

POST_BACK = """{% extends "layout" %}{% block main %}<h1>One moment</h1>
<form method="post" action="{{ action }}">
{% for name, value in fields.items() %}<input type="hidden" name="{{ name }}" value="{{ value }}">
{% endfor %}<p>You are on your way back to the application.</p><button class="first">Continue</button></form>
{% endblock %}{% block end %}<script>{{ send|safe }}</script>{% endblock %}"""

CLAIMS = """{% extends "layout" %}{% block main %}
<h1>{{ title }}</h1><p>{{ about }}</p>
{% if claims %}<table><caption hidden>What the ID token says</caption>
{% for name, value in claims.items() %}<tr><th scope="row">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}</table>{% endif %}
{% for link in links %}<a class="button {{ link.kind }}" href="{{ link.href }}">{{ link.text }}</a>
{% endfor %}{% endblock %}"""

LOGGED_OUT = """{% extends "layout" %}{% block main %}<h1>You are logged out</h1>
<p>Your login at {{ room }} has ended.</p>
{% for frame in frames %}<iframe src="{{ frame }}" title="An application that hears of it" hidden></iframe>
{% endfor %}{% if target %}<a class="button first" href="{{ target }}">Continue</a>{% endif %}{% endblock %}"""

WATCH = """
const name = NAME + "="
addEventListener("message", async event => {
  const [client, told] = String(event.data).split(" "), salt = String(told).split(".")[1] || ""
  const kept = document.cookie.split("; ").find(part => part.startsWith(name))
  const text = `${client} ${event.origin} ${kept ? kept.slice(name.length) : ""} ${salt}`
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)))
  const right = [...digest].map(byte => byte.toString(16).padStart(2, "0")).join("") + "." + salt
  event.source.postMessage(told === right ? "unchanged" : "changed", event.origin)
})
"""
"""The script of the session frame (Session Management 3.2)."""

FRAME = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Session</title></head>
<body><script>{{ script|safe }}</script></body></html>"""

DIRECTORY = """{% extends "layout" %}{% block main %}<h1>{{ title }}</h1>
<p>Upstream tenants on this machine, each with a fault of its own. Paste a connection into your configuration, set the
secret in the environment, and log in: nobody has a password.</p>
<pre>{{ export }}</pre>
{% for tenant in tenants %}<section aria-labelledby="{{ tenant.name }}">
<h2 id="{{ tenant.name }}">{{ tenant.name }}</h2>
<dl><dt>Issuer</dt><dd><a href="{{ tenant.issuer }}.well-known/openid-configuration">{{ tenant.issuer }}</a></dd>
<dt>The tenant</dt><dd>{{ tenant.does }}</dd>
<dt>Isthmus</dt><dd>{{ tenant.isthmus }}{% if tenant.reason %} Reason in the log: <code>{{ tenant.reason }}</code>\
{% endif %}</dd></dl>
<details><summary>Connection to {{ tenant.name }}</summary><pre>{{ tenant.connection }}</pre></details></section>
{% endfor %}{% endblock %}"""

TEMPLATES = Environment(
    autoescape=True,
    undefined=StrictUndefined,
    loader=DictLoader(
        {
            "layout": LAYOUT,
            "login": LOGIN,
            "message": MESSAGE,
            "post": POST_BACK,
            "claims": CLAIMS,
            "logged_out": LOGGED_OUT,
            "frame": FRAME,
            "directory": DIRECTORY,
        }
    ),
)


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


POLICY = f"default-src 'none'; style-src {_hash(STYLE)}; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
POST_HEADERS = {**HEADERS, "Content-Security-Policy": f"{POLICY}; script-src {_hash(SEND)}"}


def _draw(template: str, **values: Any) -> str:
    return TEMPLATES.get_template(template).render({"wide": False, "style": STYLE, "send": SEND, **values})


def login(title: str, about: str, people: Sequence[Any], action: str, hint: str) -> str:
    """The login form: a button a person, a field for another name, a way out."""
    return _draw("login", title=title, about=about, people=people, action=action, hint=hint)


def message(title: str, words: str) -> str:
    """A page that says one thing."""
    return _draw("message", title=title, words=words)


def post_back(action: str, fields: Mapping[str, str]) -> str:
    """The page that sends itself to ``action`` (OAuth 2.0 Form Post Response Mode 2); a button without script."""
    return _draw("post", title="One moment", action=action, fields=fields)


def claims(title: str, about: str, shown: Mapping[str, Any], links: Sequence[Mapping[str, str]]) -> str:
    """What an application was told, and where to go from here."""
    told = {name: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for name, v in shown.items()}
    return _draw("claims", title=title, about=about, claims=told, links=links, wide=True)


def logged_out(title: str, frames: Sequence[str], target: str) -> tuple[str, Mapping[str, str]]:
    """The page after a logout, with the frames that tell applications (Front-Channel Logout 3), and its headers."""
    sources = " ".join(sorted({origin(frame) for frame in frames}))
    framing = {"Content-Security-Policy": f"{POLICY}; frame-src {sources}"} if frames else {}
    html = _draw("logged_out", title="You are logged out", room=title, frames=frames, target=target)
    return html, {**HEADERS, **framing}


def check_session(cookie: str) -> tuple[str, Mapping[str, str]]:
    """The frame that applications ask whether the session is what they think, and its headers: anybody may frame it."""
    script = WATCH.replace("NAME", json.dumps(cookie))
    policy = f"default-src 'none'; script-src {_hash(script)}"
    return _draw("frame", script=script), {**HEADERS, "Content-Security-Policy": policy}


def directory(tenants: Sequence[Mapping[str, Any]], export: str) -> str:
    """The tenants there are, with what each does, what to expect, and a connection to paste."""
    return _draw("directory", title="Isthmus lab", tenants=tenants, export=export, wide=True)
