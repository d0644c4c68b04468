"""What the network's DNS settings do in a client: own records, split and global servers, search domains."""
import json
import os

import pytest

from lab import BOTH, DOMAIN, NEW, OLD, merge, until


@pytest.mark.parametrize("version", BOTH)
def test_settings_reach_the_resolver_of_the_machine(make_lab, version):
    lab = make_lab(start=False, config={"dns": {
        "override_local_dns": True,
        "nameservers": {"global": ["10.77.0.1"], "split": {"corp.test": ["10.77.0.2"]}},
        "search_domains": ["found.test"],
        "extra_records": [{"name": f"printer.{DOMAIN}", "type": "A", "value": "100.64.9.9"},
                          {"name": "six.other.test", "type": "AAAA", "value": "fd7a:115c:a1e0::99"}],
    }})
    s = lab.server
    s.ip("addr", "add", "10.77.0.2/24", "dev", "eth0")
    s.dns_server("10.77.0.1", "198.51.100.1")
    s.dns_server("10.77.0.2", "198.51.100.2")
    s.start()
    n = lab.node("n", version, user="anna")
    until("global", lambda: n.resolve("www.example.org") == ["198.51.100.1"])
    until("split", lambda: n.resolve("host.corp.test") == ["198.51.100.2"])
    until("extra A", lambda: n.resolve(f"printer.{DOMAIN}") == ["100.64.9.9"])
    until("extra AAAA", lambda: n.resolve("six.other.test", "ahostsv6") == ["fd7a:115c:a1e0::99"])
    assert n.resolve("printer") == ["100.64.9.9"], "the tailnet is searched"
    search = [line.split()[1:] for line in open(os.path.join(n.dir, "etc", "resolv.conf")) if line.startswith("search")]
    assert search == [[DOMAIN, "found.test"]]


def test_without_override_the_machine_keeps_its_own_servers(make_lab):
    lab = make_lab(start=False, config={"dns": {"nameservers": {"split": {"corp.test": ["10.77.0.2"]}}}})
    s = lab.server
    s.ip("addr", "add", "10.77.0.2/24", "dev", "eth0")
    s.ip("addr", "add", "10.77.0.3/24", "dev", "eth0")
    s.dns_server("10.77.0.2", "198.51.100.2")
    s.dns_server("10.77.0.3", "198.51.100.3")
    s.start()
    n = lab.node("n", NEW, start=False)
    n.write_etc("resolv.conf", "nameserver 10.77.0.3\n")
    n.start()
    n.up(key=s.auth_key("anna"))
    until("split", lambda: n.resolve("host.corp.test") == ["198.51.100.2"])
    assert n.resolve("www.example.org") == ["198.51.100.3"]


def test_records_from_a_file_follow_its_every_change(make_lab, tmp_path):
    path = tmp_path / "records.json"

    def write(address):
        path.write_text(json.dumps([{"name": f"live.{DOMAIN}", "type": "A", "value": address}]))
    write("100.64.9.1")
    lab = make_lab(config={"dns": {"extra_records_path": str(path)}})
    n = lab.node("n", NEW, user="anna")
    until("at the start", lambda: n.resolve(f"live.{DOMAIN}") == ["100.64.9.1"])
    write("100.64.9.2")
    until("written over", lambda: n.resolve(f"live.{DOMAIN}") == ["100.64.9.2"])
    new = tmp_path / "new.json"
    new.write_text(path.read_text().replace("9.2", "9.3"))
    os.rename(new, path)
    until("replaced", lambda: n.resolve(f"live.{DOMAIN}") == ["100.64.9.3"])
    os.unlink(path)
    write("100.64.9.4")
    until("deleted and made again", lambda: n.resolve(f"live.{DOMAIN}") == ["100.64.9.4"])
    path.write_text("[{ no JSON")
    write("100.64.9.5")
    until("after nonsense", lambda: n.resolve(f"live.{DOMAIN}") == ["100.64.9.5"])


def test_magic_dns_off(make_lab):
    lab = make_lab(config={"dns": {"magic_dns": False}})
    n1, n2 = lab.pair((NEW, NEW))
    assert n1.resolve(f"n2.{DOMAIN}") == []
    assert not n1.netmap()["DNS"].get("Proxied")
    n1.ping(n2.ip4)


def test_a_changed_domain_after_a_restart(lab):
    n1, n2 = lab.pair((NEW, NEW))
    until("name", lambda: n1.resolve(f"n2.{DOMAIN}") == [n2.ip4])
    lab.server.config = merge(lab.server.config, {"dns": {"base_domain": "moved.test"}})
    lab.server.restart()
    until("new name", lambda: n1.resolve("n2.moved.test") == [n2.ip4], timeout=60)
    assert n1.resolve(f"n2.{DOMAIN}") == []
    until("own name", lambda: n2.self_status()["DNSName"] == "n2.moved.test.", timeout=60)


def test_a_nextdns_profile_by_attribute(make_lab):
    lab = make_lab(config={"dns": {"override_local_dns": True, "nameservers": {"global": ["https://dns.nextdns.io/common"]}}})
    for u in ("anna", "ben"):
        lab.server.user(u)
    acls = [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]
    a, b = lab.node("a", NEW, user="anna"), lab.node("b", OLD, user="ben")

    def resolver(n):
        return n.netmap()["DNS"]["Resolvers"][0]["Addr"]

    assert resolver(a).startswith("https://dns.nextdns.io/common?device_ip=")
    assert f"device_ip={a.ip4}" in resolver(a) and "device_name=a" in resolver(a)
    lab.server.set_policy({"acls": acls, "nodeAttrs": [{"target": ["anna@"], "attr": ["nextdns:own"]}]})
    until("her profile", lambda: resolver(a).startswith("https://dns.nextdns.io/own?device_ip="))
    assert resolver(b).startswith("https://dns.nextdns.io/common?")
    lab.server.set_policy({"acls": acls, "nodeAttrs": [{"target": ["anna@"], "attr": ["nextdns:own", "nextdns:no-device-info"]}]})
    until("without the device", lambda: resolver(a) == "https://dns.nextdns.io/own")
    lab.server.set_policy({"acls": acls})
    until("as before", lambda: resolver(a).startswith("https://dns.nextdns.io/common?device_ip="))
