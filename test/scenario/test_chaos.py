"""Much at once: the server is killed and restarted while policies, names, tags, routes and logins change. In the end every client
has what a fresh client would be given, and nothing that was acknowledged is missing."""
import http.client
import json
import random
import signal
import threading

import pytest

from lab import DOMAIN, NEW, OLD, _UnixHTTP, until

NET = "192.168.77.0/24"
OWNERS = {"tagOwners": {"tag:web": ["anna@"], "tag:db": ["anna@"]}}
OPEN = {**OWNERS, "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}
NOTHING = {**OWNERS, "acls": []}
FINAL = {**OWNERS, "acls": [
    {"action": "accept", "src": ["anna@"], "dst": ["autogroup:self:*", f"{NET}:80"]},
    {"action": "accept", "src": ["ben@"], "dst": ["tag:web:80"]},
], "ssh": [{"action": "accept", "src": ["anna@"], "dst": ["autogroup:self"], "users": ["root"]}]}


class Writers:
    """Three threads that change something by the API as fast as it answers, and remember what it acknowledged."""

    def __init__(self, server, router):
        self.server, self.router = server, router
        self.users, self.keys, self.names, self.problems = [], [], [], []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(f,)) for f in (self.new_user, self.new_key, self.rename)]
        for t in self.threads:
            t.start()

    def post(self, path, body):
        c = _UnixHTTP(self.server.socket, 10)
        try:
            c.request("POST", "/api/v1/" + path, json.dumps(body), {"Content-Type": "application/json"})
            r = c.getresponse()
            answer = json.loads(r.read())
            if r.status == 503:
                raise ConnectionError("it is ending")
            if r.status != 200:
                self.problems.append((path, r.status, answer))
            return answer
        finally:
            c.close()

    def new_user(self, i):
        self.users.append(self.post("user", {"name": f"w{i}"})["user"]["name"])

    def new_key(self, i):
        self.keys.append(self.post("preauthkey", {"user": self.server.users["anna"], "reusable": i % 2 == 0})["preAuthKey"]["id"])

    def rename(self, i):
        self.names.append(self.post(f"node/{self.router}/rename/r-{i}", {})["node"]["givenName"])

    def run(self, one):
        i = 0
        while not self.stop.is_set():
            i += 1
            try:
                one(i)
            except (OSError, ValueError, http.client.HTTPException):
                self.stop.wait(0.02)  # killed; whether this one counted is open, so the number is not used again

    def count(self):
        return len(self.users) + len(self.keys) + len(self.names)

    def more(self, n):
        """Wait until n more were acknowledged."""
        want = self.count() + n
        until(f"{n} more acknowledged", lambda: self.count() >= want)

    def check(self, given):
        """All that was acknowledged is there; `given` is what had been before this list was asked for."""
        users, keys, name = given
        have = {u["name"] for u in self.server.json("users", "list")}
        assert not set(users) - have, "users that were acknowledged and are not there"
        have = {k["id"] for k in self.server.json("preauthkeys", "list")}
        assert not set(keys) - have, "keys that were acknowledged and are not there"
        now = next(n["givenName"] for n in self.server.json("nodes", "list") if n["id"] == self.router)
        assert name is None or int(now[2:]) >= int(name[2:]), (now, name)

    def given(self):
        return list(self.users), list(self.keys), (list(self.names) or [None])[-1]

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()
        assert not self.problems


def crash(server, writers, n):
    """Kill the server while it commits, start it again, and look for what it had acknowledged."""
    writers.more(n)
    server.kill(signal.SIGKILL)
    given = writers.given()
    server.start()
    writers.check(given)


# ---- what a client knows, against what the server would tell it afresh


def plain(v):
    """Without members that say nothing, so that the two versions' ways to write the same are one."""
    if isinstance(v, dict):
        v = {k: plain(x) for k, x in v.items()}
        return {k: x for k, x in v.items() if x not in (None, [], {}, "", False) and x != "0001-01-01T00:00:00Z"}
    return [plain(x) for x in v] if isinstance(v, list) else v


