"""Tags: given by key, by the administrator, by the client if it may; and what they change."""
import pytest

from lab import BOTH, NEW, OLD, until

POLICY = {
    "tagOwners": {"tag:web": ["anna@"], "tag:db": ["anna@"], "tag:other": ["ben@"]},
    "acls": [{"action": "accept", "src": ["tag:web"], "dst": ["tag:db:5432"]},
             {"action": "accept", "src": ["anna@"], "dst": ["tag:web:*"]}],
}


def with_policy(lab):
    lab.server.user("anna"), lab.server.user("ben")
    lab.server.set_policy(POLICY)


def tags_of(lab, name):
    return sorted(lab.server.node(name)["tags"])


def test_a_key_with_tags_makes_a_tagged_node(lab):
    with_policy(lab)
    a = lab.node("a", OLD, user="anna")
    w = lab.node("w", NEW, key=lab.server.auth_key(tags=["tag:web"]))
    d = lab.node("d", NEW, key=lab.server.auth_key(tags=["tag:db"]))
    for n, tags in ((w, ["tag:web"]), (d, ["tag:db"])):
        until("it knows its tags", lambda n=n, tags=tags: n.self_status().get("Tags") == tags)
        assert tags_of(lab, n.name) == tags
    a.sees("w"), d.sees("w"), w.sees("a", "d")
    assert a.peer("w")["Tags"] == ["tag:web"]
    user = a.status()["User"][str(a.peer("w")["UserID"])]
    assert user["LoginName"] == "tagged-devices"
    for n in (w, d):
        n.listen(5432)
        n.listen(80)
    w.reaches(d.ip4, 5432, "d")
    assert w.dial(d.ip4, 80, 1.5).split()[0] != "d"
    a.reaches(w.ip4, 80, "w")
    assert d.dial(w.ip4, 80, 1.5).split()[0] != "w"


def test_the_administrator_changes_tags_and_access_follows(lab):
    with_policy(lab)
    a = lab.node("a", NEW, user="anna")
    n = lab.node("n", NEW, user="anna")
    d = lab.node("d", OLD, key=lab.server.auth_key(tags=["tag:db"]))
    for x in (n, d):
        x.listen(5432)
        x.listen(80)
    d.sees(), n.sees()
    lab.server.tag("n", "tag:web")
    until("it knows", lambda: n.self_status().get("Tags") == ["tag:web"])
    n.sees("a", "d"), d.sees("n"), a.sees("n")
    n.reaches(d.ip4, 5432, "d")
    a.reaches(n.ip4, 80, "n")
    lab.server.tag("n", "tag:db")
    until("it knows", lambda: n.self_status().get("Tags") == ["tag:db"])
    n.sees(), d.sees(), a.sees()
    n.reaches_not(d.ip4, 5432)
    lab.server.tag("n", "tag:db", "tag:web")
    until("it knows", lambda: sorted(n.self_status().get("Tags")) == ["tag:db", "tag:web"])
    n.sees("a", "d")


def test_tags_that_do_not_exist_or_are_no_tags_are_refused(lab):
    with_policy(lab)
    lab.node("n", NEW, user="anna")
    for bad in (["tag:none"], ["web"], [""]):
        p = lab.server.tag("n", *bad, check=False)
        assert p.returncode == 1 and "Error" in p.stderr, (bad, p.stdout, p.stderr)
        assert tags_of(lab, "n") == []
    lab.server.tag("n", "tag:other")  # an administrator needs no owner's leave
    assert tags_of(lab, "n") == ["tag:other"]


def test_a_client_with_a_tagged_key_gets_no_tags_beside_the_keys(lab):
    with_policy(lab)
    key = lab.server.auth_key(tags=["tag:web"])
    n = lab.node("n", NEW)
    p = n.up("--advertise-tags=tag:db", key=key, check=False, timeout=8)
    assert p.returncode != 0 and "tag" in p.stderr, p.stderr
    assert lab.server.nodes() == {}
    m = lab.node("m", NEW, key=key)
    m.up("--advertise-tags=tag:db", check=False, timeout=6)
    assert tags_of(lab, "m") == ["tag:web"]


