//! The routes.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
#[cfg(feature = "standalone")]
use axum::{extract::Request, middleware::Next};
use serde_json::{Value, json};
use twofapi_crypto_core::{ClientId, Error};

use super::{
    body::{BODY_MAX, Fields, LongestBody},
    caller::{Peer, Routes, with_addresses},
    check, discovery,
    guarded::guarded,
    introspection::{introspect, revoke},
    links::{credentials, join_link, link, offer_link, pending_link, unlink},
    oauth::{oauth_challenge, token},
    problem::Problem,
    sessions::{end_sessions, sessions},
    shown::DpopField,
    source::Sources,
    steps::{answered, step, step_up},
};
use crate::{
    service::{
        AuthenticatedClient, ChallengeName, EnrolmentPermission, IssuedChallenge, LoggedIn, Login,
        Service,
    },
    tokens::JWKS_MAX_AGE,
};

/// Put into a request's extensions by a host application that has authenticated its user: this
/// client may be enrolled without an enrolment token.
///
/// It counts for the one client id that it names, and nobody but code of the application can put it
/// there. Insert it behind your own authentication only:
///
/// ```
/// use axum::{Router, extract::Request, middleware::{self, Next}, response::Response};
/// use twofapi_server::EnrolmentAuthorised;
/// # use twofapi_crypto_core::ClientId;
/// # fn user_of_session(_: &Request) -> Option<ClientId> { None }
///
/// async fn permit_enrolment(mut request: Request, next: Next) -> Response {
///     if let Some(user) = user_of_session(&request) {
///         request.extensions_mut().insert(EnrolmentAuthorised(user));
///     }
///     next.run(request).await
/// }
///
/// fn with_sessions(routes_of_2fapi: Router) -> Router {
///     routes_of_2fapi.layer(middleware::from_fn(permit_enrolment))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct EnrolmentAuthorised(pub ClientId);

/// The routes of the service, to be served alone or nested into another application:
///
/// ```
/// use std::sync::Arc;
/// use axum::{Router, extract::FromRef, routing::get};
/// use twofapi_server::{
///     AuthenticatedClient, Config, EmbeddedStore, Service, Sources, SystemClock, router,
/// };
///
/// #[derive(Clone)]
/// struct App { authentication: Arc<Service> }
/// impl FromRef<App> for Arc<Service> {
///     fn from_ref(app: &App) -> Self { app.authentication.clone() }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = Arc::new(EmbeddedStore::in_memory(1_000_000)?);
/// let config = Config::new("https://api.example.com".parse()?);
/// let service = Arc::new(Service::new(config, store, Arc::new(SystemClock::new())).await?);
/// let app: Router = Router::new()
///     .route("/reports", get(async |client: AuthenticatedClient| {
///         format!("reports of {}", client.client_id)
///     }))
///     .with_state(App { authentication: service.clone() })
///     .merge(router(service, Arc::new(Sources::new(None, 0))));
/// # Ok::<(), twofapi_crypto_core::Error>(())
/// # }).unwrap();
/// ```
///
/// For throttling by source, serve the application with
/// `into_make_service_with_connect_info::<SocketAddr>()`.
pub fn router(service: Arc<Service>, sources: Arc<Sources>) -> Router {
    let routes = Router::new()
        .route("/auth/zkp/enroll", only("POST", post(enrol)))
        .route("/auth/zkp/challenge", only("POST", post(challenge)))
        .route("/auth/zkp/verify", only("POST", post(verify)))
        .route("/auth/zkp/rotate", only("POST", post(rotate)))
        .route("/auth/zkp/link", only("POST", post(link)))
        .route(
            "/auth/zkp/link/offer",
            only("GET, HEAD, POST", post(offer_link).get(pending_link)),
        )
        .route("/auth/zkp/link/join", only("POST", post(join_link)))
        .route("/auth/zkp/unlink", only("POST", post(unlink)))
        .route("/auth/zkp/credentials", only("GET, HEAD", get(credentials)))
        .route("/auth/zkp/sessions", only("GET, HEAD", get(sessions)))
        .route("/auth/zkp/sessions/end", only("POST", post(end_sessions)))
        .route("/auth/zkp/whoami", only("GET, HEAD", get(whoami)))
        .route("/oauth/token", only("POST", post(token)))
        .route("/oauth/introspect", only("POST", post(introspect)))
        .route("/oauth/revoke", only("POST", post(revoke)))
        .route("/oauth/challenge", only("GET, HEAD", get(oauth_challenge)))
        .route("/.well-known/jwks.json", only("GET, HEAD", get(jwks)))
        .route("/livez", only("GET, HEAD", get(livez)))
        .route("/healthz", only("GET, HEAD", get(healthz)))
        .merge(of_methods(&service))
        .merge(check::routes())
        .merge(discovery::routes(&service))
        .with_state(Routes {
            service,
            sources: sources.clone(),
        });
    guarded(with_addresses(routes, sources))
}

