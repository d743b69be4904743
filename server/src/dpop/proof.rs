//! Whether a proof is one of its key, for this request, and of now.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::WITHIN;

/// The longest proof in bytes.
const MAX_LEN: usize = 4096;
/// The longest `jti` in bytes.
const JTI_MAX: usize = 256;

/// A proof as it came, and the request that it came with.
#[derive(Clone, Copy)]
pub(crate) struct DpopRequest<'a> {
    /// The value of the `DPoP` field.
    pub(crate) proof: &'a str,
    pub(crate) method: &'a str,
    /// The path of the request, as clients write it.
    pub(crate) path: &'a str,
}

/// A proof that holds.
#[derive(Debug)]
pub(crate) struct DpopProof {
    /// The thumbprint of its key (RFC 7638).
    pub(crate) key: [u8; 32],
    /// The hash of its name.
    pub(crate) jti: [u8; 32],
    /// From when on it is too old, in Unix seconds.
    pub(crate) until: u64,
    /// The challenge that it says it is for.
    pub(crate) nonce: Option<String>,
    /// The hash of the access token that it says it is for.
    ath: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    htm: String,
    htu: String,
    iat: u64,
    jti: String,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    ath: Option<String>,
}

impl DpopProof {
    /// Checks a proof against its request to this origin, as RFC 9449, section 4.3 says. `None` for every cause.
    pub(crate) fn check(request: DpopRequest<'_>, origin: &str, now: u64) -> Option<Self> {
        if request.proof.len() > MAX_LEN {
            return None;
        }
        let header = decode_header(request.proof).ok()?;
        if header.typ.as_deref() != Some("dpop+jwt") || header.crit.is_some() {
            return None;
        }
        let key = thumbprint(request.proof, header.alg)?;
        let public = DecodingKey::from_jwk(header.jwk.as_ref()?).ok()?;
        let mut validation = Validation::new(header.alg);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = decode::<Claims>(request.proof, &public, &validation)
            .ok()?
            .claims;
        // Query and fragment are no part of it.
        let url = claims.htu.split(['?', '#']).next()?;
        let holds = claims.htm == request.method
            && url.strip_prefix(origin) == Some(request.path)
            && now.abs_diff(claims.iat) <= WITHIN
            && (1..=JTI_MAX).contains(&claims.jti.len());
        holds.then(|| Self {
            key,
            jti: Sha256::digest(claims.jti.as_bytes()).into(),
            until: claims.iat.saturating_add(WITHIN + 1),
            nonce: claims.nonce,
            ath: claims.ath,
        })
    }

    /// Whether it is for this access token.
    pub(crate) fn is_for(&self, token: &str) -> bool {
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()));
        self.ath.as_ref() == Some(&hash)
    }
}

/// The thumbprint of the key in the header, if that is a public one for this algorithm and nothing else. It is
/// computed from what is there and not from what the library made of it: one key has one thumbprint.
fn thumbprint(proof: &str, algorithm: Algorithm) -> Option<[u8; 32]> {
    #[derive(Deserialize)]
    struct Header {
        jwk: Map<String, Value>,
    }
    let header = URL_SAFE_NO_PAD.decode(proof.split('.').next()?).ok()?;
    let Header { jwk } = serde_json::from_slice(&header).ok()?;
    let secret = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    if secret.iter().any(|name| jwk.contains_key(*name)) {
        return None;
    }
    let said = |name: &str| jwk.get(name).and_then(Value::as_str);
    let coordinate = |name| {
        let text = said(name)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == 32).then_some(text)
    };
    let members = match (algorithm, said("kty")?, said("crv")?) {
        (Algorithm::ES256, "EC", "P-256") => {
            let (x, y) = (coordinate("x")?, coordinate("y")?);
            format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{x}\",\"y\":\"{y}\"}}")
        }
        (Algorithm::EdDSA, "OKP", "Ed25519") => {
            let x = coordinate("x")?;
            format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{x}\"}}")
        }
        _ => return None,
    };
    Some(Sha256::digest(members.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    const ORIGIN: &str = "https://server.example.com";
    const MADE_AT: u64 = 1_562_262_616;

    fn check(proof: &str, method: &str, origin: &str, path: &str, now: u64) -> Option<DpopProof> {
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let request = DpopRequest {
            proof,
            method,
            path,
        };
        DpopProof::check(request, origin, now)
    }

    #[test]
    fn the_example_of_the_rfc_holds_for_its_request_and_its_time() {
        let proof = check(PROOF, "POST", ORIGIN, "/token", MADE_AT).unwrap();
        let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        assert_eq!(URL_SAFE_NO_PAD.encode(proof.key), thumbprint);
        assert!(check(PROOF, "POST", ORIGIN, "/token", MADE_AT + 60).is_some());
        assert!(check(PROOF, "POST", ORIGIN, "/token", MADE_AT - 60).is_some());
        assert!(!proof.is_for("") && proof.nonce.is_none());
        for (method, origin, path, now) in [
            ("GET", ORIGIN, "/token", MADE_AT),
            ("post", ORIGIN, "/token", MADE_AT),
            ("POST", ORIGIN, "/token/", MADE_AT),
            ("POST", ORIGIN, "", MADE_AT),
            ("POST", "http://server.example.com", "/token", MADE_AT),
            ("POST", "https://server.example", "/token", MADE_AT),
            ("POST", ORIGIN, "/token", MADE_AT + 61),
            ("POST", ORIGIN, "/token", MADE_AT - 61),
        ] {
            let checked = check(PROOF, method, origin, path, now);
            assert!(checked.is_none(), "{method} {origin} {path} {now}");
        }
    }

    #[test]
    fn a_thumbprint_is_that_of_the_rfcs_and_of_public_keys_alone() {
        let of = |algorithm, jwk: Value| {
            let header = serde_json::json!({ "jwk": jwk });
            let header = URL_SAFE_NO_PAD.encode(header.to_string());
            thumbprint(&format!("{header}.."), algorithm)
        };
        // RFC 8037, appendix A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let okp = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "any" });
        let print = of(Algorithm::EdDSA, okp.clone()).unwrap();
        let known = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        assert_eq!(URL_SAFE_NO_PAD.encode(print), known);
        assert!(of(Algorithm::ES256, okp.clone()).is_none());
        for (name, value) in [
            ("d", "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"),
            ("k", "AA"),
            ("crv", "X25519"),
            ("kty", "EC"),
            // The last two bits of the last letter say nothing: another writing of the same key.
            ("x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"),
            ("x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
            ("x", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
        ] {
            let mut other = okp.clone();
            other[name] = value.into();
            assert!(of(Algorithm::EdDSA, other).is_none(), "{name} {value}");
        }
    }
}
