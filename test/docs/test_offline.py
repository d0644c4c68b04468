"""Starting with the example configuration while nothing outside answers."""
import http.server
import json
import os
import threading

from conftest import ROOT, free_port
from test_commands import Relays, wait_until
import socket


def offline(server):
    """The shipped file as it is; what cannot be shared with other tests is said by the environment. No proxy, no network."""
    server.path = os.path.join(ROOT, "packaging", "config-example.yaml")
    server.stun = free_port(socket.SOCK_DGRAM)
    at = server.folder
    server.env.update({
        "HEADSCALE_CONFIG": server.path, "https_proxy": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1",
        "HEADSCALE_SERVER_URL": f"http://127.0.0.1:{server.port}", "HEADSCALE_LISTEN_ADDR": f"127.0.0.1:{server.port}",
        "HEADSCALE_METRICS_LISTEN_ADDR": f"127.0.0.1:{server.metrics}", "HEADSCALE_UNIX_SOCKET": f"{at}/s",
        "HEADSCALE_NOISE_PRIVATE_KEY_PATH": f"{at}/noise.key", "HEADSCALE_DATABASE_SQLITE_PATH": f"{at}/db.sqlite",
        "HEADSCALE_DERP_SERVER_PRIVATE_KEY_PATH": f"{at}/derp.key", "HEADSCALE_DERP_SERVER_STUN_LISTEN_ADDR": f"127.0.0.1:{server.stun}"})
    return server


def test_the_example_starts_without_a_network(stopped):
    s = offline(stopped)
    s.start()
    assert s.says("DERP map not fetched, and there is none from before")
    assert s.get("/health")[0] == 200
    assert s.get("/derp/probe")[0] == 200, "the relay stands in"
    assert "headscale_derp_connections 0" in s.get("/metrics", s.metrics)[2]
    assert "headscale_stun_" in s.get("/metrics", s.metrics)[2]
    s.run("users", "create", "anna")
    # Nobody asked for a relay: a taken port, of another STUN server here, is no reason not to start.
    s.stop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", s.stun))
        s.start()
        assert s.get("/derp/probe")[0] == 200


def test_the_map_is_fetched_when_the_network_comes(stopped):
    s = offline(stopped)
    port = free_port()
    for name in ("http_proxy", "https_proxy"):
        del s.env[name]
    s.env["HEADSCALE_DERP_URLS"] = f"http://127.0.0.1:{port}/map"
    s.env["HEADSCALE_DERP_AUTO_UPDATE_ENABLED"] = "false"
    s.start()
    assert s.says("the relay of this server stands in")
    Relays.codes = {1: "one"}
    web = http.server.HTTPServer(("127.0.0.1", port), Relays)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    wait_until(lambda: "DERP map fetched at last" in s.output(), 30)
    with open(os.path.join(s.folder, "db.sqlite.derpmap.json"), encoding="utf-8") as f:
        assert {r["RegionCode"] for r in json.load(f)["Regions"].values()} == {"one"}
    s.stop()
    web.shutdown()
    web.server_close()
    # And from now on there is a last one.
    before = s.output()
    s.start()
    assert s.says("using the last one", after=len(before))
    assert s.get("/derp/probe")[0] == 404 or "stands in" not in s.output()[len(before):]
