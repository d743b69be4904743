//! Audiences, the bindings that follow from them, those that a host permits, and origins.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use twofapi_crypto_core::{
    Audience, Authentication, AuthenticationBinding, ClientId, ClientRecord, Commitment,
    Credential, Error, Proof,
    ceremony::{AuthenticationRequest, Decoys, Epoch, Keys, Named, Root, Terms},
    prove,
};
use url::Url;

use super::{Report, agree, bytes, names_are_unique, refusal};
use crate::cases::{BindingCase, BindingFile, FileError, NamedBinding, OriginCase};

pub(super) fn run(file: &BindingFile, report: &mut Report) -> Result<(), FileError> {
    let cases = file.bindings.iter().chain(&file.invalid);
    let named = file.named.iter().map(|case| &case.name);
    names_are_unique(cases.map(|case| &case.name).chain(named))?;
    for case in &file.bindings {
        report.must_be_accepted(&case.name, computed(case));
    }
    for case in &file.invalid {
        match binding_of(case) {
            Ok(Err(error)) if case.code.as_deref() == Some(error.code().as_str()) => {
                report.rejected += 1;
            }
            Ok(Err(error)) => report.disagree(&case.name, format!("its code is {}", error.code())),
            Ok(Ok(_)) => report.disagree(&case.name, "must be refused, but was accepted".into()),
            Err(what) => report.disagree(&case.name, what),
        }
    }
    for case in &file.named {
        match permitted(case) {
            Ok(permitted) if permitted != case.permitted => {
                report.disagree(&case.name, format!("permitted is {permitted}"));
            }
            Ok(true) => report.accepted += 1,
            Ok(false) => report.rejected += 1,
            Err(what) => report.disagree(&case.name, what),
        }
    }
    for case in &file.origins {
        report.must_be_accepted(&case.address, has_its_origin(case));
    }
    for case in &file.no_origins {
        report.must_be_refused(&case.address, origin(&case.address).map(drop));
    }
    Ok(())
}

/// Of a public key, as RFC 7638 says: its members in the order of their names, hashed.
fn thumbprint(jwk: &serde_json::Value) -> Result<[u8; 32], String> {
    let names: &[&str] = match jwk["kty"].as_str() {
        Some("EC") => &["crv", "kty", "x", "y"],
        Some("OKP") => &["crv", "kty", "x"],
        _ => return Err("its key is of no kind that is known".into()),
    };
    let members: Vec<_> = names
        .iter()
        .map(|name| format!("\"{name}\":{}", jwk[*name]))
        .collect();
    let text = format!("{{{}}}", members.join(","));
    Ok(Sha256::digest(text.as_bytes()).into())
}

/// What a client or a host computes.
fn binding_of(case: &BindingCase) -> Result<Result<AuthenticationBinding, Error>, String> {
    let exporter = case.exporter.as_deref().map(|it| bytes("exporter", it));
    let exporter = exporter.transpose()?;
    let key = case.jwk.as_ref().map(thumbprint).transpose()?;
    let compute = || {
        let binding = match &case.audience {
            Some(audience) => AuthenticationBinding::for_audience(&Audience::parse(audience)?),
            None => AuthenticationBinding::none(),
        };
        let binding = match exporter {
            Some(exporter) => binding.with_exporter(&exporter)?,
            None => binding,
        };
        match key {
            Some(key) => binding.with_dpop(&key),
            None => Ok(binding),
        }
    };
    Ok(compute())
}

fn computed(case: &BindingCase) -> Result<(), String> {
    let theirs = case.binding.as_deref().ok_or("it gives no binding")?;
    let ours = binding_of(case)?.map_err(refusal)?;
    if let Some(jwk) = &case.jwk {
        agree("thumbprint", case.thumbprint.as_deref(), &thumbprint(jwk)?)?;
    }
    agree("binding", Some(theirs), ours.as_bytes())
}

/// Whether a host with this audience accepts a good proof that names this binding.
fn permitted(case: &NamedBinding) -> Result<bool, String> {
    let named = bytes("binding", &case.binding)?;
    let ours = match &case.audience {
        Some(audience) => {
            AuthenticationBinding::for_audience(&Audience::parse(audience).map_err(refusal)?)
        }
        None => AuthenticationBinding::none(),
    };
    // A proof can be made for what is no authentication binding no more than a host can take it.
    let Ok(binding) = AuthenticationBinding::from_bytes(&named) else {
        return Ok(false);
    };
    attempt(ours, &binding, &named).map_err(|error| error.to_string())
}

fn attempt(
    ours: AuthenticationBinding,
    binding: &AuthenticationBinding,
    named: &[u8],
) -> Result<bool, Error> {
    const NOW: u64 = 1_795_000_000;
    let rng = &mut getrandom::SysRng;
    let terms = Terms::new(ours, Decoys::new([0; 16]));
    let keys = Arc::new(Keys::derive(
        &[Root::generate(0, rng)?],
        Epoch::generate(rng)?,
    )?);
    let client_id: ClientId = "alice".parse()?;
    let credential = Credential::generate(rng)?;
    let challenge = terms.challenge(&keys, &client_id, NOW, rng)?;
    let statement = Authentication {
        client_id: &client_id,
        nonce: &challenge.nonce,
        binding,
    };
    let proof: [u8; Proof::LEN] = prove(&credential, &statement, rng)?.to_bytes();
    let request = AuthenticationRequest {
        of: Named::Apart {
            client_id: client_id.as_bytes(),
            challenge_id: &challenge.id.to_text(),
        },
        credential: None,
        proof: &proof,
        binding: Some(named),
    };
    let record = ClientRecord::enrolled(*credential.commitment());
    let check = terms
        .authenticate(&keys, NOW, &request)?
        .found(Some(record), |decoy| Commitment::from_bytes(decoy))?;
    Ok(check.verify().settle().is_ok())
}

/// Scheme, host and port as RFC 6454, section 6.2 serializes them.
fn origin(address: &str) -> Result<String, String> {
    let url = Url::parse(address).map_err(refusal)?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    match url.scheme() {
        "http" | "https" if plain => Ok(url.origin().ascii_serialization()),
        _ => Err("it is no address of an HTTP host".into()),
    }
}

fn has_its_origin(case: &OriginCase) -> Result<(), String> {
    let ours = origin(&case.address)?;
    Audience::parse(&ours).map_err(refusal)?;
    match case.audience.as_deref() {
        Some(theirs) if theirs == ours => Ok(()),
        _ => Err(format!("its audience is {ours}")),
    }
}
