"""Joining, finding each other, leaving and coming back: what every network needs first."""
import ipaddress
import re
import signal

import pytest

from lab import BOTH, DOMAIN, NEW, OLD, URL, never, until


@pytest.mark.parametrize("version", BOTH)
def test_a_node_joins_with_a_key(lab, version):
    n = lab.node("first", version, user="anna")
    assert n.state() == "Running"
    me = n.self_status()
    assert me["DNSName"] == f"first.{DOMAIN}."
    v4, v6 = (ipaddress.ip_address(a) for a in sorted(me["TailscaleIPs"], key=lambda a: ":" in a))
    assert v4 in ipaddress.ip_network("100.64.0.0/10") and v6 in ipaddress.ip_network("fd7a:115c:a1e0::/48")
    assert n.status()["CurrentTailnet"]["MagicDNSSuffix"] == DOMAIN
    row = lab.server.node("first")
    assert sorted(row["ipAddresses"]) == sorted(me["TailscaleIPs"])
    assert row["user"]["name"] == "anna"
    assert until("the server says online", lambda: lab.server.node("first")["online"])
    assert f"nodekey:{me['PublicKey'].split(':')[1]}" == row["nodeKey"]


def test_two_versions_reach_each_other_both_ways(lab):
    n1, n2 = lab.pair()
    for a, b in ((n1, n2), (n2, n1)):
        a.ping(b.ip4)
        a.ping(b.ip6)
    n1.ping(n2.name, direct=True)
    n2.listen(80)
    n2.listen(80, "::")
    assert n1.dial(n2.ip4, 80) == f"n2 {n1.ip4}"
    assert n1.dial(n2.ip6, 80) == f"n2 {n1.ip6}"
    assert n1.dial(n2.ip4, 81) == "refused"


def test_names_resolve_for_programmes(lab):
    n1, n2 = lab.pair()
    for a, b in ((n1, n2), (n2, n1)):
        until("full name", lambda: a.resolve(f"{b.name}.{DOMAIN}") == [b.ip4])
        assert a.resolve(b.name) == [b.ip4], "the search domain is set"
        assert a.dns(f"{b.name}.{DOMAIN}") == [b.ip4]
        assert a.dns(f"nobody.{DOMAIN}") == []


def test_a_third_node_is_heard_of_without_a_new_map(lab):
    n1, n2 = lab.pair((NEW, NEW))
    n1.ping(n2.ip4)
    with lab.only_increments(n1, n2):
        n3 = lab.node("n3", OLD, user="anna")
        for n in (n1, n2):
            n.sees_online("n3")
            n.ping(n3.ip4)
        n3.sees("n1", "n2")
    n3.ping(n1.ip6)


@pytest.mark.parametrize("version", BOTH)
def test_offline_and_back(lab, version):
    n1, n2 = lab.pair((NEW, version))
    n1.ping(n2.ip4)
    with lab.only_increments(n1):
        n2.ts("down")
        n1.sees_online("n2", False, timeout=30)
        until("when it was last seen", lambda: not n1.peer("n2")["LastSeen"].startswith("0001"))
        until("the server says offline", lambda: not lab.server.node("n2")["online"])
        n2.ts("up", *n2.up_command())
        n1.sees_online("n2")
        n1.ping(n2.ip4)
    assert n2.state() == "Running"


def test_a_killed_client_goes_offline_and_returns_with_the_same_address(lab):
    n1, n2 = lab.pair((NEW, NEW))
    was = n2.ip4
    n2.kill(signal.SIGKILL)
    n1.sees_online("n2", False, timeout=30)
    n2.start()
    n1.sees_online("n2")
    until("it runs", lambda: n2.state() == "Running")
    assert n2.ip4 == was
    n1.ping(was)
    assert len(lab.server.nodes()) == 2


def test_rename_reaches_the_node_and_its_peers(lab):
    n1, n2 = lab.pair()
    lab.server.cli("nodes", "rename", "-i", lab.server.node_id("n2"), "desk")
    until("peer's name", lambda: n1.peer("desk"))
    until("own name", lambda: n2.self_status()["DNSName"] == f"desk.{DOMAIN}.")
    until("resolves", lambda: n1.resolve(f"desk.{DOMAIN}") == [n2.ip4])
    assert n1.resolve(f"n2.{DOMAIN}") == []
    n1.ping(n2.ip4)


