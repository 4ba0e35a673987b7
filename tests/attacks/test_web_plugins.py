"""A plugin that breaks in the middle of a login: what the person sees, and what is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attacks.conftest import Scenes, session_cookies

BROKEN = """
from proxy import hookimpl

@hookimpl
def {hook}(connection):
    raise RuntimeError("the secret of this plugin")
"""


def folder(tmp_path: Path, hook: str) -> dict[str, object]:
    """The ``[plugins]`` table for one plugin that breaks in ``hook``."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "broken.py").write_text(BROKEN.format(hook=hook))
    return {"folder": tmp_path / "plugins", "enabled": ["broken"]}


@pytest.mark.parametrize("hook", ["isthmus_request_scopes", "isthmus_map_profile"])
async def test_pl_01_a_broken_plugin_is_a_page_and_nobody_is_in(scenes: Scenes, tmp_path: Path, hook: str) -> None:
    """PL-01: 503 with a reference, on the way out or back; no session, no answer to the application, and not a word of
    what the plugin said."""
    async with scenes(plugins=folder(tmp_path, hook)) as scene:
        browser = await scene.browser()
        tab = await scene.start(browser)
        page = await scene.answer(tab, sub="ada") if tab.pending else tab.page
        assert page.status == 503 and "Reference" in page.text and page.url.startswith(scene.node.issuer)
        assert "secret" not in page.body and "broken" not in page.body and "RuntimeError" not in page.body
        assert session_cookies(browser) == [] and scene.apps["webapp"].arrived == []
        assert await scene.who_is_in(browser) == "refused: login_required"


async def test_a_broken_button_is_only_a_plain_button(scenes: Scenes, tmp_path: Path) -> None:
    """A button is decoration: the page is there, and the login works."""
    broken = folder(tmp_path, "isthmus_connection_button")
    async with scenes({"corp": {}, "acme": {}}, plugins=broken) as scene:
        tab = await scene.start(await scene.browser())
        await tab.click("corp login")
        assert (await scene.answer(tab, sub="ada")).text == "hello oidc|corp|ada"