/// What a service has whose clients can prove more than `sigma`.
fn of_methods(service: &Service) -> Router<Routes> {
    let Some(longest) = service.methods().longest_answer() else {
        return Router::new();
    };
    let longest = LongestBody(longest.max(BODY_MAX));
    Router::new()
        .route(
            "/auth/zkp/step",
            only("POST", post(step)).layer(Extension(longest)),
        )
        .route("/auth/zkp/step-up", only("POST", post(step_up)))
}

/// The routes as an application of their own: a problem where there is no route, for a request that
/// is framed badly, and for one that takes longer than `patience`.
#[cfg(feature = "standalone")]
pub fn application(router: Router, patience: std::time::Duration) -> Router {
    // (The timeout of tower-http answers without a body, and this answer says what to do.)
    let within = move |request: Request, next: Next| async move {
        let checked = super::connection::check(request.headers(), request.version(), request.uri());
        if let Err(problem) = checked {
            return problem.into_response();
        }
        tokio::time::timeout(patience, next.run(request))
            .await
            .unwrap_or_else(|_| Problem::too_slow().into_response())
    };
    guarded(
        router
            .fallback(async || Problem::not_found())
            .layer(axum::middleware::from_fn(within)),
    )
}

pub(super) fn only<S: Clone + Send + Sync + 'static>(
    allow: &'static str,
    methods: MethodRouter<S>,
) -> MethodRouter<S> {
    methods.fallback(async move || Problem::method(allow))
}