def test_expired_node_must_log_in_again(lab):
    n1, n2 = lab.pair()
    ip = n2.ip4
    n1.ping(ip)
    lab.server.cli("nodes", "expire", "-i", lab.server.node_id("n2"))
    until("the client knows", lambda: n2.state() == "NeedsLogin", timeout=30)
    until("its peer knows", lambda: n1.peer("n2").get("Expired"), timeout=30)
    n2.up("--force-reauth", key=lab.server.auth_key("anna"))
    until("not expired", lambda: not n1.peer("n2").get("Expired"))
    assert n2.ip4 == ip and set(lab.server.nodes()) == {"n1", "n2"}
    n1.ping(ip)


def test_expiry_in_the_future_is_told_and_taken_back(lab):
    n1, n2 = lab.pair()
    number = lab.server.node_id("n2")
    lab.server.cli("nodes", "expire", "-i", number, "--expiry", "2099-01-02T03:04:05Z")
    until("peer's expiry", lambda: n1.peer("n2").get("KeyExpiry", "").startswith("2099-01-02T03:04:05"))
    until("own expiry", lambda: n2.self_status().get("KeyExpiry", "").startswith("2099-01-02T03:04:05"))
    lab.server.cli("nodes", "expire", "-i", number, "--disable")
    until("no expiry", lambda: not n1.peer("n2").get("KeyExpiry"))
    assert n2.state() == "Running"


def test_deleted_node_is_gone_for_all(lab):
    n1, n2 = lab.pair()
    n3 = lab.node("n3", NEW, user="anna")
    n1.sees("n2", "n3")
    ip = n2.ip4
    n1.ping(ip)
    with lab.only_increments(n1, n3):
        lab.server.cli("nodes", "delete", "-i", lab.server.node_id("n2"), "--force")
        n1.sees("n3")
        n3.sees("n1")
    assert n1.ts("ping", "-c1", "--timeout=2s", ip, check=False).returncode != 0
    until("it knows", lambda: n2.state() == "NeedsLogin", timeout=30)
    assert set(lab.server.nodes()) == {"n1", "n3"}


def test_server_killed_and_back_without_a_new_login(lab):
    n1, n2 = lab.pair()
    n1.ping(n2.ip4)
    before = {n.name: (n.ip4, n.self_status()["PublicKey"]) for n in (n1, n2)}
    lab.server.kill(signal.SIGKILL)
    n1.ping(n2.ip4)  # nodes go on without it
    lab.server.start()
    until("both are back", lambda: all(r["online"] for r in lab.server.nodes().values()), timeout=60)
    for n in (n1, n2):
        assert n.state() == "Running"
        assert (n.ip4, n.self_status()["PublicKey"]) == before[n.name]
    # What happens from here on reaches both: the new streams work.
    n3 = lab.node("n3", NEW, user="anna")
    n1.sees_online("n3", timeout=60)
    n2.sees_online("n3", timeout=60)
    n3.ping(n1.ip4)


def test_what_was_acknowledged_survives_a_kill(lab):
    lab.node("n1", NEW, user="anna")
    number = lab.server.node_id("n1")
    for i in range(12):
        lab.server.cli("nodes", "rename", "-i", number, f"name{i}")
        if i % 4 == 3:
            lab.server.restart(signal.SIGKILL)
        assert set(lab.server.nodes()) == {f"name{i}"}


def test_bad_keys_are_refused_in_words(lab):
    good = lab.server.auth_key("anna", reusable=False)
    lab.node("n1", NEW, key=good)
    n2 = lab.node("n2", NEW)
    p = n2.up(key=good, check=False, timeout=8)
    assert p.returncode != 0 and "authkey already used" in p.stderr, p.stderr
    n2.ts("logout", check=False)
    p = n2.up(key="hskey-auth-000000000000-" + "0" * 64, check=False, timeout=8)
    assert p.returncode != 0, p.stderr
    old = lab.server.auth_key("anna")
    lab.server.cli("preauthkeys", "expire", "-i", str(max(int(k["id"]) for k in lab.server.json("preauthkeys", "list"))))
    p = n2.up(key=old, check=False, timeout=8)
    assert p.returncode != 0 and "expired" in p.stderr, p.stderr
    assert set(lab.server.nodes()) == {"n1"}


def test_a_name_taken_gets_a_suffix(lab):
    key = lab.server.auth_key("anna")
    n1 = lab.node("n1", NEW, key=key)
    n2 = lab.node("n2", NEW)
    n2.ts("up", f"--login-server={URL}", "--hostname=n1", f"--auth-key={key}", "--timeout=40s")
    mine = n2.self_status()["DNSName"].split(".")[0]
    assert mine != "n1" and re.match(r"^n1-[a-z0-9]+$", mine), mine
    until("the other sees it", lambda: n1.peer(mine))


