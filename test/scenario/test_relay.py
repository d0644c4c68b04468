"""The relay: what remains when no UDP goes, and who needs it behind which NAT."""
import json
import os
import signal

import pytest

from lab import BOTH, NEW, OLD, Router, until


@pytest.mark.parametrize("version", BOTH)
def test_without_udp_everything_goes_by_the_relay(lab, version):
    key = lab.server.auth_key("anna")
    n1, n2 = lab.node("n1", version, start=False), lab.node("n2", NEW, start=False)
    for n in (n1, n2):
        n.block_udp()
        n.start()
        n.up(key=key)
    assert "via DERP" in n1.ping(n2.ip4, direct=False)
    n2.listen(80)
    n1.reaches(n2.ip4, 80, "n2")
    n2.ping(n1.ip6, direct=False)
    assert n1.ping_os(n2.ip4)
    # The relay goes and comes back; nobody logs in again.
    lab.server.restart(signal.SIGKILL)
    n1.ping(n2.ip4, direct=False, timeout=60)


@pytest.mark.long
def test_bulk_through_the_relay_arrives_whole(lab):
    key = lab.server.auth_key("anna")
    n1, n2 = lab.node("n1", NEW, start=False), lab.node("n2", OLD, start=False)
    for n in (n1, n2):
        n.block_udp()
        n.start()
        n.up(key=key)
    n1.ping(n2.ip4, direct=False)
    size = 200_000_000
    n2.spawn("sh", "-c", f"exec python3 -c \"import socket,hashlib;"
             f"s=socket.create_server(('0.0.0.0',9000));print('ready',flush=True);c,_=s.accept();h=hashlib.sha256();n=0\n"
             f"while n<{size}:\n d=c.recv(65536)\n if not d: break\n h.update(d);n+=len(d)\n"
             f"print(n,h.hexdigest(),flush=True)\"", log="sink.log")
    read = lambda: open(f"{n2.dir}/sink.log").read()  # noqa: E731
    until("sink", lambda: "ready" in read())
    sent = n1.run("python3", "-c", "import socket,hashlib,os,sys;h=hashlib.sha256()\n"
                  f"c=socket.create_connection(('{n2.ip4}',9000))\n"
                  f"for _ in range({size}//50000):\n d=os.urandom(50000);h.update(d);c.sendall(d)\n"
                  "c.close();print(h.hexdigest())", timeout=240).stdout.strip()
    until("all arrived", lambda: read().split("ready\n")[1].strip() == f"{size} {sent}", timeout=60)


def test_direct_as_soon_as_udp_goes(lab):
    n1, n2 = lab.pair((NEW, NEW))
    n1.ping(n2.ip4, direct=True)
    n2.block_udp()
    n1.ping(n2.ip4, direct=False, timeout=60)
    n2.unblock_udp()
    n1.ping(n2.ip4, direct=True, timeout=60)


def test_two_behind_easy_nat_find_a_direct_way(lab):
    key = lab.server.auth_key("anna")
    r1, r2 = Router(lab, "r1", "192.168.51.0/24"), Router(lab, "r2", "192.168.52.0/24")
    n1, n2 = lab.node("n1", NEW, key=key, net=r1), lab.node("n2", OLD, key=key, net=r2)
    line = n1.ping(n2.ip4, direct=True, timeout=60)
    assert f"via {r2.outside}:" in line, line


def test_two_behind_hard_nat_use_the_relay(lab):
    key = lab.server.auth_key("anna")
    r1 = Router(lab, "r1", "192.168.51.0/24", hard=True)
    r2 = Router(lab, "r2", "192.168.52.0/24", hard=True)
    n1, n2 = lab.node("n1", NEW, key=key, net=r1), lab.node("n2", NEW, key=key, net=r2)
    assert "via DERP" in n1.ping(n2.ip4)
    n2.listen(80)
    n1.reaches(n2.ip4, 80, "n2")
    assert "via DERP" in n2.ping(n1.ip4)


def test_a_relay_of_another_make(make_lab):
    """A DERP map from a file names a relay that is not ours."""
    lab = make_lab(relay="derper")
    n1, n2 = lab.pair()
    n1.block_udp()
    n1.ping(n2.ip4, direct=False, timeout=60)


@pytest.mark.parametrize("how", ["in time", "on request"])
def test_a_changed_relay_map_reaches_who_is_connected(make_lab, how):
    lab = make_lab(relay="derper", config={"derp": {"auto_update_enabled": how == "in time", "update_frequency": "2s"}})
    n = lab.node("n", NEW, user="anna")

    def regions():
        return sorted(r["RegionCode"] for r in json.loads(n.ts("debug", "derp-map").stdout)["Regions"].values())
    assert regions() == ["lab"]
    path = os.path.join(lab.dir, "derp.yaml")
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(text + text.split("\n", 1)[1].replace("900", "901").replace('"lab"', '"far"'))
    if how == "on request":
        lab.server.reload()
    until("the new region", lambda: regions() == ["far", "lab"])


