"""SSH sessions that ask first: whoever signs in at the provider as the owner lets them go on, and nobody else."""
import itertools
import os
import re
import subprocess

import pytest

from lab import NEW, OLD, URL, until
from test_oidc_provider import World

OPTIONS = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "PreferredAuthentications=none"]


class Session:
    """An SSH session that runs `id -un` as root, from one node to another. What it prints comes to a log."""

    def __init__(self, frm, to, name):
        self.path = os.path.join(frm.dir, name + ".log")
        self.process = frm.spawn("ssh", *OPTIONS, f"root@{to.ip4}", "id -un", log=name + ".log")

    def text(self):
        with open(self.path, errors="replace") as f:
            return f.read()

    def link(self):
        """The link that it shows."""
        found = until("a link is shown", lambda: re.search(r"https://\S+/(?:auth|register)/hskey-authreq-[0-9a-f]+", self.text()), 30)
        assert found.group(0).startswith(URL + "/auth/")
        return found.group(0)

    def goes_on(self):
        assert self.process.wait(30) == 0, self.text()
        assert "root" in self.text().split()

    def waits(self):
        assert self.process.poll() is None and "root" not in self.text().split(), self.text()


def world(make_lab, versions=(NEW, NEW), period="1h"):
    """Two machines of odin and one of thor, who may all log in to odin's second as root, after a check."""
    w = World(make_lab)
    a, b, c = w.lab.node("a", versions[0]), w.lab.node("b", versions[1]), w.lab.node("c", NEW)
    w.login(a, "odin")
    w.login(b, "odin")
    b.ts("set", "--ssh")
    w.login(c, "thor")
    w.server.set_policy({"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}],
                         "ssh": [{"action": "check", "src": ["odin@example.com"], "dst": ["autogroup:self"], "users": ["root"],
                                  "checkPeriod": period}]})
    a.ping(b.ip4)
    return w, a, b, c


def approve(w, session, who):
    """Open the session's link and sign in. Returns the page that comes of it."""
    return w.arrive(session.link(), who)


def test_the_owner_lets_it_go_on_and_is_asked_once(make_lab):
    w, a, b, _ = world(make_lab, (NEW, OLD))
    first = Session(a, b, "first")
    first.link()
    first.waits()
    page = approve(w, first, "odin")
    assert page.status == 200 and "<form" not in page.text and "Odin" in page.text, page
    first.goes_on()
    second = Session(a, b, "second")
    second.goes_on()  # within the period
    assert "/auth/" not in second.text()
    assert w.arrive(first.link(), "odin").status == 410  # the link is used up


def test_another_person_does_not(make_lab):
    w, a, b, _ = world(make_lab)
    s = Session(a, b, "session")
    page = approve(w, s, "thor")
    assert page.status == 403 and "not yours to approve" in page.text, page
    assert w.server.metrics()['headscale_oidc_events_total{event="ssh_not_owner"}'] == 1
    s.waits()
    assert approve(w, s, "odin").status == 200  # it still waited
    s.goes_on()


def test_a_check_that_waits_outlives_a_restart(make_lab):
    w, a, b, _ = world(make_lab)
    s = Session(a, b, "session")
    url = s.link()
    w.server.restart()
    s.waits()
    assert w.arrive(url, "odin").status == 200
    s.goes_on()


@pytest.mark.long
def test_when_the_period_is_over_it_asks_again(make_lab):
    w, a, b, _ = world(make_lab, period="1m")
    first = Session(a, b, "first")
    assert approve(w, first, "odin").status == 200
    first.goes_on()
    Session(a, b, "second").goes_on()
    # What was approved outlives a restart, too; the clock is the only thing that ends it.
    w.server.restart()
    a.ping(b.ip4)
    until("sessions go on again", lambda: Session(a, b, "third").process.wait(10) == 0, timeout=25)

    number = itertools.count(1)

    def asks():
        s = Session(a, b, f"again{next(number)}")
        try:
            s.process.wait(3)
            return None
        except subprocess.TimeoutExpired:  # it waits for somebody
            return s if "/auth/" in s.text() else None
    again = until("it asks again", asks, timeout=90, every=5)
    assert approve(w, again, "odin").status == 200
    again.goes_on()
