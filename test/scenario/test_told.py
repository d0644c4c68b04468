"""What a machine is told to be wrong with it, as `tailscale status` shows it: it comes while the client runs, and it goes."""
import datetime

import pytest

from lab import BOTH, NEW, OLD, until

NET = "192.168.77.0/24"


def health(node):
    return "\n".join(node.status().get("Health") or [])


def at(**kw):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**kw)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("version", BOTH)
def test_routes_that_wait_are_shown_until_they_are_approved(lab, version):
    r = lab.node("r", version, key=lab.server.auth_key("anna"), args=[f"--advertise-routes={NET}", "--advertise-exit-node"])
    until("both are told", lambda: f"offers {NET}" in health(r) and "exit node is not approved" in health(r))
    assert "Subnet routes are not approved" in r.ts("status").stdout
    lab.server.approve_routes("r", NET)
    until("one is mended", lambda: "Subnet routes" not in health(r))
    assert "exit node is not approved" in health(r)
    lab.server.approve_routes("r", NET, "0.0.0.0/0", "::/0")
    until("all is", lambda: "approved" not in health(r))
    lab.server.approve_routes("r")
    until("taken back", lambda: f"offers {NET}" in health(r))
    r.ts("set", "--advertise-routes=", "--advertise-exit-node=false")
    until("nothing is offered", lambda: "approved" not in health(r))


@pytest.mark.parametrize("version", BOTH)
def test_the_end_of_a_key_is_shown_until_it_is_renewed(lab, version):
    n = lab.node("n", version, key=lab.server.auth_key("anna"))
    assert "key expires" not in health(n)
    when = at(days=2)
    lab.server.cli("nodes", "expire", "-i", str(lab.server.node_id("n")), "--expiry", when)
    until("it is told", lambda: "This machine's key expires soon" in health(n) and when in health(n))
    assert when in n.ts("status").stdout
    # What it says to do, done.
    lab.server.cli("nodes", "expire", "--disable", "-i", str(lab.server.node_id("n")))
    until("mended", lambda: "key expires" not in health(n))


def test_a_new_login_renews_the_key(lab):
    n = lab.node("n", NEW, key=lab.server.auth_key("anna"))
    lab.server.cli("nodes", "expire", "-i", str(lab.server.node_id("n")), "--expiry", at(hours=3))
    until("it is told", lambda: "key expires soon" in health(n))
    n.up("--force-reauth", key=lab.server.auth_key("anna"))
    until("mended", lambda: "key expires" not in health(n))


def test_newer_releases_are_shown_if_the_operator_names_them(lab):
    key = lab.server.auth_key("anna")
    old, new = lab.node("old", OLD, key=key), lab.node("new", NEW, key=key)
    assert "available" not in old.ts("status").stdout and "outdated" not in old.ts("status").stdout
    lab.server.config["server"] = {"client_latest": "1.102.9", "client_minimum": "1.90.0"}
    lab.server.write_config()
    lab.server.reload()
    until("the old one is told", lambda: "1.102.9" in old.ts("status").stdout)
    until("and that it is outdated", lambda: "asks for 1.90.0 or newer" in health(old))
    assert "outdated" not in health(new)
    # Client 1.102.5 reads the notice of a newer release and shows it nowhere; that it is outdated, it does.
    lab.server.config["server"] = {"client_latest": "1.102.9", "client_minimum": "1.102.6"}
    lab.server.write_config()
    lab.server.reload()
    until("the new one is outdated, too", lambda: "asks for 1.102.6 or newer" in health(new))
    lab.server.config["server"] = {}
    lab.server.write_config()
    lab.server.reload()
    until("taken back", lambda: "outdated" not in health(old) + health(new))
    until("taken back", lambda: "1.102.9" not in old.ts("status").stdout)