async fn enrol(
    State(routes): State<Routes>,
    peer: Peer,
    authorised: Option<Extension<EnrolmentAuthorised>>,
    headers: HeaderMap,
    fields: Result<Fields, Problem>,
) -> Result<Response, Problem> {
    let _admitted = routes.admit(peer, &headers).await?;
    let mut fields = fields?;
    let client_id = fields.client_id()?;
    let commitment = fields.commitment("commitment")?;
    let proof = fields.proof("proof")?;
    fields.end("client_id (or user_id), commitment and proof")?;

    let by_host = authorised.is_some_and(|Extension(EnrolmentAuthorised(id))| id == client_id);
    let permission = match by_host {
        true => EnrolmentPermission::HostApplication,
        false => EnrolmentPermission::Token(routes.token(&headers)?),
    };
    let record = routes
        .service
        .enrol(&client_id, &commitment, &proof, permission)
        .await
        .map_err(|error| Problem::of_enrolment(error, routes.service.audience()))?;
    let body = json!({
        "client_id": client_id.as_str(),
        "status": record.status().as_str(),
        "commitment_version": record.version(),
    });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

async fn challenge(
    State(routes): State<Routes>,
    fields: Result<Fields, Problem>,
) -> Result<Json<Value>, Problem> {
    let mut fields = fields?;
    let client_id = fields.client_id()?;
    fields.end("client_id (or user_id)")?;
    let issued = routes.service.challenge(&client_id).await?;
    Ok(Json(challenge_answer(&routes, &issued)))
}

/// What a client is told of a challenge.
pub(super) fn challenge_answer(routes: &Routes, issued: &IssuedChallenge) -> Value {
    json!({
        "challenge_id": issued.name.to_string(),
        "nonce": hex::encode(issued.nonce.as_bytes()),
        "expires_at": issued.expires_at,
        "channel_binding": hex::encode(routes.service.binding().as_bytes()),
    })
}

async fn verify(
    State(routes): State<Routes>,
    peer: Peer,
    headers: HeaderMap,
    field: DpopField,
    fields: Result<Fields, Problem>,
) -> Result<Response, Problem> {
    let admitted = routes.admit(peer, &headers).await?;
    let source = admitted.address();
    let mut fields = fields?;
    let name = fields.text("challenge_id")?;
    let credential = fields.credential_id()?;
    let proof = fields.proof("proof")?;
    fields.end("challenge_id, credential_id and proof")?;
    let name = ChallengeName::parse(&name).map_err(routes.refuse())?;
    let login = Login {
        challenge: &name,
        credential: credential.as_ref(),
        proof: &proof,
        scope: None,
        key: field.key(&routes.service, &name.to_string())?,
        source,
    };
    let logged_in = routes.service.log_in(&login).await;
    let logged_in = logged_in.map_err(Error::from).map_err(routes.refuse())?;
    let mut answer = answered(&name.client_id, &logged_in);
    if let LoggedIn::Token(_) = logged_in {
        routes.sources.logged_in(&admitted);
    }
    if let LoggedIn::Token(_) = logged_in
        && let Some(next) = routes.service.next_challenge(&name).await
    {
        answer.1["next_challenge"] = challenge_answer(&routes, &next);
    }
    Ok(answer.into_response())
}

async fn rotate(
    State(routes): State<Routes>,
    peer: Peer,
    headers: HeaderMap,
    fields: Result<Fields, Problem>,
) -> Result<Json<Value>, Problem> {
    let admitted = routes.admit(peer, &headers).await?;
    let source = admitted.address();
    let mut fields = fields?;
    let name = fields.text("challenge_id")?;
    let credential = fields.credential_id()?;
    let proof_old = fields.proof("proof_old")?;
    let commitment_new = fields.commitment("commitment_new")?;
    let proof_new = fields.proof("proof_new")?;
    fields.end("challenge_id, credential_id, proof_old, commitment_new and proof_new")?;
    let name = ChallengeName::parse(&name).map_err(routes.refuse())?;
    let record = routes
        .service
        .rotate(
            &name,
            credential.as_ref(),
            &proof_old,
            &commitment_new,
            &proof_new,
            source,
        )
        .await
        .map_err(routes.refuse())?;
    Ok(Json(json!({
        "client_id": name.client_id.as_str(),
        "commitment_version": record.version(),
    })))
}

async fn whoami(client: AuthenticatedClient) -> Json<Value> {
    let mut body = json!({
        "client_id": client.client_id.as_str(),
        "expires_at": client.expires_at,
        "commitment_version": client.commitment_version,
    });
    if !client.scopes.is_empty() {
        let scopes: Vec<&str> = client.scopes.iter().collect();
        body["scope"] = scopes.join(" ").into();
    }
    if let Some(tenant) = &client.tenant {
        body["tenant"] = tenant.as_str().into();
    }
    Json(body)
}

async fn jwks(State(routes): State<Routes>) -> Result<Response, Problem> {
    let set = routes.service.jwks().await?;
    let cache = [(
        header::CACHE_CONTROL,
        format!("public, max-age={JWKS_MAX_AGE}"),
    )];
    Ok((cache, Json(set)).into_response())
}

/// The process lives: it is not to be restarted, whatever its store does.
async fn livez() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// It can do its work: requests are to come here.
async fn healthz(State(routes): State<Routes>) -> Result<Json<Value>, Problem> {
    routes.service.check().await?;
    Ok(Json(json!({ "status": "ok" })))
}
