"""Taking over from the Go headscale: its database, its keys; no client notices."""
import glob
import json
import os
import sqlite3

import pytest

import go_database as go
from lab import NEW, OLD, until

POLICY = '// by hand\n{"tagOwners": {"tag:web": ["anna@"]}, "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}\n'


def as_go_left_it(lab):
    """Stop the server and put a Go headscale's database with the same nodes in place of its own."""
    s = lab.server
    rows = sorted(s.json("nodes", "list"), key=lambda r: int(r["id"]))
    s.kill(15)
    for path in glob.glob(os.path.join(s.dir, "db.sqlite*")):
        os.unlink(path)
    nodes = []
    for r in rows:
        tagged = bool(r["tags"])
        v4, v6 = sorted(r["ipAddresses"], key=lambda a: ":" in a)
        nodes.append({
            "id": int(r["id"]) + 40, "machine_key": r["machineKey"], "node_key": r["nodeKey"], "disco_key": r["discoKey"],
            "endpoints": [lab.nodes[r["name"]].lan + ":41641"],
            "host_info": {"OS": "linux", "Hostname": r["name"], "IPNVersion": "1.98.1", "NetInfo": {"PreferredDERP": 999}},
            "ipv4": v4, "ipv6": v6, "hostname": r["name"], "given_name": r["givenName"],
            "user_id": None if tagged else 7, "register_method": "authkey", "tags": r["tags"] or None,
            "auth_key_id": 3, "expiry": None, "last_seen": go.THEN, "approved_routes": r["approvedRoutes"] or None,
            "updated_at": go.THEN})
    go.write(os.path.join(s.dir, "db.sqlite"), {
        "users": [{"id": 7, "name": "anna", "display_name": "Anna", "email": "anna@example.com"},
                  {"id": 9, "name": "gone", "deleted_at": go.THEN},
                  {"id": 11, "name": "odin", "provider": "oidc", "provider_identifier": "https://id.test/s-odin"}],
        "pre_auth_keys": [{"id": 3, "key": "", "prefix": go.AUTH_KEY.split("-")[2], "hash": go.AUTH_HASH, "user_id": 7,
                           "reusable": 1, "ephemeral": 0, "used": 1, "tags": [], "expiration": go.LATER}],
        "api_keys": [{"id": 2, "prefix": go.API_KEY.split("-")[2], "hash": go.API_HASH, "expiration": go.LATER}],
        "nodes": nodes,
        "policies": [{"id": 1, "data": '{"acls": []}'}, {"id": 2, "data": POLICY}],
    })


def test_nobody_logs_in_again(lab):
    lab.server.user("anna")
    lab.server.set_policy(POLICY)
    n1, n2 = lab.pair((NEW, OLD))
    w = lab.node("w", NEW, key=lab.server.auth_key(tags=["tag:web"]))
    until("all have a home relay", lambda: all(p["Relay"] for n in (n1, n2, w) for p in n.peers().values()))
    before = {n.name: (n.ip4, n.ip6, n.self_status()["PublicKey"]) for n in (n1, n2, w)}
    as_go_left_it(lab)
    lab.server.start()
    lab.server.users.clear()
    until("all are back", lambda: all(r["online"] for r in lab.server.nodes().values()), timeout=60)
    for n in (n1, n2, w):
        assert n.state() == "Running"
        assert (n.ip4, n.ip6, n.self_status()["PublicKey"]) == before[n.name]
    n1.ping(n2.ip4)
    n2.ping(w.ip4)
    rows = lab.server.nodes()
    assert {k: int(v["id"]) for k, v in rows.items()} == {"n1": 41, "n2": 42, "w": 43}
    assert rows["n1"]["user"]["name"] == "anna" and rows["w"]["tags"] == ["tag:web"]
    # New things beside the old: addresses, names and numbers do not collide.
    n3 = lab.node("n3", NEW, key=go.AUTH_KEY)
    assert n3.ip4 not in {v[0] for v in before.values()}
    assert int(lab.server.node_id("n3")) > 43
    n1.sees_online("n3")
    assert lab.server.node("n3")["user"]["name"] == "anna"


def test_users_keys_and_policy_are_there(lab):
    lab.node("n1", NEW, user="anna")
    as_go_left_it(lab)
    lab.server.start()
    users = {u["name"]: u for u in lab.server.json("users", "list")}
    assert set(users) == {"anna", "odin"}, "who was deleted stays so"
    assert int(users["anna"]["id"]) == 7 and users["anna"]["email"] == "anna@example.com"
    assert users["odin"]["providerId"] == "https://id.test/s-odin"
    (key,) = lab.server.json("preauthkeys", "list")
    assert int(key["id"]) == 3 and key["reusable"] and go.AUTH_KEY.split("-")[2] in key["key"]
    assert lab.server.cli("policy", "get").stdout.strip() == POLICY.strip(), "comments and all"
    out = lab.server.http("/api/v1/user", "-H", f"Authorization: Bearer {go.API_KEY}")
    assert {u["name"] for u in json.loads(out.stdout)["users"]} == {"anna", "odin"}
    wrong = go.API_KEY[:-1] + ("0" if go.API_KEY[-1] != "0" else "1")
    out = lab.server.http("/api/v1/user", "-H", f"Authorization: Bearer {wrong}", "-o", "/dev/null", "-w", "%{http_code}")
    assert out.stdout == "401"
    # And a second start finds what the first made of it.
    lab.server.restart()
    assert {u["name"] for u in lab.server.json("users", "list")} == {"anna", "odin"}
    assert int(lab.server.user("ben")) > 11, "a number is not given twice"


@pytest.mark.parametrize("what", ["node", "user", "nothing"])
def test_a_damaged_database_stops_the_start_in_words(lab, what):
    lab.node("n1", NEW, user="anna")
    as_go_left_it(lab)
    path = os.path.join(lab.server.dir, "db.sqlite")
    db = sqlite3.connect(path)
    if what == "node":
        db.execute("UPDATE nodes SET node_key = 'nodekey:zz'")
    elif what == "user":
        db.execute("DROP TABLE users")
    db.commit()
    db.close()
    if what == "nothing":
        lab.server.start()
        return
    lab.server.start(wait=False)
    assert lab.server.process.wait(20) == 1
    lab.server.processes.remove(lab.server.process)
    lab.server.process = None
    log = lab.server.log()
    assert "Error" in log and ("node" if what == "node" else "users") in log, log[-1500:]
