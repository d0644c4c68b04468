"""Logging in at an identity provider that others wrote: Glewlwyd, by TLS, with passwords and consent."""
import json

import pytest

from browser import Browser
from glewlwyd import ISSUER, PASSWORD, Glewlwyd, configuration
from lab import BOTH, NEW, OLD, URL, until


class World:
    """A lab with the provider, the server, and a browser for whoever needs one."""

    def __init__(self, make_lab, kind="rsa", token_seconds=3600, **oidc):
        self.lab = make_lab(start=False, config=configuration(**oidc))
        self.provider = Glewlwyd(self.lab, kind, token_seconds)
        self.server = self.lab.server.start()

    def browser(self, name):
        return Browser(self.server, name)

    def arrive(self, url, who, browser=None):
        """Open a link as a person, up to the page that the server shows."""
        return self.provider.visit(browser or self.browser(who), url, who)

    def login(self, node, who, up=True):
        b = self.browser(who)
        p, url = node.up_url() if up else (None, up)
        page = self.arrive(url, who, b)
        assert page.status == 200 and page.url.startswith(URL + "/oidc/callback"), page
        done = b.submit(page)
        assert done.status == 200 and "<form" not in done.text, done
        assert p.wait(30) == 0
        assert node.state() == "Running"
        return page, done

    def users(self):
        return {u["name"]: u for u in self.server.json("users", "list")}


@pytest.mark.parametrize("version,kind", [(v, k) for v, k in zip((NEW, OLD), ("rsa", "ecdsa")) if v in BOTH])
def test_sign_in_consent_confirm(make_lab, version, kind):
    w = World(make_lab, kind)
    n = w.lab.node("laptop", version)
    page, done = w.login(n, "odin")
    assert "laptop" in page.text and "Odin" in page.text and "Odin" in done.text
    user = w.users()["odin"]
    assert (user["displayName"], user["email"], user["provider"], user["profilePicUrl"]) == (
        "Odin", "odin@example.com", "oidc", "https://pics.test/odin.png")
    assert user["providerId"].startswith(ISSUER + "/") and user["providerId"] != ISSUER + "/odin"
    row = w.server.node("laptop")
    assert row["user"]["name"] == "odin" and row["registerMethod"] == "REGISTER_METHOD_OIDC"
    me = n.status()["User"][str(n.self_status()["UserID"])]
    assert (me["LoginName"], me["DisplayName"]) == ("odin@example.com", "Odin")


def test_a_wrong_password_leads_nowhere(make_lab):
    w = World(make_lab)
    n, b = w.lab.node("n", NEW), w.browser("odin")
    p, url = n.up_url()
    signin = b.open(url)
    assert w.provider.sign_in(b, signin, "odin", "wrong").status == 401
    assert w.server.nodes() == {} and p.poll() is None
    page = w.provider.sign_in(b, signin, "odin", PASSWORD)
    assert page.status == 200 and b.submit(page).status == 200
    assert p.wait(30) == 0


def test_one_person_two_machines_another_person_a_third(make_lab):
    w = World(make_lab)
    n1, n2, n3 = w.lab.node("n1", NEW), w.lab.node("n2", OLD), w.lab.node("n3", NEW)
    w.login(n1, "odin")
    w.login(n2, "odin")
    w.login(n3, "thor")
    owners = {name: row["user"]["name"] for name, row in w.server.nodes().items()}
    assert owners == {"n1": "odin", "n2": "odin", "n3": "thor"} and set(w.users()) == {"odin", "thor"}
    n1.sees_online("n3")
    n1.ping(n2.ip4)
    # The first machine logs out and in again: the same node, the same addresses.
    before = w.server.node("n1")
    n1.ts("logout")
    w.login(n1, "odin")
    after = w.server.node("n1")
    assert (after["id"], after["ipAddresses"]) == (before["id"], before["ipAddresses"])


def refused(w, url, who, reason):
    page = w.arrive(url, who)
    assert page.status == 401 and "<form" not in page.text, page
    assert w.server.nodes() == {} and w.users() == {}
    assert w.server.metrics()[f'headscale_oidc_events_total{{event="{reason}"}}'] >= 1


