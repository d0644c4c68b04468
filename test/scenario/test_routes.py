"""Subnet routes and exit nodes: announced, approved, used, taken back, and who takes over."""
import json
import signal

import pytest

from lab import BOTH, NEW, OLD, never, run, until

NET = "192.168.77.0/24"
WORLD = "203.0.113.10"
EXIT = ("0.0.0.0/0", "::/0")


def routes_of(lab, name):
    n = lab.server.node(name)
    return tuple(sorted(n[k]) for k in ("availableRoutes", "approvedRoutes", "subnetRoutes"))


def gets(node, peer, prefix):
    return prefix in (node.peer(peer) or {}).get("AllowedIPs", [])


@pytest.mark.parametrize("version", BOTH)
def test_a_route_is_served_when_approved_and_not_before(lab, version):
    key = lab.server.auth_key("anna")
    r = lab.node("r", version, key=key, args=[f"--advertise-routes={NET}"])
    host = r.stub_network("host", NET)
    n = lab.node("n", OLD if version == NEW else NEW, key=key, args=["--accept-routes"])
    n.sees_online("r")
    until("announced", lambda: routes_of(lab, "r") == ([NET], [], []))
    assert not gets(n, "r", NET)
    assert n.dial(host.lan, 80, 1.5).split()[0] != "host"
    lab.server.approve_routes("r", NET)
    assert routes_of(lab, "r") == ([NET], [NET], [NET])
    one = json.loads(run("curl", "-sS", "--unix-socket", lab.server.socket, f"http://local/api/v1/node/{lab.server.node_id('r')}").stdout)
    assert one["node"] == lab.server.node("r"), "a node is shown alike alone and in the list"
    until("the peer hears", lambda: gets(n, "r", NET))
    assert n.reaches(host.lan, 80, "host") == "192.168.77.1", "the router hides who asks"
    assert NET in lab.server.cli("nodes", "list-routes").stdout
    lab.server.approve_routes("r")
    until("the peer hears", lambda: not gets(n, "r", NET))
    n.reaches_not(host.lan, 80)
    assert routes_of(lab, "r") == ([NET], [], [])


def test_announced_later_and_withdrawn(lab):
    key = lab.server.auth_key("anna")
    r, n = lab.node("r", NEW, key=key), lab.node("n", NEW, key=key)
    r.ts("set", f"--advertise-routes={NET}")
    until("announced", lambda: routes_of(lab, "r")[0] == [NET])
    lab.server.approve_routes("r", NET)
    until("the peer hears", lambda: gets(n, "r", NET))
    r.ts("set", "--advertise-routes=")
    until("withdrawn", lambda: routes_of(lab, "r") == ([], [NET], []))
    until("the peer hears", lambda: not gets(n, "r", NET))
    # What was approved stays so, for when it is announced again.
    r.ts("set", f"--advertise-routes={NET}")
    until("the peer hears", lambda: gets(n, "r", NET))


@pytest.mark.parametrize("version", BOTH)
def test_an_exit_node_carries_everything(lab, version):
    key = lab.server.auth_key("anna")
    x = lab.node("x", NEW, key=key, args=["--advertise-exit-node"])
    world = x.stub_network("world", "192.168.78.0/24")
    # A client refuses to be the way to its own local networks, so the world is one hop further.
    world.ip("addr", "add", WORLD + "/32", "dev", "lo")
    x.ip("route", "add", WORLD, "via", world.lan)
    n = lab.node("n", version, key=key)
    n.sees_online("x")
    assert not n.peer("x")["ExitNodeOption"]
    assert n.dial(WORLD, 80, 1.5).split()[0] != "world"
    lab.server.approve_routes("x", EXIT[0])  # one of the two stands for both
    until("offered", lambda: n.peer("x")["ExitNodeOption"])
    assert routes_of(lab, "x")[1] == sorted(EXIT)
    assert "x." in n.ts("exit-node", "list").stdout
    n.ts("set", "--exit-node=x")
    until("in use", lambda: n.peer("x")["ExitNode"])
    n.reaches(WORLD, 80, "world")
    n.ts("set", "--exit-node=")
    n.reaches_not(WORLD, 80)


def test_approved_by_policy(lab):
    for u in ("anna", "ben"):
        lab.server.user(u)
    lab.server.set_policy({
        "tagOwners": {"tag:router": ["anna@"]},
        "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}],
        "autoApprovers": {"routes": {"192.168.0.0/16": ["tag:router"]}, "exitNode": ["anna@"]},
    })
    n = lab.node("n", NEW, user="anna")
    lab.node("r", NEW, key=lab.server.auth_key(tags=["tag:router"]), args=[f"--advertise-routes={NET},10.1.0.0/16"])
    until("approved", lambda: gets(n, "r", NET))
    assert routes_of(lab, "r") == (["10.1.0.0/16", NET], [NET], [NET]), "within the prefix only"
    lab.node("x", OLD, user="anna", args=["--advertise-exit-node"])
    until("approved", lambda: n.peer("x")["ExitNodeOption"])
    lab.node("y", OLD, user="ben", args=["--advertise-exit-node"])
    n.sees_online("y")
    until("announced", lambda: routes_of(lab, "y")[0] == sorted(EXIT))
    assert not n.peer("y")["ExitNodeOption"]


