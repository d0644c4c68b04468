"""Taildrop: a file arrives among a user's own machines, and nowhere else."""
import os

import pytest

from lab import BOTH, NEW, OLD, until


@pytest.mark.parametrize("version", BOTH)
def test_a_file_arrives_whole(lab, version):
    n1, n2 = lab.pair((version, NEW if version == OLD else OLD))
    n1.ping(n2.ip4)
    path = os.path.join(n1.dir, "gift.bin")
    data = os.urandom(3_000_000)
    with open(path, "wb") as f:
        f.write(data)
    until("sent", lambda: n1.send_file(path, "n2"))
    folder = os.path.join(n2.dir, "inbox")
    n2.get_files(folder)
    with open(os.path.join(folder, "gift.bin"), "rb") as f:
        assert f.read() == data


def test_not_to_others_and_not_to_tagged_machines(lab):
    lab.server.user("anna")
    lab.server.set_policy({"tagOwners": {"tag:web": ["anna@"]},
                           "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]})
    a1, a2 = lab.node("a1", NEW, user="anna"), lab.node("a2", NEW, user="anna")
    lab.node("b", NEW, user="ben")
    lab.node("w", NEW, key=lab.server.auth_key(tags=["tag:web"]))
    a1.sees("a2", "b", "w")
    path = os.path.join(a1.dir, "x.txt")
    with open(path, "w") as f:
        f.write("x")
    until("to an own machine", lambda: a1.send_file(path, "a2"))
    assert [line.split()[1] for line in a1.ts("file", "cp", "--targets").stdout.splitlines()] == ["a2"]
    for other in ("b", "w"):
        assert a1.send_file(path, other, check=False).returncode != 0, other
    a2.get_files(os.path.join(a2.dir, "inbox"))


def test_switched_off(make_lab):
    lab = make_lab(config={"taildrop": {"enabled": False}})
    n1, n2 = lab.pair((NEW, NEW))
    n1.ping(n2.ip4)
    path = os.path.join(n1.dir, "x.txt")
    with open(path, "w") as f:
        f.write("x")
    p = n1.send_file(path, "n2", check=False)
    assert p.returncode != 0 and ("file sharing" in p.stderr.lower() or "taildrop" in p.stderr.lower()), p.stderr
