"""A provider that lies, or is in the hands of others: nobody gets in by it, and the person is told something."""
import re

import pytest

from browser import Browser
from lab import NEW, URL, until
from test_oidc import ODIN, Provider

BELIEVED = "The identity provider&#39;s answer was not believed"
REFUSED = "The identity provider did not complete the login"
AWAY = "The identity provider does not answer"

# What it does: the status, the sentence and the counted reason that must come of it.
LIES = {
    "nonce": (403, BELIEVED, "token_nonce"),
    "audience": (403, BELIEVED, "token_audience"),
    "issuer": (403, BELIEVED, "token_issuer"),
    "expired": (403, BELIEVED, "token_time"),
    "not yet": (403, BELIEVED, "token_time"),
    "from the future": (403, BELIEVED, "token_time"),
    "nobody": (400, BELIEVED, "token_malformed"),
    "another token's": (403, BELIEVED, "token_access_hash"),
    "none": (400, BELIEVED, "token_malformed"),
    "hs256": (403, BELIEVED, "token_algorithm"),
    "key": (403, BELIEVED, "token_signature"),
    "kid": (403, BELIEVED, "token_key"),
    "nonsense": (400, BELIEVED, "token_malformed"),
    "endless": (400, BELIEVED, "token_malformed"),
    "elsewhere": (403, REFUSED, "code_refused"),
    "away": (503, AWAY, "provider_unavailable"),
}


def events(p):
    return {re.search('event="(.*)"', k).group(1): v for k, v in p.lab.server.metrics().items() if k.startswith("headscale_oidc_events")}


def test_no_lie_is_believed(make_lab):
    p = Provider(make_lab)
    n = p.lab.node("n", NEW)
    up, url = n.up_url()
    for lie, (status, sentence, reason) in LIES.items():
        before = events(p)
        p.who({**ODIN, "lie": lie})
        page = Browser(p.lab.server).open(url)
        assert (page.status, sentence in page.text) == (status, True), (lie, page)
        assert "<form" not in page.text and events(p)[reason] == before[reason] + 1, (lie, reason)
        assert p.lab.server.nodes() == {} and p.users() == {}
    assert until("it stopped reading", lambda: p.seen()["cut_off"])
    assert up.poll() is None
    for harmless in ("no kid", None):  # one key, so it needs no name
        p.who({**ODIN, "lie": harmless})
        page = Browser(p.lab.server).open(url)
        assert page.status == 200, (harmless, page)
    assert Browser(p.lab.server).submit(page).status == 200
    assert up.wait(30) == 0


def test_what_userinfo_says_of_somebody_else_is_not_taken(make_lab):
    p = Provider(make_lab)
    n = p.lab.node("n", NEW)
    p.login(n, {**ODIN, "lie": "userinfo"})
    (user,) = p.users().values()
    assert (user["name"], user["email"], user["displayName"]) == ("odin", "odin@example.com", "Odin")
    assert events(p)["userinfo_subject"] == 1


@pytest.mark.long
def test_a_slow_provider_holds_nobody_else_up(make_lab):
    p = Provider(make_lab)
    n, m = p.lab.node("n", NEW), p.lab.node("m", NEW)
    _, url = n.up_url()
    p.who({**ODIN, "lie": "slow"})
    s = p.lab.server
    waits = s.spawn("curl", "-sS", "-L", "--max-time", "60", "-c", f"{s.dir}/slow.jar", "-b", f"{s.dir}/slow.jar", "-w", "%{http_code}", url,
                    log="slow.log")
    until("it waits for the provider", lambda: p.seen()["token"])
    p.login(m, ODIN)  # meanwhile
    assert waits.poll() is None
    assert waits.wait(40) == 0
    with open(f"{s.dir}/slow.log") as f:
        text = f.read()
    assert AWAY in text and text.endswith("503"), text


def test_an_answer_is_good_once_and_in_one_browser(make_lab):
    p = Provider(make_lab)
    n = p.lab.node("n", NEW)
    _, url = n.up_url()
    mine, other = Browser(p.lab.server, "mine"), Browser(p.lab.server, "other")
    callback = mine.step(mine.step(url))
    assert callback.startswith(URL + "/oidc/callback?")
    theirs = other.step(other.step(url))
    assert other.open(callback).status == 400  # a link that somebody sent: no cookie for it
    mixed = re.sub(r"code=[^&]*", re.search(r"code=[^&]*", theirs).group(0), callback)
    page = mine.open(mixed)  # my state, their code: the token names their nonce
    assert page.status == 403 and BELIEVED in page.text, page
    assert mine.open(callback).status in (400, 410)  # and mine is used up
    assert other.open(theirs).status == 403  # as is their code
    assert p.lab.server.nodes() == {}
    callback = mine.step(mine.step(url))
    shown = mine.open(callback)
    assert shown.status == 200 and mine.open(callback).status in (400, 410)
    assert mine.submit(shown).status == 200
    until("in", lambda: n.state() == "Running")


def test_a_provider_that_is_another_stops_the_start(make_lab):
    p = Provider(make_lab)
    s = p.lab.server
    s.kill()
    s.config["oidc"]["issuer"] += "/"  # it says of itself that it has no slash
    s.start(wait=False)
    assert s.process.wait(40) != 0
    s.process = None
    until("it says so", lambda: "the provider says that it is" in s.log())
