"""Relays that stand alone, for the clients of a control server: a region of two, and who they admit."""
import hashlib
import json
import os
import signal
import ssl

import pytest

from lab import BINARY, HOST, NEW, OLD, Space, run, until, yaml

R1, R2, OWN = "10.77.0.201", "10.77.0.202", "10.77.0.203"


def certificate(folder):
    """One for both addresses. Returns (certificate file, key file, what clients pin)."""
    crt, key = os.path.join(folder, "relay.crt"), os.path.join(folder, "relay.key")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", key,
        "-out", crt, "-subj", "/CN=relays", "-addext", f"subjectAltName=IP:{R1},IP:{R2}")
    with open(crt) as f:
        return crt, key, "sha256-raw:" + hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


class Relay(Space):
    """A machine with `headscale derp`."""

    def __init__(self, lab, name, address, crt, key):
        super().__init__(lab, name)
        self.attach(lab.bridge, "eth0", address + "/24")
        self.address, self.process = address, None
        run("cp", crt, os.path.join(self.dir, address + ".crt"))
        run("cp", key, os.path.join(self.dir, address + ".key"))
        self.trusted = os.path.join(self.dir, "trusted.pem")
        with open(self.trusted, "w") as f:
            f.write(open(crt).read() + open(lab.cert).read())

    def start(self, *flags):
        self.process = self.spawn(BINARY, "derp", "-a", f"{self.address}:443", "-c", os.path.join(self.dir, "derp.key"), "-certmode",
                                  "manual", "-certdir", self.dir, "-hostname", self.address, "--status-socket",
                                  os.path.join(self.dir, "st"), *flags, log="derp.log", env={"SSL_CERT_FILE": self.trusted})
        until("the relay's status", self.status)
        return self

    def status(self):
        return json.loads(run(BINARY, "derp", "status", "--socket", os.path.join(self.dir, "st"), "-i", "0", "-o", "json").stdout)

    def keys(self):
        return [c["publicKey"] for c in self.status()["connections"]]

    def peer(self):
        return self.status()["meshPeers"][0]


@pytest.fixture
def region(make_lab, tmp_path):
    """region(addresses) -> (lab, relays, not started): a control server whose one region are these relays."""
    def make(*addresses):
        crt, key, pin = certificate(str(tmp_path))
        path = str(tmp_path / "derp.yaml")
        with open(path, "w") as f:
            f.write(yaml({"regions": {900: {"regionid": 900, "regioncode": "two", "regionname": "Two", "nodes": [
                {"name": f"900{i}", "regionid": 900, "hostname": a, "ipv4": a, "certname": pin, "stunport": 3478}
                for i, a in enumerate(addresses)]}}}))
        lab = make_lab(config={"derp": {"server": {"enabled": False}, "paths": [path]}})
        return lab, [Relay(lab, f"r{i + 1}", a, crt, key) for i, a in enumerate(addresses)]
    return make


def test_two_relays_of_a_region_carry_between_their_clients(region):
    lab, (r1, r2) = region(R1, R2)
    good, bad = os.path.join(lab.dir, "psk"), os.path.join(lab.dir, "wrong")
    for path, digit in ((good, "a"), (bad, "b")):
        with open(path, "w") as f:
            f.write(digit * 64 + "\n")
    mesh = ("-mesh-with", f"{R1},{R2}")
    verify = ("-verify-client-url", "https://control.test/verify", "-verify-client-url-fail-open=false")
    r1.start("-mesh-psk-file", good, *mesh, *verify)
    r2.start("-mesh-psk-file", bad, *mesh, *verify)
    key = lab.server.auth_key("anna")
    n1, n2 = lab.node("n1", NEW, start=False), lab.node("n2", NEW, start=False) # the old one cannot pin
    for n, far in ((n1, R2), (n2, R1)): # the order of a region's nodes is the server's choice
        n.nft(f"table inet far {{ chain out {{ type filter hook output priority -300; ip daddr {far} drop; }}\n}}\n")
    for n in (n1, n2):
        n.block_udp()
        n.start()
        n.up(key=key)
    k1, k2 = (n.self_status()["PublicKey"] for n in (n1, n2))
    until("each at its relay", lambda: k1 in r1.keys() and k2 in r2.keys() and k2 not in r1.keys(), timeout=40)

    # The wrong key lets nobody in, and says so.
    def others(r):
        return [p for p in r.status()["meshPeers"] if p["state"] != "self"]
    assert len(others(r1)) == 1
    until("refused", lambda: "mesh key" in others(r1)[0].get("lastError", "") and "mesh key" in others(r2)[0].get("lastError", ""))
    assert others(r1)[0]["state"] != "connected" and r1.status()["gauges"]["clients_remote"] == 0

    # The right one does; what is sent here arrives there.
    r2.stop(r2.process)
    r2.start("-mesh-psk-file", good, *mesh, *verify)

    def meshed():
        return all(others(r)[0]["state"] == "connected" and r.status()["gauges"]["clients_remote"] >= 1 for r in (r1, r2))
    until("meshed", meshed, timeout=40)
    assert "via DERP(two)" in n1.ping(n2.ip4, direct=False, timeout=60)
    n2.listen(80)
    n1.reaches(n2.ip4, 80, "n2")
    for r in (r1, r2):
        assert r.status()["counters"]["packets_forwarded_out"] > 0 and r.status()["counters"]["packets_forwarded_in"] > 0

    # One goes away without a word, and comes back.
    r2.stop(r2.process, signal.SIGKILL)
    until("missed", lambda: others(r1)[0]["state"] != "connected" and r1.status()["gauges"]["clients_remote"] == 0, timeout=40)
    r2.start("-mesh-psk-file", good, *mesh, *verify)
    until("meshed again", meshed, timeout=60)
    n1.ping(n2.ip4, direct=False, timeout=60)