def peer_of(p):
    out = {k: p.get(k) for k in ("ID", "StableID", "Name", "User", "Key", "KeyExpiry", "Machine", "DiscoKey", "Addresses", "Endpoints",
                                 "HomeDERP", "Cap", "Tags", "PrimaryRoutes", "Online", "MachineAuthorized", "Expired", "Hostinfo", "Created")}
    out["AllowedIPs"] = p.get("AllowedIPs") or p["Addresses"]
    out["Endpoints"] = sorted(p.get("Endpoints") or [])
    return plain(out)


def self_of(p):
    out = {k: p.get(k) for k in ("ID", "StableID", "Name", "User", "Key", "KeyExpiry", "Machine", "Addresses", "AllowedIPs", "Tags",
                                 "PrimaryRoutes", "Created")}
    out["caps"] = sorted(p["CapMap"])
    return plain(out)


def rules_of(rules):
    return sorted(json.dumps({**plain(r), "SrcIPs": sorted(r["SrcIPs"])}, sort_keys=True) for r in rules or [])


def profiles_of(profiles, used):
    return {p["ID"]: (p["LoginName"], p["DisplayName"]) for p in profiles if p["ID"] in used}


def agrees(server, node, number):
    """The client's map is the one that the server would send now."""
    told = json.loads(server.run("curl", "-sS", "--max-time", "10", f"http://127.0.0.1:9090/debug/netmap/{number}").stdout)
    has = node.netmap()
    want = [peer_of(p) for p in told.get("Peers") or []]
    got = [peer_of(p) for p in has.get("Peers") or []]
    if not node.counts_rebuilds:
        # What an older client shows as its map is the last whole one, without patches; its status has them.
        online = {p["PublicKey"]: p["Online"] for p in (node.status().get("Peer") or {}).values()}
        for g in got:
            g["Online"] = online[g["Key"]]
        for x in got + want:
            x.pop("Endpoints", None), x.pop("HomeDERP", None)
        got = plain(got)
    assert [p["ID"] for p in got] == [p["ID"] for p in want], (node.name, got, want)
    for g, w in zip(got, want):
        assert g == w, (node.name, g, w)
    assert self_of(has["SelfNode"]) == self_of(told["Node"]), node.name
    assert rules_of(has["PacketFilterRules"]) == rules_of([r for c in told["PacketFilters"].values() for r in c]), node.name
    assert plain(has["SSHPolicy"]) == plain(told["SSHPolicy"]), node.name
    dns = plain(has["DNS"])
    assert {k: dns.get(k) for k in ("Domains", "Proxied")} == {k: told["DNSConfig"].get(k) for k in ("Domains", "Proxied")}
    used = {p["User"] for p in told.get("Peers") or []} | {told["Node"]["User"]}
    profiles = profiles_of(has["UserProfiles"].values(), used)
    assert profiles == profiles_of(told["UserProfiles"], used) and set(profiles) == used, node.name
    return True


