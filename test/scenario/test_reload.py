"""What a reload changes for clients that are connected: the keys that docs/configuration.md says a running server takes over."""
import json

from lab import DOMAIN, NEW, merge, until


def reload(server, more):
    server.config = merge(server.config, more)
    server.write_config()
    server.reload()


def test_names_and_records_change_without_a_restart(lab, tmp_path):
    n1, n2 = lab.pair((NEW, NEW))
    s = lab.server
    until("name", lambda: n1.resolve(f"n2.{DOMAIN}") == [n2.ip4])
    reload(s, {"dns": {"base_domain": "moved.test", "extra_records_path": str(tmp_path / "r.json")},
               "prefixes": {"allocation": "random"}, "server": {"tailnet": "ours.test"}})
    # A file that is not there: what is in force stays, and the log says why.
    until("said", lambda: "DNS records not read" in s.log())
    assert n1.resolve(f"n2.{DOMAIN}") == [n2.ip4]
    (tmp_path / "r.json").write_text(json.dumps([{"name": "printer.moved.test", "type": "A", "value": "100.64.9.9"}]))
    s.reload()
    until("new name", lambda: n1.resolve("n2.moved.test") == [n2.ip4])
    assert n1.resolve(f"n2.{DOMAIN}") == []
    until("record", lambda: n1.resolve("printer.moved.test") == ["100.64.9.9"])
    until("tailnet", lambda: n1.api("status")["CurrentTailnet"]["Name"] == "ours.test")
    n3 = lab.node("n3", NEW, user="anna")
    assert n3.ip4 != "100.64.0.3", "the next one would be the third"
    n3.ping(n1.ip4)
    for key in ("dns.base_domain", "prefixes.allocation", "server.tailnet", "dns.extra_records_path"):
        until(f"{key} is live", lambda key=key: any("restart" not in line for line in s.log().splitlines() if f"key={key}" in line))


def test_a_changed_record_does_not_take_a_reload_back(make_lab, tmp_path):
    """The watched file is laid over what the last reload said, not over what the start said."""
    path = tmp_path / "r.json"
    path.write_text("[]")
    lab = make_lab(config={"dns": {"extra_records_path": str(path)}})
    n = lab.node("n", NEW, user="anna")
    reload(lab.server, {"dns": {"nameservers": {"split": {"corp.test": ["10.77.0.1"]}}}})

    def split():
        return "corp.test" in n.netmap()["DNS"]["Routes"]
    until("split", split)
    path.write_text(json.dumps([{"name": f"printer.{DOMAIN}", "type": "A", "value": "100.64.9.9"}]))
    until("record", lambda: n.resolve(f"printer.{DOMAIN}") == ["100.64.9.9"])
    assert split()
    new = tmp_path / "other.json"
    new.write_text("[]")
    reload(lab.server, {"dns": {"extra_records_path": str(new)}})
    until("no record", lambda: n.resolve(f"printer.{DOMAIN}") == [])
    new.write_text(json.dumps([{"name": f"scanner.{DOMAIN}", "type": "A", "value": "100.64.9.8"}]))
    until("the new file is watched", lambda: n.resolve(f"scanner.{DOMAIN}") == ["100.64.9.8"])


def test_what_waits_for_a_restart_waits(lab):
    n1, n2 = lab.pair((NEW, NEW))
    s = lab.server
    reload(s, {"server_url": "https://elsewhere.test", "trusted_proxies": ["10.77.0.0/24"], "oidc": {"scope": ["openid"]},
               "dns": {"search_domains": ["found.test"]}})
    until("taken", lambda: "key=dns.search_domains" in s.log())
    for key in ("server_url", "trusted_proxies", "oidc.scope"):
        until(f"{key} waits", lambda key=key: any("restart" in line for line in s.log().splitlines() if f"key={key}" in line))
    # Login links still lead to where the server was started for.
    assert lab.node("n3", NEW).up_url()[1].startswith("https://control.test/")
    n1.ping(n2.ip4)
