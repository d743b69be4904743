//! The routes of a client's credentials: linked, unlinked, listed, and joined by a second device.

use axum::{Json, extract::State, http::HeaderMap};
use serde_json::{Value, json};
use twofapi_crypto_core::{EnrolledCredential, ceremony::LinkState};

use super::{
    body::Fields,
    caller::{From, Peer, Routes, address},
    problem::Problem,
    shown::Token,
};
use crate::service::{AuthenticatedClient, ChallengeName};

pub(super) async fn link(
    State(routes): State<Routes>,
    peer: Peer,
    headers: HeaderMap,
    fields: Result<Fields, Problem>,
) -> Result<Json<Value>, Problem> {
    let admitted = routes.admit(peer, &headers).await?;
    let source = admitted.address();
    let mut fields = fields?;
    let name = fields.text("challenge_id")?;
    let by = fields.credential_id()?;
    let proof = fields.proof("proof")?;
    let commitment_new = fields.commitment("commitment_new")?;
    let proof_new = fields.proof_if_any("proof_new")?;
    let called = fields.credential_name_if_any()?;
    let joining = match (&proof_new, &called) {
        (Some(proof), Some(name)) => Some((proof, name)),
        (None, None) => None,
        _ => {
            return Err(Problem::malformed(
                "proof_new and name belong together: send both for a credential of this device, and \
                 neither for one of a second device that has joined",
            ));
        }
    };
    fields.end("challenge_id, credential_id, proof, commitment_new, proof_new and name")?;
    let name = ChallengeName::parse(&name).map_err(routes.refuse())?;
    let (credential_id, record) = routes
        .service
        .link(&name, by.as_ref(), &proof, &commitment_new, joining, source)
        .await
        .map_err(routes.refuse())?;
    Ok(Json(json!({
        "client_id": name.client_id.as_str(),
        "credential_id": credential_id.to_string(),
        "commitment_version": record.version(),
    })))
}

pub(super) async fn unlink(
    State(routes): State<Routes>,
    peer: Peer,
    headers: HeaderMap,
    fields: Result<Fields, Problem>,
) -> Result<Json<Value>, Problem> {
    let admitted = routes.admit(peer, &headers).await?;
    let source = admitted.address();
    let mut fields = fields?;
    let name = fields.text("challenge_id")?;
    let by = fields.credential_id()?;
    let proof = fields.proof("proof")?;
    let commitment_old = fields.commitment("commitment_old")?;
    fields.end("challenge_id, credential_id, proof and commitment_old")?;
    let name = ChallengeName::parse(&name).map_err(routes.refuse())?;
    let record = routes
        .service
        .unlink(&name, by.as_ref(), &proof, &commitment_old, source)
        .await
        .map_err(routes.refuse())?;
    Ok(Json(json!({
        "client_id": name.client_id.as_str(),
        "commitment_version": record.version(),
    })))
}

pub(super) async fn offer_link(
    State(routes): State<Routes>,
    from: From,
    token: Token,
    fields: Result<Fields, Problem>,
) -> Result<Json<Value>, Problem> {
    let mut fields = fields?;
    let name = fields.text("challenge_id")?;
    fields.end("challenge_id")?;
    let service = &routes.service;
    let refuse =
        |error| Problem::of_offer(error, service.audience()).for_keys(service.requires_dpop());
    let client = service.show(token.shown(service)?, address(from)).await;
    let client = client.map_err(refuse)?;
    let name = ChallengeName::parse(&name).map_err(refuse)?;
    let offer = routes.service.offer_link(&client, &name).await;
    Ok(Json(json!({
        "client_id": client.client_id.as_str(),
        "expires_at": offer.map_err(refuse)?.until(),
    })))
}

pub(super) async fn pending_link(
    State(routes): State<Routes>,
    client: AuthenticatedClient,
) -> Result<Json<Value>, Problem> {
    let Some((pending, state)) = routes.service.pending_link(&client).await? else {
        return Ok(Json(json!({ "state": "none" })));
    };
    let offer = ChallengeName {
        id: pending.offer(),
        client_id: client.client_id,
    };
    let mut answer = json!({
        "state": match state {
            LinkState::Open => "open",
            LinkState::Joined { .. } => "joined",
            LinkState::Clashed => "clashed",
        },
        "challenge_id": offer.to_string(),
        "expires_at": pending.until(),
    });
    if let LinkState::Joined {
        commitment,
        proof,
        name,
    } = state
    {
        answer["commitment"] = hex::encode(commitment).into();
        answer["proof"] = hex::encode(proof.to_bytes()).into();
        answer["name"] = name.as_str().into();
    }
    Ok(Json(answer))
}

pub(super) async fn join_link(
    State(routes): State<Routes>,
    peer: Peer,
    headers: HeaderMap,
    fields: Result<Fields, Problem>,
) -> Result<Json<Value>, Problem> {
    let _admitted = routes.admit(peer, &headers).await?;
    let mut fields = fields?;
    let name = fields.text("challenge_id")?;
    let commitment = fields.commitment("commitment")?;
    let proof = fields.proof("proof")?;
    let called = fields.credential_name()?;
    fields.end("challenge_id, commitment, proof and name")?;
    let name = ChallengeName::parse(&name).map_err(routes.refuse())?;
    let until = routes
        .service
        .join_link(&name, &commitment, &proof, &called)
        .await
        .map_err(routes.refuse())?;
    Ok(Json(json!({
        "client_id": name.client_id.as_str(),
        "expires_at": until,
    })))
}

pub(super) async fn credentials(
    State(routes): State<Routes>,
    from: From,
    token: Token,
) -> Result<Json<Value>, Problem> {
    let token = token.shown(&routes.service)?;
    let (client, record) = routes
        .service
        .credentials(token, address(from))
        .await
        .map_err(routes.refuse_token())?;
    let shown: Vec<_> = record.credentials().iter().map(shown).collect();
    Ok(Json(json!({
        "client_id": client.client_id.as_str(),
        "commitment_version": record.version(),
        "credentials": shown,
    })))
}

fn shown(credential: &EnrolledCredential) -> Value {
    let mut shown = json!({
        "credential_id": credential.id().to_string(),
        "commitment": hex::encode(credential.commitment()),
        "name": credential.name().as_str(),
        "created": credential.created(),
        "since": credential.since(),
    });
    if let Some(expires_at) = credential.expires_at() {
        shown["expires_at"] = expires_at.into();
    }
    shown
}
