"""Tailscale SSH: who may, as whom, and who has to ask first."""
import pytest

from lab import BOTH, NEW, OLD, until

OPEN = [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]


def ssh(frm, to, user="root", timeout=20, command="id -un"):
    """Run a command over SSH. Returns the CompletedProcess."""
    return frm.run("ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
                   "-o", f"ConnectTimeout={timeout}", "-o", "PreferredAuthentications=none", f"{user}@{to.ip4}", command,
                   check=False, timeout=timeout + 20)


def allowed(frm, to, user="root"):
    def probe():
        p = ssh(frm, to, user)
        assert p.returncode == 0 and p.stdout.strip() == user, p.stdout + p.stderr
        return True
    until(f"{user}@{to.name} from {frm.name}", probe, timeout=30)


def denied(frm, to, user="root"):
    def probe():
        p = ssh(frm, to, user, timeout=5)
        assert p.returncode != 0, p.stdout
        return p.stderr
    return until(f"no {user}@{to.name} from {frm.name}", probe, timeout=30)


@pytest.mark.parametrize("version", BOTH)
def test_who_the_rules_name_gets_in_and_nobody_else(lab, version):
    lab.server.user("anna"), lab.server.user("ben")
    lab.server.set_policy({"acls": OPEN, "ssh": [
        {"action": "accept", "src": ["anna@"], "dst": ["autogroup:self"], "users": ["root"]}]})
    a1, a2 = lab.node("a1", NEW, user="anna"), lab.node("a2", version, user="anna", args=["--ssh"])
    b = lab.node("b", OLD, user="ben")
    a1.sees("a2", "b")
    a1.ping(a2.ip4)
    allowed(a1, a2)
    denied(a1, a2, "daemon")
    b.ping(a2.ip4)
    denied(b, a2)
    lab.server.set_policy({"acls": OPEN})
    denied(a1, a2)
    lab.server.set_policy({"acls": OPEN, "ssh": [
        {"action": "accept", "src": ["anna@"], "dst": ["anna@"], "users": ["autogroup:nonroot"]}]})
    denied(a1, a2, "root")


def test_without_rules_nobody_gets_in(lab):
    n1, n2 = lab.node("n1", NEW, user="anna"), lab.node("n2", NEW, user="anna", args=["--ssh"])
    n1.ping(n2.ip4)
    denied(n1, n2)


def checked(lab):
    lab.server.user("anna")
    lab.server.set_policy({"acls": OPEN, "ssh": [{"action": "check", "src": ["anna@"], "dst": ["autogroup:self"],
                                                  "users": ["root"], "checkPeriod": "1h"}]})
    n1, n2 = lab.node("n1", NEW, user="anna"), lab.node("n2", NEW, user="anna", args=["--ssh"])
    n1.ping(n2.ip4)
    return n1, n2


def asked(n1, n2, log):
    """Begin a session that must ask. Returns (process, the number it names)."""
    import os
    import re
    p = n1.spawn("ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                 "PreferredAuthentications=none", f"root@{n2.ip4}", "id -un", log=log)
    path = os.path.join(n1.dir, log)
    m = until("a link is shown", lambda: re.search(r"https://\S*/(hskey-authreq-\S+|[A-Za-z0-9_-]{20,})", open(path).read()))
    return p, m.group(1).rstrip("\r"), path


def test_a_check_lets_in_after_approval_and_then_for_its_period(lab):
    n1, n2 = checked(lab)
    p, number, path = asked(n1, n2, "ssh1.log")
    assert p.poll() is None
    lab.server.cli("auth", "approve", "--auth-id", number)
    assert p.wait(30) == 0
    assert "root" in open(path).read().split()
    out = ssh(n1, n2)
    assert out.returncode == 0 and out.stdout.strip() == "root", out.stderr


def test_a_check_turned_down_lets_nobody_in(lab):
    n1, n2 = checked(lab)
    p, number, path = asked(n1, n2, "ssh1.log")
    # It is no login: nobody can be made of it.
    out = lab.server.cli("auth", "register", "--auth-id", number, "--user", "anna", check=False)
    assert out.returncode == 1 and "Error" in out.stderr and len(lab.server.nodes()) == 2
    assert p.poll() is None
    lab.server.cli("auth", "reject", "--auth-id", number)
    assert p.wait(30) != 0
    assert "root" not in open(path).read().split()


def test_a_waiting_check_outlives_a_restart(lab):
    n1, n2 = checked(lab)
    p, number, path = asked(n1, n2, "ssh1.log")
    lab.server.restart()
    n1.sees_online("n2", timeout=40)
    assert p.poll() is None, open(path).read()
    lab.server.cli("auth", "approve", "--auth-id", number)
    assert p.wait(40) == 0, open(path).read()
    text = open(path).read()
    assert "root" in text.split() and text.count("hskey-authreq-") == 1, text


def test_a_check_that_nobody_answers_lets_nobody_in(make_lab):
    lab = make_lab(config={"tuning": {"register_cache_expiration": "15s"}})
    n1, n2 = checked(lab)
    p, number, path = asked(n1, n2, "ssh1.log")
    assert p.wait(60) != 0, open(path).read()
    assert "root" not in open(path).read().split()
    late = lab.server.cli("auth", "approve", "--auth-id", number, check=False)
    assert late.returncode == 1, "its time is over"
