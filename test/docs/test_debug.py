"""The debug pages and the figures of the certificate, as an operator uses them."""
import json
import os
import re
import subprocess

from test_commands import wait_until


def page(server, path):
    status, headers, text = server.get(path, server.metrics)
    assert status == 200 and headers["Content-Type"] == "application/json"
    return json.loads(text)


def test_streams_and_relays(server):
    assert page(server, "/debug/streams") == {"streams": [], "total": 0}
    assert list(page(server, "/debug/derp")["Regions"]) == ["999"]
    assert server.get("/debug/netmap/1", server.metrics)[0] == 404
    assert "/debug/streams" in server.get("/debug", server.metrics)[2]


def test_debug_pages_are_not_for_those_behind_a_proxy(server):
    import urllib.error
    import urllib.request
    for path in ("/debug", "/debug/overview", "/debug/config", "/debug/streams", "/debug/derp", "/debug/netmap/1"):
        q = urllib.request.Request(f"http://127.0.0.1:{server.metrics}{path}", headers={"X-Forwarded-For": "127.0.0.1"})
        try:
            urllib.request.urlopen(q, timeout=5)
            status = 200
        except urllib.error.HTTPError as e:
            status = e.code
        assert status == 403, path
        assert server.get(path)[0] == 404, "never on the main port"


def make_pair(server, days):
    pair = [os.path.join(server.folder, n) for n in ("cert.pem", "key.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days),
                    "-subj", "/CN=hs.test", "-out", pair[0], "-keyout", pair[1]], check=True, capture_output=True)
    return pair


def test_a_certificate_that_cannot_be_read_shows_in_the_figures(stopped):
    s = stopped

    def figure(name):
        return float(re.search(rf"^headscale_certificate_{name} (\S+)$", s.get("/metrics", s.metrics)[2], re.M).group(1))
    s.config["tls_cert_path"], s.config["tls_key_path"] = make_pair(s, 10)
    s.write_config()
    s.start()
    first = figure("expiry_timestamp_seconds")
    with open(s.config["tls_cert_path"], "w", encoding="utf-8") as f:
        f.write("nonsense")
    wait_until(lambda: figure("renewal_failures") == 1)
    s.process.send_signal(1)
    wait_until(lambda: figure("renewal_failures") == 2)
    assert figure("expiry_timestamp_seconds") == first, "the old one is in use"
    make_pair(s, 90)
    wait_until(lambda: figure("renewal_failures") == 0)
    assert figure("expiry_timestamp_seconds") > first + 70 * 86400
