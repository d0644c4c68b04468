"""Who fails too often is not listened to for a while: server.limits.failed_logins_per_minute."""
from lab import NEW, SERVER_IP, URL, until

CONFIG = {"server": {"limits": {"failed_logins_per_minute": 6}}}  # one comes back in ten seconds


def ask(space, path, *args):
    """The status of a GET."""
    return int(space.run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", *args, URL + path).stdout)


def api(space, key):
    return ask(space, "/api/v1/user", "-H", f"Authorization: Bearer {key}")


def test_guessing_a_key_costs_time_and_nobody_elses(make_lab):
    lab = make_lab(config=CONFIG)
    key = lab.server.json("apikeys", "create")
    key = key if isinstance(key, str) else key.get("apiKey") or key["key"]
    guesser, other = lab.node("guesser", NEW), lab.node("other", NEW)
    assert api(guesser, key) == 200
    assert [api(guesser, f"hskey-api-{i:012d}-{'x' * 64}") for i in range(6)] == [401] * 6
    assert api(guesser, "hskey-api-nonsense") == 429
    assert api(guesser, key) == 429  # not even looked at
    assert ask(guesser, "/register/hskey-authreq-000000000000000000000000") == 429
    assert ask(guesser, "/health") == 200
    guesser.up(key=lab.server.auth_key("anna"))  # the control protocol is not meant
    assert api(other, key) == 200
    m = lab.server.metrics()
    assert m["headscale_failed_logins_total"] == 6 and m["headscale_failed_logins_limited_total"] == 3
    until("one failure came back", lambda: api(guesser, key) == 200, timeout=15, every=0.5)


def test_a_page_of_others_locks_nobody_out(make_lab):
    lab = make_lab(config=CONFIG)
    n = lab.node("n", NEW)
    for i in range(10):
        assert ask(n, "/api/v1/user") == 401  # a browser brings no key
        assert ask(n, "/register/x", "-H", "Sec-Fetch-Dest: image") == 400
    assert ask(n, "/register/x") == 400
    assert lab.server.metrics()["headscale_failed_logins_total"] == 1


def test_links_that_are_none_count_too(make_lab):
    lab = make_lab(config=CONFIG)
    n = lab.node("n", NEW)
    page = [ask(n, f"/register/hskey-authreq-{i:024x}") for i in range(7)]
    assert page == [410] * 6 + [429]
    text = n.run("curl", "-sS", "-i", URL + "/auth/hskey-authreq-" + "0" * 24).stdout
    assert "Too many failed logins" in text and "retry-after: 60" in text.lower()
    # A link that is good is none the less not followed by this address, but by another.
    p, url = n.up_url()
    assert ask(n, url.removeprefix(URL)) == 429
    assert ask(lab.server, url.removeprefix(URL)) == 200 and SERVER_IP != n.lan
