"""Logging in at an OpenID Connect provider, through a browser."""
import html
import json
import os
import re

import pytest

from lab import BOTH, NEW, OLD, ROOT, SERVER_IP, URL, until

ODIN = {"sub": "s-odin", "email": "odin@example.com", "email_verified": True, "preferred_username": "odin", "name": "Odin"}
THOR = {"sub": "s-thor", "email": "thor@example.org", "email_verified": True, "preferred_username": "thor", "name": "Thor"}


class Provider:
    """The provider beside a lab's server, and a browser that follows its links."""

    def __init__(self, make_lab, **oidc):
        self.lab = make_lab(start=False, config={"oidc": {
            "issuer": f"http://{SERVER_IP}:9998", "client_id": "lab", "client_secret": "secret", **oidc}})
        s = self.lab.server
        self.folder = os.path.join(s.dir, "oidc")
        os.makedirs(self.folder)
        self.who(ODIN)
        s.spawn("python3", os.path.join(ROOT, "test", "scenario", "oidc_provider.py"), SERVER_IP, 9998, self.folder,
                log="oidc.log")
        until("provider", lambda: "ready" in open(os.path.join(s.dir, "oidc.log")).read())
        s.start()

    def who(self, claims):
        with open(os.path.join(self.folder, "claims.json"), "w") as f:
            json.dump(claims, f)

    def seen(self):
        with open(os.path.join(self.folder, "seen.json")) as f:
            return json.load(f)

    def browse(self, url, jar="jar"):
        """Follow a link with a browser's cookies. Returns (status, page)."""
        jar = os.path.join(self.folder, jar)
        out = self.lab.server.run("curl", "-sS", "-L", "--max-time", "10", "-c", jar, "-b", jar, "-w", "\n%{http_code}", url)
        page, status = out.stdout.rsplit("\n", 1)
        return int(status), page

    def confirm(self, page, jar="jar", change=None):
        """Press the button of the page. Returns (status, page)."""
        jar = os.path.join(self.folder, jar)
        action = html.unescape(re.search(r'<form[^>]*action="([^"]+)"', page, re.I).group(1))
        fields = []
        for tag in re.findall(r"<input[^>]*>", page, re.I):
            name, value = (re.search(rf'{a}="([^"]*)"', tag, re.I) for a in ("name", "value"))
            if name:
                fields += ["-d", f"{name.group(1)}={change or (value.group(1) if value else '')}"]
        out = self.lab.server.run("curl", "-sS", "--max-time", "10", "-c", jar, "-b", jar, "-w", "\n%{http_code}", *fields,
                                  action if action.startswith("http") else URL + action)
        page, status = out.stdout.rsplit("\n", 1)
        return int(status), page

    def login(self, node, claims=None):
        if claims:
            self.who(claims)
        p, url = node.up_url()
        status, page = self.browse(url)
        assert status == 200, page
        assert self.confirm(page)[0] == 200
        assert p.wait(30) == 0
        assert node.state() == "Running"

    def users(self):
        return {u["name"]: u for u in self.lab.server.json("users", "list")}


@pytest.mark.parametrize("version", BOTH)
def test_login_at_the_provider(make_lab, version):
    p = Provider(make_lab, pkce={"enabled": True})
    n = p.lab.node("n", version)
    p.login(n)
    user = p.users()["odin"]
    assert user["email"] == "odin@example.com" and user["displayName"] == "Odin" and user["provider"] == "oidc"
    assert user["providerId"] == f"http://{SERVER_IP}:9998/s-odin"
    row = p.lab.server.node("n")
    assert row["user"]["name"] == "odin" and row["registerMethod"] == "REGISTER_METHOD_OIDC"
    asked = p.seen()
    assert asked["authorize"]["code_challenge_method"] == "S256" and asked["authorize"]["response_type"] == "code"
    assert set(asked["authorize"]["scope"].split()) == {"openid", "profile", "email"}
    assert asked["authorize"]["redirect_uri"] == URL + "/oidc/callback"
    me = n.status()["User"][str(n.self_status()["UserID"])]
    assert me["LoginName"] == "odin@example.com" and me["DisplayName"] == "Odin"


def test_two_people_one_network(make_lab):
    p = Provider(make_lab)
    n1, n2 = p.lab.node("n1", NEW), p.lab.node("n2", OLD)
    p.login(n1, ODIN)
    p.login(n2, THOR)
    n1.sees_online("n2")
    n1.ping(n2.ip4)
    assert set(p.users()) == {"odin", "thor"}


