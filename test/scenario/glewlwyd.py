"""Glewlwyd, an identity provider of the distribution, beside a lab's server, and how a person signs in there."""
import json
import os
import shutil
import subprocess
import urllib.parse

import pytest

from browser import Browser
from lab import HOST, URL, merge, run, until

SCHEMA = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"
LIBRARIES = "/usr/lib/glewlwyd"
PORT = 9998
BASE = f"https://{HOST}:{PORT}"
ISSUER = BASE + "/api/oidc"
CLIENT, SECRET = "headscale", "a secret of 1/2+1% & more"
SCOPES = "openid profile email"
PASSWORD = "correct horse"

CONFIG = """\
port={port}
external_url="{base}"
login_url="login.html"
api_prefix="api"
static_files_path="/usr/share/glewlwyd/webapp/"
log_mode="console"
log_level="INFO"
cookie_secure=1
use_secure_connection=true
secure_connection_key_file="{key}"
secure_connection_pem_file="{cert}"
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="{lib}/user"
client_module_path="{lib}/client"
user_auth_scheme_module_path="{lib}/scheme"
plugin_module_path="{lib}/plugin"
hash_algorithm="SHA512"
database = {{ type = "sqlite3"; path = "{db}"; }};
"""


class Glewlwyd:
    """The provider, with the people odin and thor. `kind` of key: "rsa" or "ecdsa"."""

    def __init__(self, lab, kind="rsa", token_seconds=3600):
        if not shutil.which("glewlwyd") or not os.path.exists(SCHEMA):
            pytest.skip("glewlwyd is not installed (tools/packages.txt)")
        self.space = lab.server
        self.folder = os.path.join(self.space.dir, "provider")
        os.makedirs(self.folder)
        self.kind, self.token_seconds, self.process = kind, token_seconds, None
        db = os.path.join(self.folder, "db.sqlite")
        with open(SCHEMA) as f:
            subprocess.run(["sqlite3", db], stdin=f, check=True, capture_output=True)
        with open(os.path.join(self.folder, "provider.conf"), "w") as f:
            f.write(CONFIG.format(port=PORT, base=BASE, key=lab.key, cert=lab.cert, lib=LIBRARIES, db=db))
        self.start()
        self.admin = Browser(self.space, "provider-admin")
        self.api("POST", "/auth/", {"username": "admin", "password": "password"})
        self.set_up()

    def start(self):
        self.process = self.space.spawn("glewlwyd", "--config-file=" + os.path.join(self.folder, "provider.conf"), log="provider.log")
        until("the provider answers", lambda: Browser(self.space, "probe").open(BASE + "/api/").status)

    def stop(self):
        self.space.stop(self.process)

    def api(self, method, path, value=None):
        page = self.admin.send(method, BASE + "/api" + path, value) if value is not None else self.admin.open(
            BASE + "/api" + path, "-X", method)
        assert page.status == 200, (method, path, page)
        return page

    # -- what an administrator of the provider sets up

    def set_up(self):
        data = {n: {"multiple": n == "groups", "read": True, "write": True} for n in ("picture", "groups", "email_verified")}
        self.api("PUT", "/mod/user/database", {"module": "database", "name": "database", "display_name": "People", "order_rank": 0,
                                               "readonly": False, "enabled": True,
                                               "parameters": {"use-glewlwyd-connection": True, "data-format": data}})
        self.api("PUT", "/mod/user/database/reset")
        for s in SCOPES.split():
            scope = {"name": s, "display_name": s, "description": s, "password_required": True, "password_max_age": 0, "scheme": {}}
            self.api(*(("PUT", "/scope/openid") if s == "openid" else ("POST", "/scope/")), scope)
        self.api("POST", "/mod/plugin/", self.plugin())
        self.api("POST", "/client/", {
            "client_id": CLIENT, "name": "Headscale", "password": SECRET, "client_secret": SECRET, "confidential": True, "enabled": True,
            "redirect_uri": [URL + "/oidc/callback"], "authorization_type": ["code"],
            "token_endpoint_auth_method": ["client_secret_basic", "client_secret_post"], "scope": []})
        self.people = {}
        self.person("odin", name="Odin", email="odin@example.com", groups=["crew", "chiefs"], picture="https://pics.test/odin.png")
        self.person("thor", name="Thor", email="thor@example.org", groups=["crew"])

    def plugin(self):
        """The settings of the OpenID Connect part, with a new key each time."""
        key = os.path.join(self.folder, "key.pem")
        if self.kind == "rsa":
            run("openssl", "genrsa", "-out", key, "2048")
        else:
            run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        public = run("openssl", "pkey", "-in", key, "-pubout").stdout
        with open(key) as f:
            private = f.read()
        claim = {"type": "string", "mandatory": True}
        return {"module": "oidc", "name": "oidc", "display_name": "oidc", "enabled": True, "parameters": {
            "iss": ISSUER, "jwt-type": self.kind, "jwt-key-size": "256", "key": private, "cert": public,
            "access-token-duration": self.token_seconds, "refresh-token-duration": 1209600, "code-duration": 600,
            "refresh-token-rolling": False, "auth-type-code-enabled": True, "auth-type-implicit-enabled": False,
            "auth-type-token-enabled": False, "auth-type-password-enabled": False, "auth-type-client-enabled": False,
            "auth-type-refresh-enabled": False, "auth-type-none-enabled": False, "pkce-allowed": True,
            "pkce-method-plain-allowed": False, "subject-type": "public", "jwks-show": True, "oauth-as-iss-id": True,
            "name-claim": "mandatory", "email-claim": "mandatory", "scope-claim": "no",
            "claims": [{"name": "picture", "user-property": "picture", **claim},
                       {"name": "groups", "user-property": "groups", **claim},
                       {"name": "preferred_username", "user-property": "username", **claim},
                       {"name": "email_verified", "user-property": "email_verified", "type": "boolean", "mandatory": True,
                        "boolean-value-true": "1", "boolean-value-false": "0"}]}}

    def new_key(self):
        """From now on tokens are signed with another key."""
        self.api("PUT", "/mod/plugin/oidc", self.plugin())
        self.api("PUT", "/mod/plugin/oidc/reset")

    def person(self, who, **what):
        """Make a person, or change one."""
        new = who not in self.people
        self.people[who] = {"username": who, "password": PASSWORD, "enabled": True, "email_verified": "1",
                            "scope": SCOPES.split() + ["g_profile"], **self.people.get(who, {}), **what}
        self.api("POST" if new else "PUT", "/user/" + ("" if new else who), self.people[who])

    # -- what a person does

    def sign_in(self, browser, page, who, password=PASSWORD):
        """At the sign-in page: name, password, consent, and on. Returns where that leads, or the provider's refusal."""
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.url).query))
        assert page.url.startswith(BASE + "/login.html") and asked["client_id"] == CLIENT, page.url
        answer = browser.send("POST", BASE + "/api/auth/", {"username": who, "password": password})
        if answer.status != 200:
            return answer
        grant = f"{BASE}/api/auth/grant/{CLIENT}"
        offer = json.loads(browser.open(grant + "/" + urllib.parse.quote(asked["scope"])).text)
        names = {s["name"] for s in offer["scope"]}
        assert not names or names == set(SCOPES.split()), offer
        if names:
            assert browser.send("PUT", grant, {"scope": asked["scope"]}).status == 200
        return browser.open(asked["callback_url"] + "&g_continue")

    def visit(self, browser, url, who):
        """Open a link and sign in on the way, if asked. Returns the page it ends on."""
        page = browser.open(url)
        return self.sign_in(browser, page, who) if page.url.startswith(BASE) else page


def configuration(**more):
    """A lab's configuration for this provider."""
    return {"oidc": merge({"issuer": ISSUER, "client_id": CLIENT, "client_secret": SECRET, "pkce": {"enabled": True}}, more)}