def test_the_servers_own_relay_shares_its_region_with_another(make_lab, tmp_path):
    psk, derp = str(tmp_path / "psk"), str(tmp_path / "derp.yaml")
    with open(psk, "w") as f:
        f.write("c" * 64 + "\n")
    with open(derp, "w") as f: # one name, which both have a certificate for
        f.write(yaml({"regions": {900: {"regionid": 900, "regioncode": "two", "regionname": "Two", "nodes": [
            {"name": f"900{i}", "regionid": 900, "hostname": HOST, "ipv4": a, "stunport": 3478}
            for i, a in enumerate((OWN, R1))]}}}))
    lab = make_lab(config={"derp": {"server": {"region_id": 900, "automatically_add_embedded_derp_region": False}, "paths": [derp]},
                           "server": {"relay": {"mesh_key_path": psk, "mesh_with": [f"{HOST}/{R1}"]}}})
    lab.server.run("ip", "addr", "add", OWN + "/24", "dev", "eth0") # where the clients know its relay
    r1 = Relay(lab, "r1", R1, lab.cert, lab.key)
    run("cp", lab.cert, os.path.join(r1.dir, HOST + ".crt"))
    run("cp", lab.key, os.path.join(r1.dir, HOST + ".key"))
    r1.start("-hostname", HOST, "-mesh-psk-file", psk, "-mesh-with", HOST)

    def own():
        return lab.server.json("derp", "status", "-i", "0")

    def key(n):
        return n.self_status()["PublicKey"]
    assert own()["relay"]["meshKey"]
    n1, n2 = lab.node("n1", NEW, start=False), lab.node("n2", OLD, start=False)
    for n, far in ((n1, R1), (n2, OWN)):
        n.nft(f"table inet far {{ chain out {{ type filter hook output priority -300; ip daddr {far} drop; }}\n}}\n")
    for n in (n1, n2):
        n.block_udp()
        n.start()
        n.up(key=lab.server.auth_key("anna"))
    until("meshed", lambda: own()["meshPeers"][0]["state"] == "connected" and r1.peer()["state"] == "connected", timeout=40)
    def theirs():
        return [c["publicKey"] for c in own()["connections"]]
    until("each at its relay", lambda: key(n1) in theirs() and key(n2) in r1.keys() and key(n2) not in theirs(), timeout=40)
    n1.ping(n2.ip4, direct=False, timeout=60)
    assert own()["counters"]["packets_forwarded_out"] > 0 and own()["counters"]["packets_forwarded_in"] > 0


def test_a_relay_alone_asks_the_control_server_about_clients(region):
    lab, (r1,) = region(R1)
    r1.start("-verify-client-url", "https://control.test/verify", "-verify-client-url-fail-open=false")
    n1, n2 = lab.node("n1", NEW, user="anna"), lab.node("n2", NEW, user="anna")
    k1, k2 = (n.self_status()["PublicKey"] for n in (n1, n2))
    until("both admitted", lambda: k1 in r1.keys() and k2 in r1.keys())
    refused = r1.status()["closes"]["not_admitted"]
    lab.server.cli("nodes", "delete", "-i", lab.server.node_id("n1"), "--force")
    r1.stop(r1.process)
    r1.start("-verify-client-url", "https://control.test/verify", "-verify-client-url-fail-open=false")
    until("the other comes back", lambda: k2 in r1.keys(), timeout=30)
    assert k1 not in r1.keys() and refused == 0


def test_a_relay_alone_asks_the_tailscaled_beside_it(region):
    """-verify-clients: who is in the network map of the machine's own client may come in."""
    lab, (r1,) = region(R1)
    beside, n1 = lab.node("beside", NEW), lab.node("n1", NEW)
    r1.start("-verify-clients", "-socket", beside.sock)
    beside.up(key=lab.server.auth_key("anna"))
    n1.up(key=lab.server.auth_key("anna"))
    k1 = n1.self_status()["PublicKey"]
    beside.sees("n1")
    until("admitted", lambda: k1 in r1.keys(), timeout=40)
    lab.server.cli("nodes", "delete", "-i", lab.server.node_id("n1"), "--force")
    beside.sees()
    r1.stop(r1.process)
    r1.start("-verify-clients", "-socket", beside.sock)
    until("the machine itself comes back", lambda: beside.self_status()["PublicKey"] in r1.keys(), timeout=40)
    assert k1 not in r1.keys()
    assert r1.status()["relay"]["admission"] == "local tailscaled"
