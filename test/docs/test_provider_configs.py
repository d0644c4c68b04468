"""The configurations in docs/oidc.md are such that the server takes them."""
import json
import os
import re

import pytest

from conftest import ROOT, run


def blocks():
    """Yield (heading, text) of the indented texts that begin with `oidc:`."""
    heading, found = "", []
    with open(os.path.join(ROOT, "docs", "oidc.md"), encoding="utf-8") as f:
        for line in [*f.read().split("\n"), "end"]:
            if line.startswith("    ") and (found or line == "    oidc:"):
                found.append(line[4:])
            elif found:
                yield heading, "\n".join(found) + "\n"
                found = []
            heading = line.lstrip("# ") if line.startswith("#") else heading


PROVIDERS = dict(blocks())


def test_these_providers_are_there():
    assert {"Authelia", "Authentik", "Dex", "GitLab", "Glewlwyd", "Google", "Kanidm", "Keycloak", "Microsoft Entra ID", "Okta",
            "Zitadel", "In the configuration"} == set(PROVIDERS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_configuration_is_taken(stopped, tmp_path, provider):
    with open(stopped.path, "w", encoding="utf-8") as f:
        f.write("".join(f"{k}: {json.dumps(v)}\n" for k, v in stopped.config.items()) + PROVIDERS[provider])
    (tmp_path / "oidc_client_secret").write_text("a secret\n")
    env = {**stopped.env, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    p = run("configtest", env=env, cwd=stopped.folder)
    assert "oidc" not in p.stdout + p.stderr, p.stderr
    with open(stopped.path, "a", encoding="utf-8") as f:
        f.write("  no_such_key: 1\n")
    p = run("configtest", env=env, cwd=stopped.folder, check=False)
    assert re.search(r"oidc\.no_such_key", p.stdout + p.stderr)  # so unknown keys are told
