"""Certificates from an ACME authority: pebble, beside the server, on the ports a real one asks at."""
import json
import os
import re
import shutil
import signal
import stat
import time

import pytest

from lab import HOST, SERVER_IP, URL, never, until

pytestmark = pytest.mark.skipif(not shutil.which("pebble"), reason="pebble is not installed")

BOTH_CHALLENGES = ["HTTP-01", "TLS-ALPN-01"]


class Authority:
    """A lab whose server has no certificate yet, and pebble in the server's namespace.

    What SSL_CERT_FILE names in the lab is first pebble's own certificate; its root for issuing is added when it runs."""

    def __init__(self, make_lab, challenge, life=None, start=True):
        self.lab = make_lab(start=False, config={
            "tls_cert_path": "", "tls_key_path": "", "tls_letsencrypt_hostname": HOST,
            "tls_letsencrypt_challenge_type": challenge, "acme_url": f"https://{SERVER_IP}:14000/dir",
            "acme_email": "admin@control.test"})
        self.server = self.lab.server
        self.cache = os.path.join(self.server.dir, "cache", "acme")
        self.server.config["tls_letsencrypt_cache_dir"] = self.cache
        self.config = os.path.join(self.server.dir, "pebble.json")
        pebble = {"listenAddress": f"{SERVER_IP}:14000", "managementListenAddress": f"{SERVER_IP}:15000",
                  "certificate": self.lab.cert, "privateKey": self.lab.key, "httpPort": 80, "tlsPort": 443,
                  "ocspResponderURL": "", "externalAccountBindingRequired": False}
        if life:
            pebble["certificateValidityPeriod"] = life
        with open(self.config, "w") as f:
            json.dump({"pebble": pebble}, f)
        self.own = open(self.lab.cert).read()
        self.start()
        if start:
            self.server.start()

    def start(self):
        with open(self.lab.cert, "w") as f:
            f.write(self.own)
        self.process = self.server.spawn("pebble", "-config", self.config, log="pebble.log",
                                         env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PEBBLE_WFE_NONCEREJECT": "20"})
        root = until("pebble's root", lambda: self.server.run(
            "curl", "-sS", "--max-time", "5", f"https://{SERVER_IP}:15000/roots/0").stdout)
        with open(self.lab.cert, "a") as f:
            f.write(root)

    def stop(self):
        self.server.stop(self.process)

    def obtained(self):
        return self.server.log().count("certificate obtained")

    def served(self):
        """The certificate that the server shows now, as text."""
        p = self.server.run("sh", "-c", f"openssl s_client -connect {SERVER_IP}:443 -servername {HOST} </dev/null 2>/dev/null "
                                        "| openssl x509 -noout -serial -dates -ext subjectAltName", check=False)
        return p.stdout if p.returncode == 0 else ""

    def figure(self, name):
        """A metric of the certificate."""
        return self.server.metrics()["headscale_certificate_" + name]

    def serial(self):
        return re.search(r"serial=(\w+)", self.served()).group(1)

    def trusted(self):
        """A client that verifies the name and the chain gets an answer."""
        return self.server.http("/health", "-o", "/dev/null", "-w", "%{http_code}", check=False).stdout == "200"


@pytest.mark.parametrize("challenge", BOTH_CHALLENGES)
def test_first_certificate(make_lab, challenge):
    a = Authority(make_lab, challenge, start=False)
    a.process.send_signal(signal.SIGSTOP)  # the authority is slow, the server starts nevertheless
    a.server.start()
    until("the order begins", lambda: "certificate is asked for" in a.server.log())
    assert a.served() == "" and not a.trusted()
    assert a.figure("expiry_timestamp_seconds") == 0, "there is none yet"
    a.process.send_signal(signal.SIGCONT)
    until("a certificate", a.trusted)
    assert a.figure("expiry_timestamp_seconds") > time.time() + 3600 and a.figure("renewal_failures") == 0
    assert f"DNS:{HOST}" in a.served()
    assert a.obtained() == 1
    for name in ("acme_account+key", HOST):
        mode = os.stat(os.path.join(a.cache, name)).st_mode
        assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(os.stat(a.cache).st_mode) == 0o700
    other = a.server.run("curl", "-sS", "-k", "--max-time", "5", "--connect-to", f"::{SERVER_IP}:443", "https://other.test/",
                         check=False)
    assert other.returncode == 35  # another name is not served


@pytest.mark.parametrize("challenge", BOTH_CHALLENGES)
def test_a_restart_needs_no_authority(make_lab, challenge):
    a = Authority(make_lab, challenge)
    until("a certificate", a.trusted)
    serial = a.serial()
    a.stop()
    a.server.restart()
    assert a.trusted() and a.serial() == serial
    assert a.obtained() == 1 and a.server.log().count("certificate is asked for") == 1


@pytest.mark.parametrize("challenge", BOTH_CHALLENGES)
def test_renewal_under_way_nobody_notices(make_lab, challenge):
    a = Authority(make_lab, challenge, life=20)
    until("a certificate", a.trusted)
    serial = a.serial()
    probes = []

    def renewed():
        probes.append(a.trusted())
        return a.serial() != serial
    until("another certificate", renewed, timeout=40, every=0.3)
    assert all(probes) and a.trusted()
    assert a.obtained() == 2


def test_the_old_one_stays_when_it_cannot_be_renewed(make_lab):
    a = Authority(make_lab, "HTTP-01", life=20)
    until("a certificate", a.trusted)
    serial = a.serial()
    a.stop()
    until("a failed renewal", lambda: "certificate not renewed, the old one stays in use" in a.server.log(), timeout=40)
    assert a.serial() == serial and a.figure("renewal_failures") >= 1
    assert re.search(r"next_try_s=(6\d)\b", a.server.log())
    never("another try within seconds", lambda: a.server.log().count("certificate is renewed") > 1, seconds=3)


def test_others_are_sent_to_https(make_lab):
    a = Authority(make_lab, "HTTP-01")

    def head(path):
        return a.server.run("curl", "-sS", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}",
                            f"http://{HOST}{path}").stdout
    assert head("/admin/x%20y?z=1&u=%2f") == f"302 {URL}/admin/x%20y?z=1&u=%2f"
    assert head("/") == f"302 {URL}/"
    assert head("/.well-known/acme-challenge/unknown").startswith("404 ")
    until("a certificate", a.trusted)


def test_stop_while_an_order_is_under_way(make_lab):
    a = Authority(make_lab, "HTTP-01", start=False)
    a.process.send_signal(signal.SIGSTOP)
    a.server.start()
    until("the order begins", lambda: "certificate is asked for" in a.server.log())
    assert a.server.kill(signal.SIGTERM) == 0
    a.process.send_signal(signal.SIGCONT)


def test_clients_trust_it(make_lab):
    """Control and relay through the certificate of the authority, by the newest client and the oldest."""
    a = Authority(make_lab, "TLS-ALPN-01")
    until("a certificate", a.trusted)
    n1, n2 = a.lab.pair()
    n1.ping(n2.ip4)
