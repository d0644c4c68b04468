"""Logging in without a key, logging in again, as another, and back; short-lived nodes."""
import pytest

import lab as lab_module
from lab import BOTH, NEW, OLD, URL, never, until


@pytest.mark.parametrize("version", BOTH)
def test_login_by_link_and_approval(lab, version):
    lab.server.user("anna")
    n = lab.node("n", version)
    p, url = n.up_url()
    assert url.startswith(URL + "/"), url
    page = lab.server.http(url[len(URL):])
    number = url.rstrip("/").split("/")[-1]
    assert number in page.stdout and "auth register" in page.stdout
    assert p.poll() is None and lab.server.nodes() == {}
    lab.server.approve_login(url, "anna")
    assert p.wait(30) == 0
    assert n.state() == "Running"
    assert lab.server.node("n")["user"]["name"] == "anna"
    assert lab.server.node("n")["registerMethod"] == "REGISTER_METHOD_CLI"
    again = lab.server.cli("auth", "register", "--auth-id", number, "--user", "anna", check=False)
    assert again.returncode == 1, "a link serves once"


def test_two_wait_at_once_and_each_gets_his_own(lab):
    lab.server.user("anna"), lab.server.user("ben")
    n1, n2 = lab.node("n1", NEW), lab.node("n2", OLD)
    (p1, url1), (p2, url2) = n1.up_url(), n2.up_url()
    assert url1 != url2
    lab.server.approve_login(url2, "ben")
    assert p2.wait(30) == 0
    assert p1.poll() is None and set(lab.server.nodes()) == {"n2"}
    lab.server.approve_login(url1, "anna")
    assert p1.wait(30) == 0
    n1.sees_online("n2")
    assert [lab.server.node(n)["user"]["name"] for n in ("n1", "n2")] == ["anna", "ben"]


def test_a_login_turned_down(lab):
    lab.server.user("anna")
    n = lab.node("n", NEW)
    p, url = n.up_url()
    number = url.rstrip("/").split("/")[-1]
    lab.server.cli("auth", "reject", "--auth-id", number)
    until("the client is told", lambda: "refused" in n.log() or n.api("status")["AuthURL"] not in ("", url))
    out = lab.server.cli("auth", "register", "--auth-id", number, "--user", "anna", check=False)
    assert out.returncode == 1, "what was turned down stays so"
    assert lab.server.nodes() == {} and n.state() != "Running"
    n.stop(p)
    again, _ = n.up_url("--force-reauth")
    url = until("a new link", lambda: n.api("status")["AuthURL"] not in ("", url) and n.api("status")["AuthURL"])
    lab.server.approve_login(url, "anna")
    assert again.wait(30) == 0


def test_unknown_links_and_users_are_refused(lab):
    lab.server.user("anna")
    n = lab.node("n", NEW)
    _, url = n.up_url()
    number = url.rstrip("/").split("/")[-1]
    for auth_id, user in (("hskey-authreq-" + "0" * 24, "anna"), ("nonsense", "anna"), (number, "nobody")):
        out = lab.server.cli("auth", "register", "--auth-id", auth_id, "--user", user, check=False)
        assert out.returncode == 1 and "Error" in out.stderr, (auth_id, user, out.stderr)
    assert lab.server.nodes() == {}
    lab.server.approve_login(url, "anna")
    until("joined", lambda: n.state() == "Running")


@pytest.mark.parametrize("version", BOTH)
def test_out_and_in_again_is_the_same_node(lab, version):
    n1, n2 = lab.pair((version, NEW))
    before, key = lab.server.node("n1"), n1.self_status()["PublicKey"]
    n1.ts("logout")
    n2.sees_online("n1", False, timeout=30)
    assert n1.state() == "NeedsLogin"
    n1.up("--reset", key=lab.server.auth_key("anna"))  # 1.80 may start a new profile, with settings of its own
    after = lab.server.node("n1")
    assert after["id"] == before["id"] and after["ipAddresses"] == before["ipAddresses"]
    assert n1.self_status()["PublicKey"] != key, "a new login has a new key"
    n2.sees_online("n1")
    n2.ping(n1.ip4)
    assert len(lab.server.nodes()) == 2


