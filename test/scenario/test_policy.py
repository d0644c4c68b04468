"""The policy decides, while everything runs: who sees whom, which ports, and what is refused."""
import json

import pytest

from lab import BOTH, NEW, OLD, ping_over, until


def allow(*rules):
    """A policy of accept rules, each (sources, destinations)."""
    return {"acls": [{"action": "accept", "src": s, "dst": d} for s, d in rules]}


EVERYTHING = allow((["*"], ["*:*"]))
NOTHING = {"acls": []}


def two_users(lab, version=NEW):
    a = lab.node("a", version, user="anna")
    b = lab.node("b", OLD if version == NEW else NEW, user="ben")
    for n in (a, b):
        n.listen(80)
        n.listen(81)
    return a, b


@pytest.mark.parametrize("version", BOTH)
def test_a_change_of_policy_changes_who_reaches_whom(lab, version):
    a, b = two_users(lab, version)
    a.sees("b")
    a.reaches(b.ip4, 80, "b")
    b.reaches(a.ip4, 81, "a")
    counting = a if a.counts_rebuilds else b
    with lab.only_increments(counting):
        lab.server.set_policy(allow((["anna@"], ["ben@:80"])))
        a.reaches_not(b.ip4, 81)
        a.reaches(b.ip4, 80, "b")
        b.reaches_not(a.ip4, 80)
        a.sees("b")
        b.sees("a")  # who may be reached sees who comes
        lab.server.set_policy(EVERYTHING)
        b.reaches(a.ip4, 81, "a")


@pytest.mark.parametrize("version", BOTH)
def test_who_may_not_be_reached_is_not_seen(lab, version):
    a, b = two_users(lab, version)
    a.sees("b")
    a_ip, b_ip = a.ip4, b.ip4
    a.reaches(b_ip, 80, "b")
    lab.server.set_policy(NOTHING)
    a.sees()
    b.sees()
    a.reaches_not(b_ip, 80)
    b.reaches_not(a_ip, 80)
    lab.server.set_policy(EVERYTHING)
    a.sees("b")
    b.sees("a")
    a.reaches(b_ip, 80, "b")
    b.reaches(a_ip, 80, "a")


def test_own_devices_only(lab):
    lab.server.user("anna"), lab.server.user("ben")
    lab.server.set_policy(allow((["autogroup:member"], ["autogroup:self:*"])))
    a1, a2 = lab.node("a1", NEW, user="anna"), lab.node("a2", OLD, user="anna")
    b1, b2 = lab.node("b1", NEW, user="ben"), lab.node("b2", NEW, user="ben")
    a1.sees("a2"), a2.sees("a1"), b1.sees("b2"), b2.sees("b1")
    a2.listen(80), b2.listen(80)
    a1.reaches(a2.ip4, 80, "a2")
    b1.reaches(b2.ip4, 80, "b2")
    assert a1.dial(b2.ip4, 80, 1.5) != "b2 " + a1.ip4


def test_groups_hosts_and_ports(lab):
    lab.server.user("anna"), lab.server.user("ben"), lab.server.user("carl")
    lab.server.set_policy({
        "groups": {"group:staff": ["anna@", "ben@"]},
        "hosts": {"web": "100.64.0.3"},
        "acls": [{"action": "accept", "proto": "tcp", "src": ["group:staff"], "dst": ["web:80,82-83"]}],
    })
    a, b = lab.node("a", NEW, user="anna"), lab.node("b", OLD, user="ben")
    c = lab.node("c", NEW, user="carl")
    assert c.ip4 == "100.64.0.3", "addresses are given in order"
    c.sees("a", "b"), a.sees("c"), b.sees("c")
    for port in (80, 81, 82, 83, 84):
        c.listen(port)
    for n in (a, b):
        n.reaches(c.ip4, 80, "c")
        assert [p for p in (80, 81, 82, 83, 84) if n.dial(c.ip4, p, 1.5).startswith("c ")] == [80, 82, 83]


