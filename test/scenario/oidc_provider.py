"""A small OpenID Connect provider that lets everybody in at once.

usage: oidc_provider.py ADDRESS PORT FOLDER

Who logs in stands in FOLDER/claims.json, read again at each login; its member "deny" refuses, "id_token_lifetime" is in
seconds, "lie" names one of the LIES below, or what else to do badly. What was asked is written to FOLDER/seen.json: the parameters of the last authorization and token request. Keys are
made by the command openssl.
"""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS, PORT, FOLDER = sys.argv[1], int(sys.argv[2]), sys.argv[3]
ISSUER = f"http://{ADDRESS}:{PORT}"
KEY = os.path.join(FOLDER, "key.pem")
codes = {}
seen = {}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, check=True).stdout


def jwk():
    n = openssl("rsa", "-in", KEY, "-noout", "-modulus").decode().strip().split("=")[1]
    return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k1", "n": b64(bytes.fromhex(n)), "e": "AQAB"}


def token(claims, lie=None):
    header = {"alg": {"none": "none", "hs256": "HS256"}.get(lie, "RS256"), "kid": "k1", "typ": "JWT"}
    if lie == "kid":
        header["kid"] = "k2"
    if lie == "no kid":
        del header["kid"]
    text = b64(json.dumps(header).encode()) + "." + b64(json.dumps(claims).encode())
    if lie == "none":
        return text + "."
    if lie == "hs256":  # the public key, which everybody knows, taken for a secret
        public = openssl("rsa", "-in", KEY, "-pubout")
        return text + "." + b64(hmac.new(public, text.encode(), hashlib.sha256).digest())
    key = KEY
    if lie == "key":
        key = os.path.join(FOLDER, "other.pem")
        openssl("genrsa", "-out", key, "2048")
    return text + "." + b64(openssl("dgst", "-sha256", "-sign", key, data=text.encode()))


# What the claims of an ID token become.
LIES = {
    "nonce": lambda c, now: {"nonce": "another"},
    "audience": lambda c, now: {"aud": "another"},
    "issuer": lambda c, now: {"iss": "https://id.evil.test"},
    "expired": lambda c, now: {"iat": now - 7200, "exp": now - 3600},
    "not yet": lambda c, now: {"nbf": now + 3600},
    "from the future": lambda c, now: {"iat": now + 3600, "exp": now + 7200},
    "nobody": lambda c, now: {"sub": ""},
    "another token's": lambda c, now: {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


def claims_now():
    with open(os.path.join(FOLDER, "claims.json")) as f:
        return json.load(f)


def note(**what):
    seen.update(what)
    with open(os.path.join(FOLDER, "seen.json"), "w") as f:
        json.dump(seen, f)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=None, **headers):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for k, v in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(data)

    def endless(self):
        """An answer that does not stop while somebody reads."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(b" " * 65536)
        except OSError:
            note(cut_off=True)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/.well-known/openid-configuration":
            self.answer(200, {
                "issuer": ISSUER, "authorization_endpoint": ISSUER + "/authorize", "token_endpoint": ISSUER + "/token",
                "userinfo_endpoint": ISSUER + "/userinfo", "jwks_uri": ISSUER + "/jwks",
                "response_types_supported": ["code"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"]})
        elif url.path == "/jwks":
            self.answer(200, {"keys": [jwk()]})
        elif url.path == "/authorize":
            note(authorize=query)
            claims = claims_now()
            back = {"state": query["state"]}
            if claims.get("deny"):
                back["error"] = "access_denied"
            else:
                back["code"] = b64(os.urandom(12))
                codes[back["code"]] = (query, claims)
            self.answer(302, Location=query["redirect_uri"] + "?" + urllib.parse.urlencode(back))
        elif url.path == "/userinfo":
            claims = {k: v for k, v in claims_now().items() if k != "id_token_lifetime"}
            if claims.get("lie") == "userinfo":
                claims = {"sub": "s-loki", "name": "Loki", "email": "loki@evil.test", "email_verified": True}
            self.answer(200, claims)
        else:
            self.answer(404, {})

    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        basic = self.headers.get("Authorization", "")
        if basic.startswith("Basic "):
            form["client_id"], form["client_secret"] = base64.b64decode(basic[6:]).decode().split(":", 1)
        note(token=form)
        lie = claims_now().get("lie")
        if lie == "endless":
            return self.endless()
        if lie == "away":
            return self.answer(503, {})
        if lie == "elsewhere":
            return self.answer(307, Location=ISSUER + "/token")
        if lie == "slow":
            time.sleep(20)
        if lie == "nonsense":
            return self.answer(200, ["id_token"])
        query, claims = codes.pop(form.get("code"), (None, None))
        if query is None or form["client_secret"] != "secret" or form["client_id"] != query["client_id"]:
            return self.answer(400, {"error": "invalid_grant"})
        if "code_challenge" in query:
            if b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest()) != query["code_challenge"]:
                return self.answer(400, {"error": "invalid_grant"})
        now = int(time.time())
        body = {"iss": ISSUER, "aud": query["client_id"], "iat": now, "exp": now + claims.get("id_token_lifetime", 3600),
                "nonce": query.get("nonce", ""), **claims}
        self.answer(200, {"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "id_token": token({**body, **LIES.get(lie, lambda c, now: {})(body, now)}, lie)})


if not os.path.exists(KEY):
    openssl("genrsa", "-out", KEY, "2048")
server = ThreadingHTTPServer((ADDRESS, PORT), Handler)
print("ready", flush=True)
server.serve_forever()
