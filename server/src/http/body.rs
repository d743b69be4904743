//! Request bodies: a flat JSON object whose fields are taken one by one, so that each thing that can
//! be wrong has a message of its own and nothing of the body is repeated in it. (Derived structs are as
//! strict, and say what is wrong only in a text that may quote the body.)

use std::fmt;

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use http_body_util::BodyExt;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;
use twofapi_crypto_core::{ClientId, Commitment, CredentialId, CredentialName, Error, Proof};

use super::problem::Problem;

/// The largest body in bytes.
pub(super) const BODY_MAX: usize = 16 * 1024;

/// Another bound for the bodies of a route, put into a request's extensions before they are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongestBody(pub(super) usize);

/// How many bytes are read and thrown away of a body that is too large. A client that is cut off
/// while it sends may never see why.
const DRAIN_MAX: usize = 32 << 20;

/// More fields than any route takes.
const FIELDS_MAX: usize = 16;

/// The fields of a body that were not taken yet.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Parses a body. The error says what would be right.
    ///
    /// # Errors
    /// [`Problem`] 400 for what is no JSON object, has a field twice, or has far too many.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Err(Problem::malformed("the body is empty; send a JSON object"));
        }
        let read: Read = serde_json::from_slice(body).map_err(|error| {
            // Where it is wrong, and not how: serde's words may hold something of the body.
            Problem::malformed(match error.classify() {
                serde_json::error::Category::Data => "the body must be a JSON object".into(),
                _ => format!(
                    "the body is not JSON (line {}, column {})",
                    error.line(),
                    error.column()
                ),
            })
        })?;
        match read {
            Read::Fields(fields) => Ok(Self(fields)),
            Read::Twice => Err(Problem::malformed("a field is there twice")),
            Read::TooMany => Err(Problem::malformed("the body has too many fields")),
        }
    }

    /// Takes `client_id`, also known as `user_id`.
    ///
    /// # Errors
    /// [`Problem`] 400.
    pub fn client_id(&mut self) -> Result<ClientId, Problem> {
        let text = match (self.take("client_id"), self.take("user_id")) {
            (Some(value), None) => text("client_id", value)?,
            (None, Some(value)) => text("user_id", value)?,
            (Some(_), Some(_)) => {
                return Err(Problem::malformed(
                    "client_id and user_id are two names of one field; send one of them",
                ));
            }
            (None, None) => return Err(missing("client_id")),
        };
        Ok(ClientId::parse(&text)?)
    }

    /// Takes a string.
    ///
    /// # Errors
    /// [`Problem`] 400.
    pub fn text(&mut self, name: &'static str) -> Result<String, Problem> {
        text(name, self.take(name).ok_or_else(|| missing(name))?)
    }

    /// Takes a string, where there is one.
    ///
    /// # Errors
    /// [`Problem`] 400.
    pub fn text_if_any(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        self.has(name).then(|| self.text(name)).transpose()
    }

    /// Takes a commitment.
    ///
    /// # Errors
    /// [`Problem`] 400.
    pub fn commitment(&mut self, name: &'static str) -> Result<Commitment, Problem> {
        Ok(Commitment::from_bytes(&self.hex(name)?)?)
    }

    /// Takes a proof.
    ///
    /// # Errors
    /// [`Problem`] 400.
    pub fn proof(&mut self, name: &'static str) -> Result<Proof, Problem> {
        Ok(Proof::from_bytes(&self.hex(name)?)?)
    }

    /// Takes a proof, where there is one.
    ///
    /// # Errors
    /// [`Problem`] 400.
    pub fn proof_if_any(&mut self, name: &'static str) -> Result<Option<Proof>, Problem> {
        self.has(name).then(|| self.proof(name)).transpose()
    }

    /// Takes `credential_id`, where there is one.
    ///
    /// # Errors
    /// [`Problem`] 400.
    pub fn credential_id(&mut self) -> Result<Option<CredentialId>, Problem> {
        let name = "credential_id";
        if !self.has(name) {
            return Ok(None);
        }
        Ok(Some(CredentialId::parse(self.text(name)?.as_bytes())?))
    }

    /// Takes what a credential is to be called.
    ///
    /// # Errors
    /// [`Problem`] 400.
    pub fn credential_name(&mut self) -> Result<CredentialName, Problem> {
        Ok(CredentialName::parse(self.text("name")?.as_bytes())?)
    }

    /// As [`Fields::credential_name`], where there is one.
    ///
    /// # Errors
    /// [`Problem`] 400.
    pub fn credential_name_if_any(&mut self) -> Result<Option<CredentialName>, Problem> {
        self.has("name").then(|| self.credential_name()).transpose()
    }

    /// Takes a field of whatever type, where there is one.
    pub fn any(&mut self, name: &'static str) -> Option<Value> {
        self.take(name)
    }

    /// Sees to it that every field was taken.
    ///
    /// # Errors
    /// [`Problem`] 400.
    pub fn end(self, known: &'static str) -> Result<(), Problem> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Problem::malformed(format!(
            "the body has a field that this resource does not know; it knows {known}"
        )))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn hex(&mut self, name: &'static str) -> Result<Vec<u8>, Problem> {
        let digits = self.text(name)?;
        hex::decode(&digits).map_err(|error| {
            Problem::from(match error {
                hex::FromHexError::OddLength => Error::InvalidLength {
                    what: name,
                    expected: "an even number of hex digits",
                    actual: digits.chars().count(),
                },
                _ => Error::InvalidEncoding {
                    what: name,
                    expected: "hex digits (0-9, a-f) and nothing else",
                },
            })
        })
    }
}

fn missing(name: &str) -> Problem {
    Problem::malformed(format!("the field {name} is missing"))
}

fn text(name: &str, value: Value) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Problem::malformed(format!("{name} must be a string"))),
    }
}

/// A JSON object as it was read, to its end.
enum Read {
    Fields(Vec<(String, Value)>),
    Twice,
    TooMany,
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Flat;
        impl<'de> Visitor<'de> for Flat {
            type Value = Read;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
                let mut fields = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let refused = if fields.len() == FIELDS_MAX {
                        Read::TooMany
                    } else if fields.iter().any(|(known, _)| *known == name) {
                        Read::Twice
                    } else {
                        fields.push((name, map.next_value()?));
                        continue;
                    };
                    map.next_value::<IgnoredAny>()?;
                    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                    return Ok(refused);
                }
                Ok(Read::Fields(fields))
            }
        }
        deserializer.deserialize_map(Flat)
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let longest = parts.extensions.get::<LongestBody>();
        let longest = longest.map_or(BODY_MAX, |LongestBody(bytes)| *bytes);
        let body = read(&parts.headers, body, longest).await?;
        if !is_json(&parts.headers) {
            return Err(Problem::media_type());
        }
        Self::parse(&body)
    }
}

/// The whole body, if it is not longer than that.
pub(super) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    longest: usize,
) -> Result<Vec<u8>, Problem> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok())
        .unwrap_or(0);
    let waits = headers.contains_key(header::EXPECT);
    if announced > DRAIN_MAX || (waits && announced > longest) {
        return Err(Problem::too_large(longest));
    }
    let mut kept = Vec::with_capacity(announced.min(longest));
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| Problem::malformed("the body could not be read to its end"))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen <= longest {
            kept.extend_from_slice(data);
        } else if seen > DRAIN_MAX {
            break;
        }
    }
    if seen > longest {
        return Err(Problem::too_large(longest));
    }
    Ok(kept)
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
}

/// What the body is, without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}