def test_only_who_may_use_a_route_is_told_of_it(lab):
    for u in ("anna", "ben", "carl"):
        lab.server.user(u)
    lab.server.set_policy({"acls": [
        {"action": "accept", "src": ["anna@"], "dst": ["192.168.77.0/24:80"]},
        {"action": "accept", "src": ["ben@"], "dst": ["carl@:*"]},
    ]})
    r = lab.node("r", NEW, user="carl", args=[f"--advertise-routes={NET}"])
    host = r.stub_network("host", NET)
    host.listen(81)
    a = lab.node("a", NEW, user="anna", args=["--accept-routes"])
    b = lab.node("b", NEW, user="ben", args=["--accept-routes"])
    until("announced", lambda: routes_of(lab, "r")[0] == [NET])
    lab.server.approve_routes("r", NET)
    until("told", lambda: gets(a, "r", NET))
    a.reaches(host.lan, 80, "host")
    assert a.dial(host.lan, 81, 1.5) != "host 192.168.77.1"
    b.sees("r")
    assert not gets(b, "r", NET)


def two_routers(lab, key, **more):
    """Routers r1 and r2 to the same prefix, r1 first, and a node n that uses it."""
    n = lab.node("n", NEW, key=key, args=["--accept-routes"])
    routers = []
    for name in ("r1", "r2"):
        r = lab.node(name, NEW, key=more.get(name, key), args=[f"--advertise-routes={NET}"])
        r.stub_network("host-" + name, NET)
        until("announced", lambda name=name: routes_of(lab, name)[0] == [NET])
        lab.server.approve_routes(name, NET)
        routers.append(r)
    return (n, *routers)


def test_the_second_router_takes_over_and_keeps(lab):
    n, r1, _ = two_routers(lab, lab.server.auth_key("anna"))
    until("the first serves", lambda: gets(n, "r1", NET) and not gets(n, "r2", NET))
    n.reaches("192.168.77.10", 80, "host-r1")
    r1.kill(signal.SIGKILL)
    until("the second serves", lambda: gets(n, "r2", NET) and not gets(n, "r1", NET), timeout=40)
    n.reaches("192.168.77.10", 80, "host-r2")
    assert routes_of(lab, "r2")[2] == [NET] and routes_of(lab, "r1")[2] == []
    r1.start()
    n.sees_online("r1")
    never("it gives back", lambda: gets(n, "r1", NET), seconds=2)
    assert gets(n, "r2", NET)


def test_a_router_whose_cable_is_pulled_is_noticed_by_asking(make_lab):
    lab = make_lab(config={"node": {"routes": {"ha": {"probe_interval": "2s", "probe_timeout": "1s"}}}})
    n, r1, _ = two_routers(lab, lab.server.auth_key("anna"))
    until("the first serves", lambda: gets(n, "r1", NET))
    r1.unplug()
    until("the second serves", lambda: gets(n, "r2", NET) and not gets(n, "r1", NET), timeout=30)
    n.reaches("192.168.77.10", 80, "host-r2")
    r1.plug()
    until("the first is back", lambda: lab.server.node("r1")["online"] and n.peer("r1")["Online"], timeout=60)
    never("it gives back", lambda: gets(n, "r1", NET), seconds=3)


def test_both_routers_away_and_one_returns(lab):
    n, r1, r2 = two_routers(lab, lab.server.auth_key("anna"))
    until("the first serves", lambda: gets(n, "r1", NET))
    r1.kill(signal.SIGKILL)
    r2.kill(signal.SIGKILL)
    n.sees_online("r1", False, timeout=40)
    n.sees_online("r2", False, timeout=40)
    r2.start()
    until("the second serves", lambda: gets(n, "r2", NET) and not gets(n, "r1", NET), timeout=40)
    n.reaches("192.168.77.10", 80, "host-r2")


def test_approval_taken_from_the_first_gives_the_second_its_turn(lab):
    n, _, _ = two_routers(lab, lab.server.auth_key("anna"))
    until("the first serves", lambda: gets(n, "r1", NET))
    lab.server.approve_routes("r1")
    until("the second serves", lambda: gets(n, "r2", NET) and not gets(n, "r1", NET))
    n.reaches("192.168.77.10", 80, "host-r2")


def test_each_group_by_its_own_router(lab):
    """Grants with `via`: the same prefix by another router for another user."""
    for u in ("anna", "ben"):
        lab.server.user(u)
    lab.server.set_policy({
        "tagOwners": {"tag:one": ["anna@"], "tag:two": ["anna@"]},
        "grants": [{"src": ["anna@"], "dst": [NET], "ip": ["*"], "via": ["tag:one"]},
                   {"src": ["ben@"], "dst": [NET], "ip": ["*"], "via": ["tag:two"]}],
    })
    b = lab.node("b", NEW, user="ben", args=["--accept-routes"])
    n, _, _ = two_routers(lab, lab.server.auth_key("anna"), r1=lab.server.auth_key(tags=["tag:one"]),
                          r2=lab.server.auth_key(tags=["tag:two"]))
    until("one for anna", lambda: gets(n, "r1", NET) and not gets(n, "r2", NET))
    until("two for ben", lambda: gets(b, "r2", NET) and not gets(b, "r1", NET))
    n.reaches("192.168.77.10", 80, "host-r1")
    b.reaches("192.168.77.10", 80, "host-r2")


