"""How the suite logs a person out, and what it looks at afterwards."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode

from proxy.lab.navigation import Navigation
from tests.kit.suite import Callback, text
from tests.spec.op import checks
from tests.spec.op.conftest import World
from tests.spec.op.flow import Flow
from tests.spec.op.run import Run

VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "+;")


def odd_state() -> str:
    """Fifty characters of the whole visible range."""
    return "".join(secrets.choice(VISIBLE) for _ in range(50))


def afterwards(op: World) -> str:
    """The registered address after a logout."""
    return f"{op.suite.base}post_logout_redirect"


def metadata(op: World, **more: Any) -> dict[str, Any]:
    """What the logout plans register."""
    return {"post_logout_redirect_uris": [afterwards(op)], **more}


async def leave(run: Run, params: dict[str, str]) -> Callback | None:
    """Send the browser to the end session endpoint; a question is answered with yes."""
    run.seen.clear()
    run.shown.clear()
    url = run.metadata["end_session_endpoint"]
    return await run.walk(Navigation("GET", f"{url}?{urlencode(params)}" if params else url))


def asked(op: World, flow: Flow, **changes: str | None) -> dict[str, str]:
    """The parameters of a logout; a change to None takes one out."""
    usual: dict[str, str | None] = {
        "id_token_hint": flow.id_token,
        "post_logout_redirect_uri": afterwards(op),
        "state": odd_state(),
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


async def is_out(run: Run) -> None:
    """A following ``prompt=none`` says that a person is needed; a long state comes back whole."""
    sent = run.request(prompt="none", state=text(128))
    checks.check_error(run, sent, await run.visit(sent), *checks.NEEDS_A_PERSON)


def arrived(op: World, back: Callback | None, state: str | None) -> None:
    """The browser is at the registered address with the state, and with nothing else."""
    assert back is not None
    assert (back.method, back.url) == ("GET", afterwards(op))
    assert back.params == ({} if state is None else {"state": state})