def test_a_bad_policy_is_refused_in_words_and_the_old_one_stays(lab):
    a, b = two_users(lab)
    good = allow((["anna@"], ["ben@:80"]))
    lab.server.set_policy(good)
    a.reaches(b.ip4, 80, "b")
    for bad, words in (
        ("{", ""),
        ({"acls": [{"action": "deny", "src": ["*"], "dst": ["*:*"]}]}, "action"),
        (allow((["group:none"], ["*:*"])), "group:none"),
        (allow((["tag:none"], ["*:*"])), "tag:none"),
        (allow((["anna@"], ["ben@:99999"])), "99999"),
        ({"acls": [], "aclz": []}, "aclz"),
        ({**good, "tests": [{"src": "anna@", "accept": ["ben@:81"]}]}, "test"),
    ):
        p = lab.server.set_policy(bad, check=False)
        assert p.returncode == 1, (bad, p.stdout)
        assert words in p.stderr and "Error: " in p.stderr, (bad, p.stderr)
    assert json.loads(lab.server.cli("policy", "get").stdout) == good
    a.reaches(b.ip4, 80, "b")
    a.reaches_not(b.ip4, 81)


def test_policies_in_turn_always_end_where_the_last_says(lab):
    a, b = two_users(lab)
    b_ip, a_ip = b.ip4, a.ip4
    turns = [(EVERYTHING, {"b"}, True), (NOTHING, set(), False), (allow((["ben@"], ["anna@:*"])), {"b"}, False),
             (allow((["anna@"], ["ben@:80"])), {"b"}, True)]
    for policy, seen, open80 in turns * 2:
        lab.server.set_policy(policy)
        a.sees(*seen)
        (a.reaches(b_ip, 80, "b") if open80 else a.reaches_not(b_ip, 80))
    # As fast as the command line can: only the last one counts.
    for policy, _, _ in turns * 3 + [turns[2]]:
        lab.server.set_policy(policy)
    b.reaches(a_ip, 80, "a")
    a.reaches_not(b_ip, 80)


def test_policy_from_a_file_is_read_again_on_request(make_lab, tmp_path):
    path = tmp_path / "policy.hujson"
    path.write_text('// a comment\n{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"],}],}\n')
    lab = make_lab(config={"policy": {"mode": "file", "path": str(path)}})
    a, b = two_users(lab)
    a.sees("b")
    path.write_text(json.dumps(NOTHING))
    lab.server.reload()
    a.sees()
    path.write_text("{ this is no policy")
    lab.server.reload()
    until("it says so", lambda: "policy" in lab.server.log().lower())
    path.write_text(json.dumps(EVERYTHING))
    lab.server.reload()
    a.sees("b")
    assert lab.server.process.poll() is None


def test_deleting_a_user_of_a_group_leaves_the_others_alone(lab):
    for u in ("anna", "ben", "carl"):
        lab.server.user(u)
    lab.server.set_policy({"groups": {"group:all": ["anna@", "ben@", "carl@"]},
                           "acls": [{"action": "accept", "src": ["group:all"], "dst": ["group:all:*"]}]})
    a, b = two_users(lab)
    a.reaches(b.ip4, 80, "b")
    lab.server.cli("users", "destroy", "-i", lab.server.users["carl"], "--force")
    c = lab.node("c", NEW, user="ben")
    a.sees("b", "c")
    a.reaches(b.ip4, 80, "b")
    b.reaches(a.ip4, 80, "a")
    c.reaches(a.ip4, 80, "a")


def test_users_who_come_and_go_interrupt_nobody(lab):
    """Groups name people who are not there yet, or no more; connections of the others go on meanwhile."""
    for u in ("anna", "ben"):
        lab.server.user(u)

    def policy(*members):
        lab.server.set_policy({"groups": {"group:all": [m + "@" for m in members]},
                               "acls": [{"action": "accept", "src": ["group:all"], "dst": ["group:all:*"]}]})
    policy("anna", "ben")
    a, b = two_users(lab)
    a.ping(b.ip4, direct=True)
    assert a.ping_os(b.ip4)

    def meanwhile():
        for i in range(3):
            policy("anna", "ben", "ghost")
            lab.server.cli("users", "create", "ghost")
            policy("anna", "ben")
            lab.server.cli("users", "destroy", "--name", "ghost", "--force")
            policy("ghost", "anna", "ben")
        lab.settle(a, b)
    sent, lost = ping_over(a, b.ip4, meanwhile)
    assert sent > 10 and lost <= 1, (sent, lost)
    b.reaches(a.ip4, 80, "a")