@pytest.mark.parametrize("raw,label", [("Ann's Büro_PC", "anns-bro-pc"), ("Test@Host", "test-host"), ("我的电脑", "node"),
                                       ("x" * 64, "x" * 63)])
def test_a_host_name_becomes_a_label(lab, raw, label):
    n = lab.node("n", NEW, start=False)
    n.start(hostname=raw)
    n.ts("up", f"--login-server={URL}", f"--auth-key={lab.server.auth_key('anna')}", "--timeout=40s")
    (row,) = lab.server.json("nodes", "list")
    assert (row["name"], row["givenName"]) == (raw, label)
    assert n.self_status()["DNSName"] == f"{label}.{DOMAIN}."


def test_what_the_client_calls_itself_later(lab):
    n1, n2 = lab.pair((NEW, NEW))
    n2.ts("set", "--hostname=later")
    until("its peer knows", lambda: n1.peer("later"))
    lab.server.cli("nodes", "rename", "-i", lab.server.node_id("later"), "fixed")
    until("its peer knows", lambda: n1.peer("fixed"))
    n2.ts("set", "--hostname=another")
    until("the server knows", lambda: lab.server.node("fixed")["name"] == "another")
    assert n1.peer("fixed") and not n1.peer("another"), "what an administrator chose stays"


def test_down_and_up_many_times(lab):
    n1, n2 = lab.pair((NEW, OLD))
    n1.ping(n2.ip4)
    for _ in range(5):
        n2.ts("down")
        n2.ts("up", *n2.up_command())
    n1.sees_online("n2")
    n1.ping(n2.ip4)
    n1.ts("down")
    n2.sees_online("n1", False, timeout=30)
    n1.ts("up", *n1.up_command())
    n2.sees_online("n1")
    n2.ping(n1.ip4)


def test_server_tells_nothing_of_others_to_strangers(lab):
    lab.node("n1", NEW, user="anna")
    for path in ("/api/v1/node", "/api/v1/user", "/api/v1/policy", "/machine/map"):
        out = lab.server.http(path, "-w", "\n%{http_code}").stdout
        assert out.rsplit("\n", 1)[1] in ("401", "404", "405"), (path, out)
        assert "n1" not in out and "anna" not in out
    assert '"pass"' in lab.server.http("/health").stdout


def test_idle_network_is_silent(lab):
    """Nobody is sent a map when nothing changes."""
    n1, n2 = lab.pair((NEW, NEW))
    n1.ping(n2.ip4, direct=True)
    lab.settle(n1, n2, quiet=2)

    def maps():
        return [n.metrics()["controlclient_map_response_map"] for n in (n1, n2)]
    before = maps()
    never("a map though nothing changed", lambda: maps() != before, seconds=3)


@pytest.mark.parametrize("version", BOTH)
def test_the_end_of_a_key_stays_over_a_restart_of_the_client(lab, version):
    n1, n2 = lab.pair((NEW, version))
    lab.server.cli("nodes", "expire", "-i", lab.server.node_id("n2"), "--expiry", "2099-01-02T03:04:05Z")
    until("own expiry", lambda: n2.self_status().get("KeyExpiry", "").startswith("2099-01-02T03:04:05"))
    key = n2.self_status()["PublicKey"]
    n2.restart()
    until("back", lambda: n2.state() == "Running", timeout=30)
    until("own expiry", lambda: n2.self_status().get("KeyExpiry", "").startswith("2099-01-02T03:04:05"))
    assert n2.self_status()["PublicKey"] == key
    assert lab.server.node("n2")["expiry"].startswith("2099-01-02T03:04:05")
    until("peer's expiry", lambda: n1.peer("n2").get("KeyExpiry", "").startswith("2099-01-02T03:04:05"))


@pytest.mark.parametrize("version", BOTH)
def test_a_user_who_is_renamed_is_shown_so(lab, version):
    a, b = lab.node("a", version, user="anna"), lab.node("b", NEW, user="ben")
    a.sees("b"), b.sees("a")

    def login(n, peer=None):
        # A newer client's status has the profiles of the last whole map alone.
        return n.netmap()["UserProfiles"][str((n.peer(peer) if peer else n.self_status())["UserID"])]["LoginName"]
    until("as it was", lambda: login(a, "b") == "ben")
    lab.server.cli("users", "rename", "-i", lab.server.users["ben"], "-r", "bernd")
    until("its peer knows", lambda: login(a, "b") == "bernd")
    until("it knows", lambda: login(b) == "bernd")
    assert login(b, "a") == "anna"
    assert lab.server.node("b")["user"]["name"] == "bernd"