def test_again_is_the_same_node_and_another_person_another(make_lab):
    p = Provider(make_lab)
    n = p.lab.node("n", NEW)
    p.login(n, ODIN)
    first = p.lab.server.node("n")
    n.ts("logout")
    p.login(n, ODIN)
    (again,) = p.lab.server.json("nodes", "list")
    assert again["id"] == first["id"] and again["ipAddresses"] == first["ipAddresses"]
    n.ts("logout")
    p.login(n, THOR)
    rows = p.lab.server.json("nodes", "list")
    assert sorted(r["user"]["name"] for r in rows) == ["odin", "thor"]
    n.ts("logout")
    p.login(n, ODIN)
    assert len(p.lab.server.json("nodes", "list")) == 2 and n.ip4 in first["ipAddresses"]


def test_several_tabs(make_lab):
    p = Provider(make_lab)
    n = p.lab.node("n", NEW)
    up, url = n.up_url()
    (_, first), (status, _) = p.browse(url), p.browse(url)
    assert status == 200
    status, text = p.confirm(first)
    if status != 200:  # the second tab is the one in force
        status, text = p.confirm(p.browse(url)[1])
    assert status == 200, text
    assert up.wait(30) == 0


def test_who_is_not_let_in(make_lab):
    p = Provider(make_lab, allowed_domains=["example.com"], allowed_groups=["crew"])
    n = p.lab.node("n", NEW)
    _, url = n.up_url()
    for claims in (THOR, ODIN, {**THOR, "groups": ["crew"]}, {**ODIN, "groups": ["crewless"]},
                   {**ODIN, "groups": ["crew"], "email_verified": False}, {**ODIN, "deny": True}):
        p.who(claims)
        status, page = p.browse(url)
        assert 400 <= status < 500, (claims, status)
        assert "<form" not in page
        assert p.lab.server.nodes() == {}
    p.who({**ODIN, "groups": ["crew"]})
    status, page = p.browse(url)
    assert status == 200 and p.confirm(page)[0] == 200
    until("joined", lambda: n.state() == "Running")


def test_a_form_of_somebody_else_confirms_nothing(make_lab):
    p = Provider(make_lab)
    n = p.lab.node("n", NEW)
    up, url = n.up_url()
    _, page = p.browse(url)
    assert p.confirm(page, change="0" * 32)[0] in (400, 403)
    assert p.confirm(page, jar="another-browser")[0] in (400, 403)
    assert p.lab.server.nodes() == {} and up.poll() is None
    assert p.confirm(page)[0] == 200
    assert up.wait(30) == 0


def test_answers_nobody_asked_for_are_refused(make_lab):
    p = Provider(make_lab)
    for query in ("", "?code=x", "?state=y", "?code=x&state=y", "?code=x&state=" + "a" * 64, "?error=access_denied&state=zz"):
        status, _ = p.browse(URL + "/oidc/callback" + query)
        assert 400 <= status < 500, (query, status)


@pytest.mark.long
def test_the_token_may_set_the_expiry(make_lab):
    p = Provider(make_lab, use_expiry_from_token=True)
    n1, n2 = p.lab.node("n1", NEW), p.lab.node("n2", NEW, user="anna")
    p.login(n1, {**ODIN, "id_token_lifetime": 25})
    n2.sees_online("n1")
    assert p.lab.server.node("n1")["expiry"]
    until("expired", lambda: n1.state() == "NeedsLogin", timeout=50)
    until("its peer knows", lambda: n2.peer("n1").get("Expired"))


def test_the_expiry_stays_when_the_client_is_restarted(make_lab):
    p = Provider(make_lab, use_expiry_from_token=True)
    n = p.lab.node("n", NEW)
    p.login(n, {**ODIN, "id_token_lifetime": 3000})
    before = p.lab.server.node("n")
    assert before["expiry"]
    n.restart()
    until("it is back", lambda: n.state() == "Running" and p.lab.server.node("n")["online"])
    p.lab.server.restart()
    until("it is back again", lambda: n.state() == "Running" and p.lab.server.node("n")["online"], timeout=40)
    after = p.lab.server.node("n")
    assert (after["expiry"], after["id"]) == (before["expiry"], before["id"])


def test_a_provider_that_is_away_does_not_stop_the_rest(make_lab):
    lab = make_lab(config={"oidc": {"issuer": f"http://{SERVER_IP}:9997", "client_id": "lab", "client_secret": "secret",
                                    "only_start_if_oidc_is_available": False}})
    lab.node("n", NEW, user="anna")
    m = lab.node("m", NEW)
    up, url = m.up_url()
    lab.server.approve_login(url, "anna")
    assert up.wait(30) == 0