def test_an_owner_may_tag_his_machine_at_login(lab):
    with_policy(lab)
    n = lab.node("n", NEW)
    p, url = n.up_url("--advertise-tags=tag:web")
    lab.server.approve_login(url, "anna")
    assert p.wait(30) == 0
    until("tagged", lambda: tags_of(lab, "n") == ["tag:web"])
    # The first user is the tailnet's owner, who may give any tag there is; the second is not.
    for user, tag in (("ben", "tag:web"), ("ben", "tag:none"), ("anna", "tag:none")):
        m = lab.node(f"{user}-{tag[4:]}", OLD)
        p, url = m.up_url(f"--advertise-tags={tag}")
        out = lab.server.cli("auth", "register", "--auth-id", url.split("/")[-1], "--user", user, check=False)
        assert out.returncode == 1 and tag in out.stderr, (user, tag, out.stdout, out.stderr)
        assert set(lab.server.nodes()) == {"n"} and p.poll() is None


def test_a_tagged_node_never_expires(lab):
    with_policy(lab)
    lab.server.config["node"] = {"expiry": "30d"}
    lab.server.restart()
    lab.node("n", NEW, user="anna")
    lab.node("w", NEW, key=lab.server.auth_key(tags=["tag:web"]))
    assert lab.server.node("n")["expiry"] is not None
    assert lab.server.node("w")["expiry"] is None


def logs_in(lab, n, user, *args):
    """A new login by link, admitted for `user`."""
    p, url = n.up_url(*args)
    lab.server.approve_login(url, user)
    assert p.wait(40) == 0, n.log()[-2000:]


@pytest.mark.parametrize("version", BOTH)
def test_a_client_changes_nothing_that_the_administrator_gave(lab, version):
    with_policy(lab)
    n = lab.node("n", version, user="anna")
    for given in (["tag:web"], ["tag:db", "tag:web"]):
        lab.server.tag("n", *given)
        until("it knows", lambda given=given: sorted(n.self_status().get("Tags") or []) == given)
        # Neither others nor fewer of them nor none.
        for args in (["--reset"], ["--advertise-tags="], ["--advertise-tags=tag:web"], ["--advertise-tags=tag:other"], ["--advertise-tags=tag:web,tag:other"], ["--reset"]):
            n.up(*args, check=False, timeout=5)
            assert tags_of(lab, "n") == given, args
    assert sorted(n.self_status()["Tags"]) == ["tag:db", "tag:web"]


def test_tags_follow_each_new_login(lab):
    with_policy(lab)
    n, other = lab.node("n", NEW), lab.node("other", OLD, user="anna")
    logs_in(lab, n, "anna", "--advertise-tags=tag:web")
    number = lab.server.node_id("n")
    for asked in ("tag:db,tag:web", "tag:web", ""):
        logs_in(lab, n, "anna", "--force-reauth", f"--advertise-tags={asked}")
        want = asked.split(",") if asked else []
        until(f"it has {want}", lambda want=want: tags_of(lab, "n") == want)
        until("it knows", lambda want=want: sorted(n.self_status().get("Tags") or []) == want)
        assert lab.server.node_id("n") == number
        if "tag:web" in want:
            until("its peer knows", lambda want=want: sorted((other.peer("n") or {}).get("Tags") or []) == want)
    assert lab.server.node("n")["user"]["name"] == "anna", "without tags it is a person's again"


def test_a_tagged_node_becomes_a_persons_by_a_login(lab):
    lab.server.user("anna")
    lab.server.set_policy({**POLICY, "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]})
    n, other = lab.node("n", OLD, key=lab.server.auth_key(tags=["tag:web"])), lab.node("other", NEW, user="ben")

    def owner():
        # Its status has the profiles of the last whole map alone.
        return other.netmap()["UserProfiles"][str(other.peer("n")["UserID"])]["LoginName"]
    until("tagged", lambda: owner() == "tagged-devices")
    ip = n.ip4
    logs_in(lab, n, "anna", "--force-reauth", "--advertise-tags=")
    until("anna's", lambda: owner() == "anna" and not other.peer("n").get("Tags"))
    assert n.ip4 == ip and len(lab.server.nodes()) == 2
    other.ping(ip)


def test_tags_that_a_key_does_not_allow_are_refused(lab):
    with_policy(lab)
    plain, web = lab.server.auth_key("ben"), lab.server.auth_key("anna", tags=["tag:web"])
    nobodys = lab.server.auth_key(tags=["tag:web"])
    for version in BOTH:
        n = lab.node("n" + version.replace(".", "-"), version)
        for key, asked in ((plain, "tag:web"), (plain, "tag:none"), (web, "tag:none"), (web, "tag:other"), (nobodys, "tag:db")):
            p = n.up("--reset", f"--advertise-tags={asked}", key=key, check=False, timeout=6)
            assert p.returncode != 0 and f"[{asked}]" in p.stderr, (version, asked, p.stderr)
            assert lab.server.nodes() == {}, (version, asked)