def test_a_peer_may_relay_when_the_policy_grants_it(lab):
    """Two behind hard NAT go by a third machine of the network in place of the server's relay."""
    lab.server.user("anna")
    lab.server.set_policy({"tagOwners": {"tag:relay": ["anna@"]}, "grants": [
        {"src": ["*"], "dst": ["*"], "ip": ["*"]},
        {"src": ["anna@"], "dst": ["tag:relay"], "app": {"tailscale.com/cap/relay": []}}]})
    relay = lab.node("relay", NEW, key=lab.server.auth_key(tags=["tag:relay"]))
    relay.ts("set", "--relay-server-port=40000")
    r1 = Router(lab, "r1", "192.168.51.0/24", hard=True)
    r2 = Router(lab, "r2", "192.168.52.0/24", hard=True)
    n1, n2 = (lab.node(name, NEW, user="anna", net=r) for name, r in (("n1", r1), ("n2", r2)))
    n1.ping(n2.ip4)
    until("by the peer", lambda: "peer-relay" in n1.ping(n2.ip4), timeout=60)


def test_the_relay_admits_no_strangers(make_lab):
    """A node of another network is turned away by the relay of this one."""
    lab = make_lab()
    n1 = lab.node("n1", NEW, user="anna")
    until("served", lambda: n1.self_status()["Relay"] == "lab")
    lab.server.cli("nodes", "delete", "-i", lab.server.node_id("n1"), "--force")
    out = lab.server.http("/derp/probe", "-o", "/dev/null", "-w", "%{http_code}").stdout
    assert out == "200"
    key = n1.self_status()["PublicKey"]
    out = lab.server.http("/verify", "-d", '{"NodePublic":"%s","Source":"10.77.0.11"}' % key).stdout
    assert '"Allow":false' in out.replace(" ", ""), out


def relay_status(lab):
    return json.loads(lab.server.cli("derp", "status", "-i", "0", "-o", "json").stdout)


def test_the_relay_tells_who_is_connected(lab):
    """netcheck finds the relay, and the relay's status the clients."""
    key = lab.server.auth_key("anna")
    n1, n2 = lab.node("n1", NEW, start=False), lab.node("n2", OLD, start=False)
    for n in (n1, n2):
        n.block_udp()
        n.start()
        n.up(key=key)
    assert "via DERP(lab)" in n1.ping(n2.ip4, direct=False)

    def netcheck():
        r = json.loads(n1.ts("netcheck", "--format=json", timeout=30).stdout)
        return r["PreferredDERP"] == 999 and 0 < r["RegionLatency"]["999"] < 2e9
    until("netcheck sees the region", netcheck)

    def both_at_home():
        conns = {c["node"]: c for c in relay_status(lab)["connections"]}
        return conns["n1"]["home"] and conns["n2"]["home"] and conns
    conns = until("both at home", both_at_home)
    for n in (n1, n2):
        c = conns[n.name]
        assert c["publicKey"] == n.self_status()["PublicKey"] and c["address"].startswith(n.lan + ":") and c["user"] == "anna"
        assert c["tls"] and c["fastStart"] and not c["webSocket"] and not c["mesh"]
        assert c["packetsIn"] > 0 and c["packetsOut"] > 0 and c["bytesIn"] > c["packetsIn"]
    s = relay_status(lab)
    assert s["region"] == {"id": 999, "code": "lab", "name": "Lab"} and s["relay"]["admission"] == "nodes of this server"
    assert s["gauges"]["home_connections"] == 2 and s["gauges"]["clients_local"] == 2 and s["meshPeers"] == []
    assert len(json.loads(lab.server.cli("derp", "status", "-i", "0", "-l", "1", "-o", "json").stdout)["connections"]) == 1
    text = lab.server.cli("derp", "status", "-i", "200ms").stdout
    assert "region   999 lab (Lab)" in text and "now      in " in text
    assert [line for line in text.splitlines() if line.startswith("n1 ") and "TLS, fast start" in line], text


@pytest.mark.parametrize("how", ["deleted", "expired", "another key"])
def test_who_may_no_longer_is_cut_off_at_once(lab, how):
    n1, n2 = lab.pair((NEW, NEW))
    key = n1.self_status()["PublicKey"]

    def connected():
        return key in [c["publicKey"] for c in relay_status(lab)["connections"]]
    until("connected", connected)
    closed = relay_status(lab)["closes"]["disconnected"]
    if how != "another key": # held still, it cannot be faster and leave by itself when it hears of it
        n1.daemon.send_signal(signal.SIGSTOP)
    if how == "deleted":
        lab.server.cli("nodes", "delete", "-i", lab.server.node_id("n1"), "--force")
    elif how == "expired":
        lab.server.cli("nodes", "expire", "-i", lab.server.node_id("n1"))
    else:
        n1.up("--force-reauth", key=lab.server.auth_key("anna"))
    until("cut off", lambda: not connected(), timeout=3)
    if how != "another key": # that takes the client, which may be faster
        assert relay_status(lab)["closes"]["disconnected"] == closed + 1
        n1.daemon.send_signal(signal.SIGCONT)
    assert n2.self_status()["PublicKey"] in [c["publicKey"] for c in relay_status(lab)["connections"]]