def test_groups_domains_and_people_decide(make_lab):
    w = World(make_lab, allowed_groups=["chiefs", "guests"], allowed_domains=["example.com"], allowed_users=["odin@example.com"])
    n = w.lab.node("n", NEW)
    p, url = n.up_url()
    w.provider.person("thor", groups=["crew"])
    refused(w, url, "thor", "filter_group")
    w.provider.person("thor", groups=["guests"])
    refused(w, url, "thor", "filter_domain")
    w.provider.person("thor", email="thor@example.com")
    refused(w, url, "thor", "filter_user")
    w.provider.person("odin", email_verified="0")
    refused(w, url, "odin", "filter_verified")
    w.provider.person("odin", email_verified="1")
    b = w.browser("odin")
    assert b.submit(w.arrive(url, "odin", b)).status == 200
    assert p.wait(30) == 0


def test_an_address_that_is_not_verified_is_not_taken_over(make_lab):
    w = World(make_lab)
    w.provider.person("odin", email_verified="0")
    w.login(w.lab.node("n", NEW), "odin")
    assert w.users()["odin"]["email"] == ""
    w.provider.person("odin", email_verified="1")
    w.login(w.lab.node("m", NEW), "odin")
    assert w.users()["odin"]["email"] == "odin@example.com"


def test_what_changes_at_the_provider_is_taken_over_at_the_next_login(make_lab):
    w = World(make_lab)
    n = w.lab.node("n", NEW)
    w.login(n, "odin")
    first = w.users()["odin"]
    w.provider.person("odin", name="Óðinn Allföðr", email="allfather@example.com", picture="https://pics.test/new.png")
    assert w.users()["odin"] == first
    m = w.lab.node("m", NEW)
    w.login(m, "odin")
    (now,) = w.users().values()
    assert now["id"] == first["id"] and now["providerId"] == first["providerId"]
    assert (now["displayName"], now["email"], now["profilePicUrl"]) == (
        "Óðinn Allföðr", "allfather@example.com", "https://pics.test/new.png")

    def seen(node, address):
        who = json.loads(node.ts("whois", "--json", address).stdout)["UserProfile"]
        assert (who["DisplayName"], who["ProfilePicURL"]) == ("Óðinn Allföðr", "https://pics.test/new.png"), who
        return True
    until("the new machine shows it", lambda: seen(m, n.ip4))
    until("the one that was there too", lambda: seen(n, m.ip4))


def test_a_new_key_of_the_provider_is_fetched(make_lab):
    w = World(make_lab)
    w.login(w.lab.node("n", NEW), "odin")
    w.provider.new_key()
    w.login(w.lab.node("m", NEW), "odin")


def test_the_provider_goes_and_comes_back(make_lab):
    w = World(make_lab)
    n, m = w.lab.node("n", NEW), w.lab.node("m", NEW)
    w.login(n, "odin")
    p, url = m.up_url()
    b = w.browser("odin")  # signed in there, and has consented
    callback = b.step(b.step(url) + "&g_continue")
    assert callback.startswith(URL + "/oidc/callback?"), callback
    w.provider.stop()
    page = b.open(callback)
    assert page.status == 503 and "does not answer" in page.text and "<form" not in page.text, page
    assert n.state() == "Running" and set(w.server.nodes()) == {"n"}
    w.provider.start()
    page = b.open(callback)
    assert page.status == 400, page  # it was used, and its cookie taken back
    page = w.arrive(url, "odin", b)
    assert page.status == 200 and b.submit(page).status == 200
    assert p.wait(30) == 0


@pytest.mark.long
def test_the_token_may_set_the_expiry(make_lab):
    w = World(make_lab, token_seconds=25, use_expiry_from_token=True)
    n = w.lab.node("n", NEW)
    w.login(n, "odin")
    assert w.server.node("n")["expiry"]
    until("its key expires with the token", lambda: n.state() == "NeedsLogin", timeout=50)
    w.login(n, "odin")
    assert len(w.server.nodes()) == 1