def test_another_user_on_the_machine_is_another_node_and_the_first_comes_back(lab):
    lab.node("n", NEW, user="anna")
    n = lab.nodes["n"]
    first = lab.server.json("nodes", "list")
    n.ts("logout")
    n.up("--reset", key=lab.server.auth_key("ben"))
    rows = sorted(lab.server.json("nodes", "list"), key=lambda r: int(r["id"]))
    assert len(rows) == 2 and rows[0]["id"] == first[0]["id"]
    assert rows[0]["machineKey"] == rows[1]["machineKey"]
    assert not set(rows[0]["ipAddresses"]) & set(rows[1]["ipAddresses"])
    assert n.ip4 in rows[1]["ipAddresses"]
    n.ts("logout")
    n.up("--reset", key=lab.server.auth_key("anna"))
    assert n.ip4 in rows[0]["ipAddresses"]
    assert len(lab.server.json("nodes", "list")) == 2


def test_approved_routes_outlive_a_logout(lab):
    net = "192.168.77.0/24"
    r, n = lab.node("r", NEW, user="anna", args=[f"--advertise-routes={net}"]), lab.node("n", NEW, user="anna")
    until("announced", lambda: lab.server.node("r")["availableRoutes"] == [net])
    lab.server.approve_routes("r", net)
    until("served", lambda: net in n.peer("r")["AllowedIPs"])
    r.ts("logout")
    n.sees_online("r", False, timeout=30)
    r.up("--reset", f"--advertise-routes={net}", key=lab.server.auth_key("anna"))
    until("served again", lambda: n.peer("r")["Online"] and net in n.peer("r")["AllowedIPs"])


def test_a_deleted_key_does_not_hurt_who_used_it(lab):
    n1, n2 = lab.pair((NEW, NEW))
    (key,) = lab.server.json("preauthkeys", "list")
    lab.server.cli("preauthkeys", "delete", "-i", str(key["id"]))
    n1.restart()
    until("back", lambda: n1.state() == "Running", timeout=30)
    n2.sees_online("n1")
    n1.ping(n2.ip4)


def test_an_ephemeral_node_leaves_with_its_logout(lab):
    n1 = lab.node("n1", NEW, user="anna")
    key = lab.server.auth_key("anna", ephemeral=True)
    for v in BOTH:
        e = lab.node("e" + v.replace(".", ""), v, key=key)
        n1.sees(e.name)
        e.ts("logout")
        n1.sees()
        until("gone", lambda: set(lab.server.nodes()) == {"n1"})


@pytest.mark.long
def test_an_ephemeral_node_is_removed_when_away_for_long_and_not_before(make_lab, monkeypatch):
    # The server counts in another time zone than the rest of the world: thirteen hours would be too early or too late.
    monkeypatch.setitem(lab_module.SANITIZERS, "TZ", "XXX-13")
    lab = make_lab(config={"node": {"ephemeral": {"inactivity_timeout": "66s"}}})
    n1 = lab.node("n1", NEW, user="anna")
    key = lab.server.auth_key("anna", ephemeral=True)
    gone, back = lab.node("gone", NEW, key=key), lab.node("back", OLD, key=key)
    n1.sees("gone", "back")
    gone.kill()
    back.kill()
    n1.sees_online("gone", False, timeout=30)
    back.start()
    n1.sees_online("back", timeout=30)
    never("removed early", lambda: set(lab.server.nodes()) != {"n1", "gone", "back"}, seconds=30, every=1)
    until("removed", lambda: set(lab.server.nodes()) == {"n1", "back"}, timeout=70, every=0.5)
    n1.sees("back")
    never("removed while online", lambda: "back" not in lab.server.nodes(), seconds=5, every=0.5)


def test_who_registers_too_often_is_told_to_wait_and_nobody_else(make_lab):
    lab = make_lab(config={"server": {"loops": 1, "limits": {"registrations_per_minute": 3}}})
    n = lab.node("n", NEW)

    def limited():
        n.up(key="hskey-auth-000000000000-" + "0" * 64, check=False, timeout=3)
        return lab.server.metrics()['headscale_control_total{event="register_limited"}'] > 0
    until("it is told to wait", limited, timeout=90)
    until("it says so", lambda: "rate limited" in n.log())
    other = lab.node("other", OLD, user="anna")
    assert other.state() == "Running"
