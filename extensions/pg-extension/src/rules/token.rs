//! Access tokens of a 2FApi service: JWTs signed with EdDSA over Ed25519 or with ES256, checked with the public
//! keys that the operator configured, for the issuer and the audience that he named.
//!
//! The key that is named says which algorithm it is for, and the token has nothing to choose. The format has a
//! handful of claims, so that it is read here and not by a library that could be talked into more; JSON, base64 and
//! the two algorithms are those of libraries.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek as ed25519;
use p256::ecdsa::{self, signature::Verifier as _};
use serde::Deserialize;
use twofapi_crypto_core::{ClientId, CredentialId};

/// No token of a service is longer.
const LONGEST: usize = 8192;
/// How many keys a service may have in use at once.
const MOST_KEYS: usize = 32;
/// By how many seconds the clock of the service may be ahead.
const AHEAD: u64 = 5;

/// Why a token was not accepted. For the operator; the client is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// The service's public keys, by their ids.
#[derive(Debug)]
pub(crate) struct Keys(Vec<(String, PublicKey)>);

/// A public key, which is of one algorithm.
#[derive(Debug)]
enum PublicKey {
    Ed25519(ed25519::VerifyingKey),
    P256(ecdsa::VerifyingKey),
}

impl PublicKey {
    /// What tokens that it checks name as their algorithm (RFC 7518, RFC 8037).
    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "EdDSA",
            Self::P256(_) => "ES256",
        }
    }

    fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => ed25519::Signature::from_slice(signature)
                .and_then(|signature| key.verify_strict(signed, &signature))
                .is_ok(),
            Self::P256(key) => ecdsa::Signature::from_slice(signature)
                .and_then(|signature| key.verify(signed, &signature))
                .is_ok(),
        }
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    kty: String,
    crv: Option<String>,
    kid: Option<String>,
    x: Option<String>,
    y: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    d: Option<serde::de::IgnoredAny>,
}

impl Key {
    /// The public key, unless it is of another kind.
    fn public(&self) -> Result<Option<PublicKey>, &'static str> {
        let coordinate = |part: &Option<String>| {
            let bytes = URL_SAFE_NO_PAD.decode(part.as_deref()?).ok()?;
            <[u8; 32]>::try_from(bytes).ok()
        };
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => coordinate(&self.x)
                .and_then(|x| ed25519::VerifyingKey::from_bytes(&x).ok())
                .filter(|key| !key.is_weak())
                .map(|key| Some(PublicKey::Ed25519(key)))
                .ok_or("a key of it is no Ed25519 public key"),
            ("EC", Some("P-256")) => coordinate(&self.x)
                .zip(coordinate(&self.y))
                .and_then(|(x, y)| {
                    let uncompressed = [&[4], &x[..], &y[..]].concat();
                    ecdsa::VerifyingKey::from_sec1_bytes(&uncompressed).ok()
                })
                .map(|key| Some(PublicKey::P256(key)))
                .ok_or("a key of it is no P-256 public key"),
            _ => Ok(None),
        }
    }
}

impl Keys {
    /// Reads a JSON Web Key Set (RFC 7517), as the service publishes it. Keys of other kinds are passed
    /// over.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let set: KeySet = serde_json::from_str(text).map_err(
            |_| "it is no JSON Web Key Set, {\"keys\": [...]}, as the service publishes it",
        )?;
        let mut keys: Vec<(String, PublicKey)> = Vec::new();
        for key in set.keys {
            if key.d.is_some() {
                return Err("it holds a private key, which belongs to the service alone");
            }
            let Some(public) = key.public()? else {
                continue;
            };
            let is_for =
                |said: &Option<String>, what| said.as_deref().is_none_or(|said| said == what);
            if !is_for(&key.alg, public.algorithm()) || !is_for(&key.used_for, "sig") {
                return Err("a key of it is for another algorithm, or not for signatures");
            }
            let kid = key.kid.ok_or("a key of it has no kid")?;
            if keys.iter().any(|(known, _)| *known == kid) {
                return Err("two keys of it have the same kid");
            }
            keys.push((kid, public));
        }
        match keys.len() {
            0 => Err("it holds no Ed25519 or P-256 key"),
            1..=MOST_KEYS => Ok(Self(keys)),
            _ => Err("it holds more than 32 keys"),
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

/// Whatever is said, it is said.
fn is_there<'de, D: serde::Deserializer<'de>>(said: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(said).map(|_| true)
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    client_id: String,
    aud: String,
    nbf: u64,
    exp: u64,
    ver: u32,
    cred: Option<String>,
    /// Counted by the service; here it says nothing, but a token that has it wrong is none.
    #[serde(rename = "gen")]
    _generation: Option<u32>,
    /// By what its holder proves to be meant (RFC 7800).
    #[serde(default, deserialize_with = "is_there")]
    cnf: bool,
}

/// What an accepted token says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) client_id: ClientId,
    /// The credential that the client had proven; the service's tokens of before name none.
    pub(crate) credential: Option<CredentialId>,
    /// The version that this credential came with at the service, or of its record in a token of before.
    pub(crate) commitment_version: u32,
    /// When it was issued, in Unix seconds.
    pub(crate) issued_at: u64,
    /// In Unix seconds.
    pub(crate) expires_at: u64,
}

