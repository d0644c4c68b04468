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


def test_a_shared_folder_as_the_policy_grants_it(lab):
    """Taildrive: one may read and write, one may read, one sees nothing."""
    for u in ("anna", "ben", "carl", "dora"):
        lab.server.user(u)
    grant = {"src": ["ben@"], "dst": ["anna@"], "app": {"tailscale.com/cap/drive": [{"shares": ["docs"], "access": "rw"}]}}
    lab.server.set_policy({
        "grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}, grant,
                   {"src": ["carl@"], "dst": ["anna@"],
                    "app": {"tailscale.com/cap/drive": [{"shares": ["docs"], "access": "ro"}]}}],
        "nodeAttrs": [{"target": ["anna@"], "attr": ["drive:share", "drive:access"]},
                      {"target": ["ben@", "carl@", "dora@"], "attr": ["drive:access"]}],
    })
    a = lab.node("a", NEW, user="anna")
    folder = os.path.join(a.dir, "docs")
    os.makedirs(folder)
    with open(os.path.join(folder, "hello.txt"), "w") as f:
        f.write("hello from a")
    os.chmod(folder, 0o777)
    until("shared", lambda: a.ts("drive", "share", "docs", folder))
    nodes = {u: lab.node(u[0], NEW, user=u) for u in ("ben", "carl", "dora")}

    def url(n):
        return f"http://100.100.100.100:8080/{n.netmap()['Domain']}/a/docs/"

    def get(n):
        return n.run("curl", "-sS", "--max-time", "5", url(n) + "hello.txt", check=False).stdout

    def put(n):
        out = n.run("curl", "-sS", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}", "-T", "-", url(n) + f"by-{n.name}",
                    check=False, stdin="written")
        return out.stdout
    for u in ("ben", "carl"):
        nodes[u].ping(a.ip4)
        until(f"{u} reads", lambda u=u: get(nodes[u]) == "hello from a", timeout=30)
    assert put(nodes["ben"]) == "201"
    assert open(os.path.join(folder, "by-b")).read() == "written"
    assert put(nodes["carl"]) != "201" and not os.path.exists(os.path.join(folder, "by-c"))
    nodes["dora"].ping(a.ip4)
    assert "hello" not in get(nodes["dora"])
