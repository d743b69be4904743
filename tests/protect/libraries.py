"""Takes a token with libraries of Python, by the address of its issuer alone: PyJWT with PyJWKClient, and Authlib."""

import os

import jwt
import requests
from authlib.jose import JsonWebKey, JsonWebToken

issuer, token, algorithm = (os.environ[name] for name in ("ISSUER", "TOKEN", "ALGORITHM"))
broken = token[:-6] + "AAAAAA"


def refuses(check):
    try:
        check()
    except Exception:
        return
    raise SystemExit("a token was taken whose signature is broken")


for path in ("oauth-authorization-server", "openid-configuration"):
    found = requests.get(f"{issuer}/.well-known/{path}", timeout=10).json()
    assert found["issuer"] == issuer

keys = jwt.PyJWKClient(found["jwks_uri"])


def by_pyjwt(token):
    key = keys.get_signing_key_from_jwt(token)
    return jwt.decode(token, key, algorithms=[algorithm], issuer=issuer, audience=issuer)


assert by_pyjwt(token)["sub"] == "alice"
refuses(lambda: by_pyjwt(broken))


def by_authlib(token):
    published = JsonWebKey.import_key_set(requests.get(found["jwks_uri"], timeout=10).json())
    required = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": issuer}}
    claims = JsonWebToken([algorithm]).decode(token, published, claims_options=required)
    claims.validate()
    return claims


assert by_authlib(token)["client_id"] == "alice"
refuses(lambda: by_authlib(broken))

print("all took the token of alice")
