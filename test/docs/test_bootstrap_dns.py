"""/bootstrap-dns: what a client asks a relay for whose name resolution fails."""
import json
import os

from test_commands import wait_until


def relay_map(server, hosts):
    path = os.path.join(server.folder, "map.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"Regions": {"900": {"RegionID": 900, "RegionCode": "x", "RegionName": "X", "Nodes": [
            {"Name": f"900{i}", "RegionID": 900, "HostName": h, **more} for i, (h, more) in enumerate(hosts.items())]}}}, f)
    server.config["derp"]["paths"] = [path]
    server.write_config()


def ask(server, query=""):
    status, headers, text = server.get("/bootstrap-dns" + query)
    assert status == 200 and headers["Content-Type"] == "application/json"
    return json.loads(text) if text else None


def test_it_knows_this_server_and_the_relays_of_the_map(stopped):
    s = stopped
    s.config["server_url"] = f"http://localhost:{s.port}"  # a name that is asked of DNS
    relay_map(s, {"stated.test": {"IPv4": "198.51.100.1", "IPv6": "2001:db8::1"}, "four.test": {"IPv4": "198.51.100.2", "IPv6": "none"},
                  "nowhere.invalid": {}, "198.51.100.9": {"IPv4": "198.51.100.9"}})
    s.start()
    wait_until(lambda: ask(s))
    everything = ask(s)
    assert everything["stated.test"] == ["198.51.100.1", "2001:db8::1"] and everything["four.test"] == ["198.51.100.2"]
    assert set(everything["localhost"]) & {"127.0.0.1", "::1"}
    assert set(everything) == {"stated.test", "four.test", "localhost"}, "no name without an address, no address as a name"
    assert ask(s, "?q=stated.test") == {"stated.test": ["198.51.100.1", "2001:db8::1"]}
    assert ask(s, "?q=STATED.test") == {"stated.test": ["198.51.100.1", "2001:db8::1"]}
    for unknown in ("nowhere.invalid", "example.com", "a" * 5000, "198.51.100.9"):
        assert ask(s, f"?q={unknown}") is None, "nobody makes us ask DNS"
    # A map that changed is told of without a restart.
    relay_map(s, {"new.test": {"IPv4": "198.51.100.3"}})
    s.process.send_signal(1)
    wait_until(lambda: "new.test" in ask(s))
    assert "stated.test" not in ask(s)


def test_addresses_of_the_configuration_need_no_dns(stopped):
    s = stopped
    s.config["server_url"] = f"http://hs.invalid:{s.port}"
    s.config["derp"]["server"].update(ipv4="198.51.100.7", ipv6="2001:db8::7")
    s.write_config()
    s.start()
    wait_until(lambda: ask(s, "?q=hs.invalid"))
    assert ask(s) == {"hs.invalid": ["198.51.100.7", "2001:db8::7"]}