def test_a_policy_that_comes_later_approves_what_waits(lab):
    lab.server.user("anna")
    r = lab.node("r", NEW, user="anna", args=[f"--advertise-routes={NET}", "--advertise-exit-node"])
    n = lab.node("n", OLD, user="anna", args=["--accept-routes"])
    n.sees_online("r")
    until("announced", lambda: routes_of(lab, "r")[0] == sorted([NET, *EXIT]))
    assert routes_of(lab, "r")[1] == []
    acls = [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]
    lab.server.set_policy({"acls": acls, "autoApprovers": {"routes": {"192.168.0.0/16": ["anna@"]}}})
    until("approved", lambda: routes_of(lab, "r")[1:] == ([NET], [NET]))
    until("the peer hears", lambda: gets(n, "r", NET))
    until("the router is not told any more", lambda: "Subnet routes" not in str(r.status().get("Health")))
    lab.server.set_policy({"acls": acls, "autoApprovers": {"exitNode": ["anna@"]}})
    until("the peer hears", lambda: n.peer("r")["ExitNodeOption"])
    # What was approved stays, also without an approver.
    lab.server.set_policy({"acls": acls})
    never("taken back", lambda: routes_of(lab, "r")[1] != sorted([NET, *EXIT]), seconds=2, every=0.3)


def test_two_networks_of_one_range_by_4via6(lab):
    key = lab.server.auth_key("anna")
    n = lab.node("n", NEW, key=key, args=["--accept-routes"])
    hosts = {}
    for site in (7, 8):
        r = lab.node(f"r{site}", NEW if site == 7 else OLD, key=key)
        hosts[site] = r.stub_network(f"host{site}", NET)
        prefix = r.ts("debug", "via", str(site), NET).stdout.split()[0]
        assert prefix.startswith("fd7a:115c:a1e0:b1a:"), prefix
        r.ts("set", f"--advertise-routes={prefix}")
        until("announced", lambda: routes_of(lab, f"r{site}")[0] == [prefix])
        lab.server.approve_routes(f"r{site}", prefix)
        until("the peer hears", lambda: gets(n, f"r{site}", prefix))
    for site, host in hosts.items():
        via = n.ts("debug", "via", str(site), host.lan + "/32").stdout.split()[0].split("/")[0]
        n.reaches(via, 80, f"host{site}", timeout=30)


def test_the_approved_exit_node_is_suggested(lab):
    key = lab.server.auth_key("anna")
    for name, version in (("waits", NEW), ("serves", OLD)):
        lab.node(name, version, key=key, args=["--advertise-exit-node"])
    n = lab.node("n", NEW, key=key)

    def suggested():
        return n.ts("exit-node", "suggest", check=False).stdout

    n.sees_online("waits")
    n.sees_online("serves")
    assert "Suggested exit node" not in suggested()
    lab.server.approve_routes("serves", *EXIT)
    until("it is suggested", lambda: "Suggested exit node: serves.tail.test" in suggested(), timeout=40, every=0.5)
    n.ts("set", "--exit-node=auto:any")
    until("it is taken", lambda: n.peer("serves")["ExitNode"], timeout=40)
    n.ts("set", "--exit-node=")
    lab.server.approve_routes("serves")
    until("and not any more", lambda: "Suggested exit node" not in suggested(), every=0.5)


def test_three_routers_in_turn(lab):
    """The lowest that is there takes over; who comes back waits; who loses its approval serves no more."""
    key = lab.server.auth_key("anna")
    n, r1, r2 = two_routers(lab, key)
    r3 = lab.node("r3", OLD, key=key, args=[f"--advertise-routes={NET}"])
    r3.stub_network("host-r3", NET)
    until("announced", lambda: routes_of(lab, "r3")[0] == [NET])
    lab.server.approve_routes("r3", NET)

    def serves(name):
        until(f"{name} alone serves", lambda: [r for r in ("r1", "r2", "r3") if gets(n, r, NET)] == [name], timeout=40)
        n.reaches("192.168.77.10", 80, "host-" + name)
    serves("r1")
    r1.ts("down")
    serves("r2")
    r1.up(f"--advertise-routes={NET}")
    n.sees_online("r1")
    serves("r2")
    r2.kill(signal.SIGKILL)
    serves("r1")
    lab.server.approve_routes("r1")
    serves("r3")
    lab.server.approve_routes("r1", NET)
    r2.start()
    n.sees_online("r2")
    serves("r3")
    r3.ts("down")
    serves("r1")
