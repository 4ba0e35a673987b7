"""The command ``isthmus``. What a command needs is imported when it runs, so that help is quick.

    serve            the server
    demo             a tenant, Isthmus and an application on this machine
    lab              tenants with known faults on this machine
    check            the configuration, held against the tenants it names
    keys             the keys that sign our tokens
    connections      the tenants people come from
    clients          applications, and the tokens with which they register
    token            an access token for the Management API
    sessions         who is logged in, and how applications hear of a logout
    users            who came, and who may come no more
    consents         what people allowed applications of others
    plugins          what is loaded, and what it does with a person's claims
    gateway          who may reach what behind the gateway
    gateway-config   a configuration for nginx, Caddy, HAProxy, Traefik or Envoy in front of the apps

Exit status: 0 done, 1 failed or found a fault, 2 the command or the configuration is wrong. One line for each mistake.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from proxy import __version__
from proxy.oidc.errors import Misconfigured, Unavailable

DONE, FAILED, WRONG = 0, 1, 2
HELP = """A self-hosted OpenID Connect federation proxy.

Every command takes --config FILE; without it ISTHMUS_CONFIG names the file, else it is config/isthmus.toml.
Example: isthmus check --config config/isthmus.toml
"""


COMMANDS = (
    ("serve", "serve:serve", "Run the server.", "serve --workers 2"),
    ("demo", "demo:demo", "Run a tenant, Isthmus and an application on this machine.", "demo --check"),
    ("lab", "lab:lab", "Run upstream tenants with known faults on this machine.", "lab --port 9010"),
    ("check", "check:check", "Hold the configuration against the tenants it names.", "check --json"),
    ("keys list", "keys:list_keys", "Show every signing key with its state.", "keys list --json"),
    ("keys rotate", "keys:rotate", "Let the next key of each algorithm take over.", "keys rotate --alg PS256"),
    ("keys revoke", "keys:revoke", "Take a key out at once.", "keys revoke KID"),
    ("connections list", "connections:list_connections", "Show every connection.", "connections list --json"),
    (
        "connections show",
        "connections:show",
        "Show one connection, and the callback URL to register at the tenant.",
        "connections show corp --metadata",
    ),
    (
        "connections add",
        "connections:add",
        "Add a connection.",
        "connections add corp --discovery-url https://idp.example --client-id isthmus --enable webapp",
    ),
    (
        "connections update",
        "connections:update",
        "Change what is given of a connection, and leave the rest.",
        "connections update corp --display-name 'Acme staff'",
    ),
    ("connections remove", "connections:remove", "Remove a connection.", "connections remove corp"),
    ("connections test", "connections:test", "Ask the tenants now.", "connections test corp --json"),
    ("clients list", "clients:list_clients", "Show every client, and where it comes from.", "clients list --json"),
    ("clients show", "clients:show", "Show one client with all its metadata.", "clients show webapp --json"),
    (
        "clients add",
        "clients:add",
        "Add a client; its secret is printed once.",
        "clients add --name Wiki --redirect-uri https://wiki.example/callback --first-party",
    ),
    (
        "clients update",
        "clients:update",
        "Change what is given of a client, and leave the rest.",
        "clients update CLIENT_ID --redirect-uri https://wiki.example/callback",
    ),
    ("clients remove", "clients:remove", "Remove a client.", "clients remove CLIENT_ID"),
    (
        "clients token",
        "client_tokens:token",
        "Make an initial access token for registration, and print it.",
        "clients token --uses 5 --expires 30d",
    ),
    ("clients tokens", "client_tokens:tokens", "Show every initial access token.", "clients tokens --json"),
    (
        "clients revoke-token",
        "client_tokens:revoke_token",
        "End an initial access token at once.",
        "clients revoke-token ID",
    ),
    ("sessions list", "sessions:list_sessions", "Show who is logged in.", "sessions list --connection corp"),
    ("sessions revoke", "sessions:revoke", "End sessions.", "sessions revoke --user 'oidc|corp|ada' --tokens"),
    (
        "sessions deliveries",
        "sessions:deliveries",
        "Show the logout notices to applications: those that wait, and what became of the others.",
        "sessions deliveries --json",
    ),
    ("users list", "users:list_users", "Show who came through a connection.", "users list --connection corp"),
    ("users show", "users:show", "Show what is kept of a person.", "users show 'oidc|corp|ada'"),
    ("users block", "users:block", "Let a person in no more.", "users block 'oidc|corp|ada'"),
    ("users unblock", "users:unblock", "Let a person in again.", "users unblock 'oidc|corp|ada'"),
    ("users delete", "users:delete", "Forget a person.", "users delete 'oidc|corp|ada'"),
    (
        "consents list",
        "consents:list_consents",
        "Show what a person allowed applications of others.",
        "consents list --user 'oidc|corp|ada'",
    ),
    (
        "consents revoke",
        "consents:revoke",
        "Take a consent back, and what it opened.",
        "consents revoke --user 'oidc|corp|ada' --client reg_7c1d",
    ),
    (
        "gateway explain",
        "gateway:explain",
        "Show who may reach what behind the gateway, and why.",
        "gateway explain --user 'oidc|corp|ada' --url https://wiki.example.com/admin",
    ),
    (
        "gateway-config",
        "gateway_config:gateway_config",
        "Print a configuration for a server that carries the traffic and lets Isthmus decide.",
        "gateway-config nginx --cached",
    ),
    (
        "token",
        "token:token",
        "Make a Management API access token, and print it.",
        "token --scope 'read:connections create:connections'",
    ),
    ("plugins list", "plugins:list_plugins", "Show every plugin and the hooks it implements.", "plugins list"),
    (
        "plugins try",
        "plugins:try_plugins",
        "Show what the plugins make of a person's claims.",
        "plugins try --connection corp --claims claims.json",
    ),
)
"""Name, where it lives in this package, what it does, an example. Help is written here so that listing imports none."""
GROUPS = {
    "keys": "The keys that sign our tokens.",
    "connections": "The tenants people come from.",
    "clients": "Applications, and the tokens with which they register.",
    "sessions": "Who is logged in, and how applications hear of a logout.",
    "users": "Who came, and who may come no more.",
    "consents": "What people allowed applications of others.",
    "gateway": "Who may reach what behind the gateway.",
    "plugins": "What is loaded, and what it does.",
}


def commands() -> App:
    """The command line; a command's own module is imported when it is asked for."""
    app = App(name="isthmus", help=HELP, help_format="plaintext", version=__version__, result_action="return_value")
    groups = {name: App(name=name, help=text, help_format="plaintext") for name, text in GROUPS.items()}
    for each in groups.values():
        app.command(each)
    for words, place, text, example in COMMANDS:
        group, _, name = words.rpartition(" ")
        parent = groups[group] if group else app
        parent.command(f"proxy.cli.{place}", name=name, help=f"{text}\n\nExample: isthmus {example}")
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` name (those of the process by default). Answers the exit status."""
    tokens = _option_last(list(sys.argv[1:] if arguments is None else arguments))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without our check mark still gets its answer
    try:
        status = commands()(tokens, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else DONE
    except CycloptsError as error:
        return _tell(WRONG, f"{' '.join(str(error).split())} See isthmus --help.")
    except Misconfigured as error:
        return _tell(WRONG, *map(str, error.problems))
    except Unavailable as error:
        return _tell(FAILED, f"no answer: {error.what}")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to flush at exit
        return FAILED
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - never a traceback
        at = traceback.extract_tb(error.__traceback__)[-1]
        return _tell(FAILED, f"isthmus itself failed: {type(error).__name__} in {at.filename}:{at.lineno}")


def _option_last(tokens: list[str]) -> list[str]:
    """``--config`` may stand before the command too."""
    count = 2 if tokens[:1] == ["--config"] else 1 if tokens and tokens[0].startswith("--config=") else 0
    return [*tokens[count:], *tokens[:count]]


def _tell(status: int, *lines: str) -> int:
    from proxy.cli.common import plain

    for line in lines:
        print(plain(line), file=sys.stderr)
    return status
