"""What the debug pages say of real clients."""
import json

from lab import BOTH, until


def test_each_stream_is_listed_and_a_map_can_be_looked_at(lab):
    n1, n2 = lab.pair(BOTH * (2 // len(BOTH)))
    s = lab.server

    def page(path):
        return json.loads(s.run("curl", "-sS", "--max-time", "10", "http://127.0.0.1:9090" + path).stdout)
    streams = until("both", lambda: (p := page("/debug/streams"))["total"] == 2 and p)["streams"]
    by_name = {x["name"]: x for x in streams}
    assert set(by_name) == {"n1", "n2"}
    for n in (n1, n2):
        x = by_name[n.name]
        assert x["remote"].rpartition(":")[0] == n.lan and x["capability"] >= 113 and x["waitingBytes"] < 65536
        assert str(x["node"]) == s.node_id(n.name)
    assert len({x["loop"] for x in streams}) >= 1
    m = page(f"/debug/netmap/{s.node_id('n1')}")
    assert m["Node"]["Name"].startswith("n1.") and [p["Name"].split(".")[0] for p in m["Peers"]] == ["n2"]
    sent = s.metrics()
    assert sent['headscale_mapresponse_sent_total{status="ok",type="full"}'] >= 2
    n2.kill()
    until("one", lambda: page("/debug/streams")["total"] == 1)
