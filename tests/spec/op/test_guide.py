"""The page on certification: what it says to configure is what Isthmus takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import trustme

from proxy import settings

PAGE = (Path(__file__).parents[3] / "docs" / "certification.md").read_text()


def block(kind: str) -> str:
    """The page's block of code of that kind."""
    found = re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_both_configurations_can_be_read_and_fit_together(tmp_path: Path) -> None:
    """The file is a good configuration, and the suite knows the clients that stand in it."""
    file, secret = tmp_path / "isthmus.toml", "one of the secrets, long enough for anybody"
    pair = trustme.CA().issue_cert("op.example.com")
    pair.private_key_pem.write_to_path(str(tmp_path / "op.key"))
    pair.cert_chain_pems[0].write_to_path(str(tmp_path / "op.pem"))
    file.write_text(block("toml"))
    names = ("ISTHMUS_SECRET", "CORP_SECRET", "SUITE_1", "SUITE_2", "SUITE_POST")
    loaded = settings.load(file, dict.fromkeys(names, secret))
    suite = json.loads(block("json"))
    assert suite["server"]["discoveryUrl"] == f"{loaded.tenant.issuer}.well-known/openid-configuration"
    known = [suite[part]["client_id"] for part in ("client", "client2", "client_secret_post")]
    assert known == list(loaded.clients) == list(loaded.connections["corp"].enabled_clients)
    assert f"/test/a/{suite['alias']}/callback" in loaded.clients["suite-1"].redirect_uris[0]