@pytest.mark.long
def test_whatever_happens_all_end_with_the_same_view(lab):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    rnd = random.Random(seed)
    s = lab.server
    s.user("anna"), s.user("ben")
    s.set_policy(OPEN)
    anna, ben = s.auth_key("anna"), s.auth_key("ben")
    a1, a2 = lab.node("a1", NEW, key=anna, args=["--accept-routes"]), lab.node("a2", OLD, key=anna)
    b1, b2 = lab.node("b1", NEW, key=ben), lab.node("b2", OLD, key=ben)
    r = lab.node("r", NEW, key=anna, args=[f"--advertise-routes={NET}"])
    t = lab.node("t", OLD, key=s.auth_key(tags=["tag:web"]))
    host = r.stub_network("host", NET)
    for n in (a1, a2, b1, b2, r, t):
        n.sees(*({"a1", "a2", "b1", "b2", "r", "t"} - {n.name}))
        n.listen(80)
    number = {n: s.node_id(n) for n in ("a1", "a2", "b1", "b2", "r", "t")}

    def set_policy(p):
        s.set_policy(p)
        return p

    w = Writers(s, number["r"])
    try:
        crash(s, w, rnd.randrange(5, 40))
        policy = set_policy(FINAL)
        s.cli("nodes", "rename", "-i", number["a2"], "second")
        s.cli("nodes", "approve-routes", "-i", number["r"], "-r", NET)
        crash(s, w, rnd.randrange(0, 10))
        assert json.loads(s.cli("policy", "get").stdout) == policy
        rows = {x["id"]: x for x in s.json("nodes", "list")}
        assert rows[number["a2"]]["givenName"] == "second" and rows[number["r"]]["approvedRoutes"] == [NET]

        s.cli("nodes", "expire", "-i", number["b1"])
        s.cli("nodes", "delete", "-i", number["b2"], "--force")
        s.cli("nodes", "tag", "-i", number["t"], "-t", "tag:db")
        assert s.restart(signal.SIGTERM) == 0
        rows = {x["id"]: x for x in s.json("nodes", "list")}
        assert number["b2"] not in rows and rows[number["t"]]["tags"] == ["tag:db"] and rows[number["b1"]]["expiry"]
        for p in (OPEN, NOTHING, OPEN):
            set_policy(p)
        # Logins while the server is killed: whoever was told that he is in is in.
        ins = [threading.Thread(target=n.up, args=("--force-reauth",), kwargs={"key": ben, "timeout": 60}) for n in (b1, b2)]
        for x in ins:
            x.start()
        crash(s, w, rnd.randrange(0, 20))
        a1.kill(signal.SIGKILL)
        a1.start()
        for x in ins:
            x.join()
        rows = {n["nodeKey"]: n for n in s.json("nodes", "list")}
        for n in (b1, b2):
            assert n.state() == "Running"
            number[n.name] = rows["nodekey:" + n.self_status()["PublicKey"].split(":")[1]]["id"]
        assert len(rows) == 6
        s.cli("nodes", "approve-routes", "-i", number["r"], "-r", "")
        s.cli("nodes", "tag", "-i", number["t"], "-t", "tag:web")
        s.cli("nodes", "approve-routes", "-i", number["r"], "-r", NET)
        policy = set_policy(FINAL)
        crash(s, w, rnd.randrange(0, 5))
    finally:
        w.end()
    assert json.loads(s.cli("policy", "get").stdout) == policy
    w.check(w.given())
    s.cli("nodes", "rename", "-i", number["r"], "router")

    # Who sees whom now follows from FINAL.
    for n, names in ((a1, {"second", "router"}), (a2, {"a1", "router"}), (r, {"a1", "second"}), (b1, {"t"}), (b2, {"t"}), (t, {"b1", "b2"})):
        until(f"{n.name} sees {sorted(names)}", lambda n=n, names=names: set(n.peers()) == names, timeout=60)
    lab.settle(a1, a2, b1, b2, r, t, timeout=60)
    for n in (a1, a2, b1, b2, r, t):
        until(f"{n.name} has the map a fresh client would have", lambda n=n: agrees(s, n, number[n.name]))
        assert n.self_status()["DNSName"].endswith(f".{DOMAIN}.")
    for src, dst, name in ((a1, a2, "a2"), (a2, a1, "a1"), (b1, t, "t"), (b2, t, "t"), (a1, host, "host")):
        src.reaches(dst.lan if dst is host else dst.ip4, 80, name)
    for src, dst in ((t, b1), (b1, a1), (a1, b2), (a1, t)):
        src.reaches_not(dst.ip4, 80)
    a1.ping(a2.ip4)
    r.ping(a2.ip6)
