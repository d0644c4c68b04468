"""What the log of a server with real clients must not hold."""
import os
import re

from lab import BOTH, NEW, until


def test_logins_leave_no_secret_in_the_log(make_lab):
    lab = make_lab(config={"log": {"level": "trace"}, "database": {"debug": True}})
    s = lab.server
    keys = [s.auth_key("anna"), s.auth_key(tags=["tag:x"])]
    nodes = [lab.node(f"n{i}", v, key=keys[0]) for i, v in enumerate(BOTH)]
    n = lab.node("link", NEW)
    process, url = n.up_url()
    s.approve_login(url, "anna")
    until("joined", lambda: n.state() == "Running")
    nodes[0].ping(n.ip4)
    s.cli("nodes", "expire", "-i", s.node_id("link"))
    until("told", lambda: "machine/map" in s.log() and " who=\"machine [" in s.log())
    s.kill(15)
    text = s.log()
    words = keys + [k.split("-")[-1] for k in keys] + [url.split("/")[-1], url.split("-")[-1]]
    for name in ("noise.key", "derp.key"):
        with open(os.path.join(s.dir, name)) as f:
            words.append(f.read().strip().split(":")[-1])
    for word in words:
        assert len(word) > 8 and word not in text, word
    assert not re.search(r"privkey:[0-9a-f]{8}", text)
    process.poll()