/// Checks a token at `now`, in Unix seconds.
pub(crate) fn check(
    token: &[u8],
    keys: &Keys,
    issuer: &str,
    audience: &str,
    now: u64,
) -> Result<Token, Refused> {
    let token = core::str::from_utf8(token).map_err(|_| Refused)?;
    if token.len() > LONGEST || issuer.is_empty() || audience.is_empty() {
        return Err(Refused);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Refused)?;
    let (header, claims) = signed.split_once('.').ok_or(Refused)?;
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused);
    let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| Refused)?;
    if header.typ != "at+jwt" || header.crit {
        return Err(Refused);
    }
    let (_, key) = keys
        .0
        .iter()
        .find(|(kid, _)| *kid == header.kid)
        .ok_or(Refused)?;
    if header.alg != key.algorithm() || !key.verifies(signed.as_bytes(), &decoded(signature)?) {
        return Err(Refused);
    }
    let claims: Claims = serde_json::from_slice(&decoded(claims)?).map_err(|_| Refused)?;
    let in_time = claims.nbf <= now.saturating_add(AHEAD) && now < claims.exp;
    let ours = claims.iss == issuer && claims.aud == audience;
    // Whoever has a bound token has to show a key with it (RFC 9449), and there is no way to do that here.
    if !in_time || !ours || claims.sub != claims.client_id || claims.cnf {
        return Err(Refused);
    }
    let credential = claims.cred.map(|id| id.parse()).transpose();
    Ok(Token {
        client_id: ClientId::parse(&claims.sub).map_err(|_| Refused)?,
        credential: credential.map_err(|_| Refused)?,
        commitment_version: claims.ver,
        issued_at: claims.nbf,
        expires_at: claims.exp,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const NOW: u64 = 1_795_000_000;
    const ISSUER: &str = "https://id.example";
    const AUDIENCE: &str = "db.example";

    fn service() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn jwk(kid: &str, key: &SigningKey) -> Value {
        let x = URL_SAFE_NO_PAD.encode(key.verifying_key().to_bytes());
        json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x})
    }

    /// The service's other key, for ES256.
    fn other_service() -> ecdsa::SigningKey {
        ecdsa::SigningKey::from_slice(&[9; 32]).unwrap()
    }

    fn jwk_of_p256(kid: &str, key: &ecdsa::SigningKey) -> Value {
        let point = key.verifying_key().to_sec1_point(false);
        let part = |at: usize| URL_SAFE_NO_PAD.encode(&point.as_bytes()[at..at + 32]);
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": part(1), "y": part(33)})
    }

    fn keys() -> Keys {
        let keys = [jwk("one", &service()), jwk_of_p256("es", &other_service())];
        Keys::parse(&json!({ "keys": keys }).to_string()).unwrap()
    }

    fn signed_by(
        header: &Value,
        claims: &Value,
        signature: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = signature(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn es256(signed: &[u8]) -> Vec<u8> {
        let signature: ecdsa::Signature = other_service().sign(signed);
        signature.to_bytes().to_vec()
    }

    fn header() -> Value {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "one"})
    }

    fn claims() -> Value {
        json!({
            "iss": ISSUER, "sub": "alice", "client_id": "alice", "aud": AUDIENCE, "iat": NOW,
            "nbf": NOW, "exp": NOW + 900, "jti": "00", "amr": ["zkp"], "ver": 3,
        })
    }

    fn signed(header: &Value, claims: &Value) -> String {
        signed_by(header, claims, |signed| {
            service().sign(signed).to_bytes().to_vec()
        })
    }

    fn checked(token: &str) -> Result<Token, Refused> {
        check(token.as_bytes(), &keys(), ISSUER, AUDIENCE, NOW)
    }

    fn with(mut value: Value, name: &str, to: Value) -> Value {
        value[name] = to;
        value
    }

    fn without(mut value: Value, name: &str) -> Value {
        value.as_object_mut().unwrap().remove(name);
        value
    }

    #[test]
    fn a_token_of_the_service_says_whose_it_is() {
        let token = checked(&signed(&header(), &claims())).unwrap();
        assert_eq!(token.client_id.as_str(), "alice");
        assert_eq!((token.commitment_version, token.expires_at), (3, NOW + 900));
        assert_eq!((token.credential, token.issued_at), (None, NOW));
        let id = "00112233445566778899aabbccddeeff";
        let named = checked(&signed(&header(), &with(claims(), "cred", json!(id)))).unwrap();
        assert_eq!(named.credential, Some(id.parse().unwrap()));
    }

    #[test]
    fn a_token_is_good_in_its_time() {
        let token = signed(&header(), &claims());
        for (now, good) in [
            (NOW - 6, false),
            (NOW - 5, true),
            (NOW + 899, true),
            (NOW + 900, false),
            (u64::MAX, false),
        ] {
            let token = check(token.as_bytes(), &keys(), ISSUER, AUDIENCE, now);
            assert_eq!(token.is_ok(), good, "{now}");
        }
    }

    #[test]
    fn what_is_missing_or_for_others_is_refused() {
        for (name, to) in [
            ("iss", json!("https://other.example")),
            ("aud", json!("other.example")),
            ("aud", json!([])),
            ("aud", json!([AUDIENCE])),
            ("sub", json!("bob")),
            ("client_id", json!("bob")),
            ("sub", json!("")),
            ("exp", json!("soon")),
            ("exp", json!(-1)),
            ("nbf", json!(NOW + 60)),
            ("ver", json!(null)),
            ("cred", json!("00")),
            ("cred", json!(1)),
            (
                "cnf",
                json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
            ),
            ("cnf", json!({})),
            ("cnf", json!(null)),
        ] {
            let token = signed(&header(), &with(claims(), name, to.clone()));
            assert_eq!(checked(&token), Err(Refused), "{name}: {to}");
        }
        for name in ["iss", "sub", "client_id", "aud", "nbf", "exp", "ver"] {
            let token = signed(&header(), &without(claims(), name));
            assert_eq!(checked(&token), Err(Refused), "without {name}");
        }
        let both = with(
            with(claims(), "sub", json!("a:b")),
            "client_id",
            json!("a:b"),
        );
        assert_eq!(checked(&signed(&header(), &both)), Err(Refused));
        for (issuer, audience) in [("", AUDIENCE), (ISSUER, "")] {
            let token = signed(&header(), &claims());
            let answer = check(token.as_bytes(), &keys(), issuer, audience, NOW);
            assert_eq!(answer, Err(Refused));
        }
    }

    #[test]
    fn no_other_algorithm_key_or_kind_is_accepted() {
        for (name, to) in [
            ("alg", json!("none")),
            ("alg", json!("HS256")),
            ("alg", json!("eddsa")),
            ("typ", json!("JWT")),
            ("kid", json!("two")),
            ("crit", json!(["exp"])),
            ("crit", json!(null)),
        ] {
            let token = signed(&with(header(), name, to.clone()), &claims());
            assert_eq!(checked(&token), Err(Refused), "{name}: {to}");
        }
        for name in ["alg", "typ", "kid"] {
            let token = signed(&without(header(), name), &claims());
            assert_eq!(checked(&token), Err(Refused), "without {name}");
        }
    }

    #[test]
    fn a_token_is_checked_by_the_algorithm_of_the_key_that_it_names_and_by_no_other() {
        let of = |alg: &str, kid: &str| json!({"alg": alg, "typ": "at+jwt", "kid": kid});
        assert!(checked(&signed_by(&of("ES256", "es"), &claims(), es256)).is_ok());
        let eddsa = |signed: &[u8]| service().sign(signed).to_bytes().to_vec();
        for (alg, kid) in [
            ("ES256", "one"),
            ("EdDSA", "es"),
            ("none", "es"),
            ("ES384", "es"),
            ("ES256", "two"),
            ("EdDSA", "two"),
        ] {
            for sign in [eddsa as fn(&[u8]) -> Vec<u8>, es256] {
                let token = signed_by(&of(alg, kid), &claims(), sign);
                assert_eq!(checked(&token), Err(Refused), "{alg} {kid}");
            }
        }
        // A public key taken for the secret of an HMAC, in each form that it is known in.
        let point = other_service().verifying_key().to_sec1_point(false);
        let x = service().verifying_key().to_bytes();
        let jwk = jwk_of_p256("es", &other_service()).to_string();
        for secret in [&x[..], point.as_bytes(), jwk.as_bytes()] {
            for (alg, kid) in [("HS256", "one"), ("HS256", "es"), ("ES256", "es")] {
                let token = signed_by(&of(alg, kid), &claims(), |signed| {
                    use hmac::{Hmac, KeyInit as _, Mac as _};
                    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
                    mac.update(signed);
                    mac.finalize().into_bytes().to_vec()
                });
                assert_eq!(checked(&token), Err(Refused), "{alg} {kid}");
            }
        }
        // Nor a signature in another form than JWS has, or by a key of nobody.
        let der = |signed: &[u8]| {
            let signature: ecdsa::Signature = other_service().sign(signed);
            signature.to_der().as_bytes().to_vec()
        };
        let header = of("ES256", "es");
        assert_eq!(checked(&signed_by(&header, &claims(), der)), Err(Refused));
        for wrong in [vec![], vec![0; 64], vec![0; 63], vec![255; 64]] {
            let token = signed_by(&header, &claims(), |_| wrong);
            assert_eq!(checked(&token), Err(Refused));
        }
    }

    #[test]
    fn a_claim_that_is_there_twice_is_refused() {
        let claims = claims()
            .to_string()
            .replacen(r#""sub""#, r#""sub":"bob","sub""#, 1);
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(&header().to_string()), part(&claims));
        let signature = service().sign(signed.as_bytes()).to_bytes();
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(checked(&token), Err(Refused));
    }

    #[test]
    fn tokens_are_judged_as_the_vectors_say() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors");
        let mut judged = 0;
        for name in ["access-token-v1.json", "access-token-credential-v1.json"] {
            let file: Value =
                serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let of_service = |key: &Value| {
                with(
                    with(key.clone(), "kty", json!("OKP")),
                    "crv",
                    json!("Ed25519"),
                )
            };
            let keys: Vec<_> = file["keys"]
                .as_array()
                .unwrap()
                .iter()
                .map(of_service)
                .collect();
            let keys = Keys::parse(&json!({ "keys": keys }).to_string()).unwrap();
            let (issuer, audience) = (text(&file["issuer"]), text(&file["audience"]));
            for (kind, good) in [("accepted", true), ("rejected", false)] {
                for case in file[kind].as_array().unwrap() {
                    let now = case["now"].as_u64().unwrap();
                    let token = text(&case["token"]);
                    let token = check(token.as_bytes(), &keys, &issuer, &audience, now);
                    // Another service than the one that issued it may allow some seconds.
                    let early = case["name"] == "a-second-early";
                    assert_eq!(token.is_ok(), good || early, "{}", case["name"]);
                    if good {
                        let token = token.unwrap();
                        assert_eq!(case["client_id"], token.client_id.as_str());
                        assert_eq!(case["version"], token.commitment_version);
                        let credential = case.get("credential").map(text);
                        assert_eq!(token.credential.map(|id| id.to_string()), credential);
                    }
                    judged += 1;
                }
            }
        }
        assert!(judged > 40);
    }

    #[test]
    fn key_sets_that_are_wrong_are_refused() {
        let good = jwk("one", &service());
        let p256 = jwk_of_p256("es", &other_service());
        let others = json!({"kty": "RSA", "kid": "r", "n": "AQAB", "e": "AQAB"});
        assert!(Keys::parse(&json!({"keys": [others.clone(), good.clone()]}).to_string()).is_ok());
        for keys in [
            json!([]),
            json!([others]),
            json!([good.clone(), good.clone()]),
            json!([with(good.clone(), "d", json!("secret"))]),
            json!([with(good.clone(), "x", json!("short"))]),
            json!([with(
                good.clone(),
                "x",
                json!(URL_SAFE_NO_PAD.encode([0_u8; 32]))
            )]),
            json!([with(good.clone(), "alg", json!("ES256"))]),
            json!([with(good.clone(), "use", json!("enc"))]),
            json!([with(p256.clone(), "alg", json!("EdDSA"))]),
            json!([with(p256.clone(), "d", json!("secret"))]),
            json!([with(p256.clone(), "x", p256["y"].clone())]),
            json!([with(
                p256.clone(),
                "y",
                json!(URL_SAFE_NO_PAD.encode([0_u8; 32]))
            )]),
            json!([without(p256.clone(), "y")]),
            json!([p256.clone(), with(good.clone(), "kid", json!("es"))]),
            json!([with(p256, "crv", json!("P-384"))]),
            json!([without(good.clone(), "kid")]),
            json!([without(good, "x")]),
        ] {
            let text = json!({ "keys": keys }).to_string();
            assert!(Keys::parse(&text).is_err(), "{text}");
        }
        for text in ["", "{}", "[]", "one", "{\"keys\": 1}"] {
            assert!(Keys::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_refused(at in 0_usize..500, to in any::<u8>()) {
            let token = signed(&header(), &claims());
            let mut changed = token.clone().into_bytes();
            let at = at % changed.len();
            prop_assume!(changed[at] != to);
            changed[at] = to;
            let answer = check(&changed, &keys(), ISSUER, AUDIENCE, NOW);
            prop_assert_eq!(answer, Err(Refused));
        }

        #[test]
        fn arbitrary_bytes_never_panic(token in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = check(&token, &keys(), ISSUER, AUDIENCE, NOW);
        }
    }
}
