"""A database that the Go server 0.30 wrote with real clients, and what its commands printed of it: ours print the same.

data/go-0.30.sql has users of its own and of a provider, nodes that came by key, by command and by provider, tagged,
ephemeral, expired, renamed and with approved and auto-approved routes, keys used and ended, and a policy.
"""
import json
import os
import sqlite3

import pytest

DATA = os.path.join(os.path.dirname(__file__), "data")
NEVER = "0001-01-01T00:00:00Z"


@pytest.fixture
def taken_over(stopped):
    db = sqlite3.connect(stopped.config["database"]["sqlite"]["path"])
    with open(os.path.join(DATA, "go-0.30.sql"), encoding="utf-8") as f:
        db.executescript(f.read())
    db.close()
    stopped.start()
    return stopped


def differences(theirs, ours, where=""):
    """Yield what is in theirs and not the same in ours. Members that only ours has do not count."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for k, v in theirs.items():
            yield from differences(v, ours.get(k, "missing"), f"{where}.{k}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for i, v in enumerate(theirs):
            yield from differences(v, ours[i], f"{where}[{i}]")
    elif theirs != ours:
        yield where, theirs, ours


def test_every_list_is_what_the_go_server_printed(taken_over):
    with open(os.path.join(DATA, "go-0.30.json"), encoding="utf-8") as f:
        said = json.load(f)
    assert taken_over.run("policy", "get").stdout.strip() == said.pop("policy get").strip()
    for words, theirs in said.items():
        assert len(theirs) >= 2
        found = list(differences(theirs, taken_over.json(*words.split())))
        assert [d for d in found if not meant(*d)] == [], words


def meant(where, theirs, ours):
    """Differences that are there on purpose."""
    # A node that it made without an expiry is expired there since year 1; its own later versions mend that too.
    if where.endswith(".expiry"):
        return (theirs, ours) == (NEVER, None)
    # A router that is away keeps its routes here while nobody else could have them.
    return where.endswith(".subnetRoutes") and set(theirs) <= set(ours)
