//! `2fapi serve --demo`: a page to try the protocol on, and the two routes that only it has.
//!
//! The page is part of this program; the client SDK that it runs is not, so that building this program
//! needs neither npm nor a WebAssembly target: its one-file build is read when the server starts.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use clap::Args;
use serde_json::{Value, json};
use tower_http::set_header::SetResponseHeaderLayer;
use twofapi_crypto_core::Error;

use twofapi_client::Failure;
use twofapi_server::{Clock, Fields, Problem, Service, Store, SystemClock, invite};

const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the one-file build of the client SDK is called.
const SDK: &str = "2fapi.min.js";
/// Where it is in a checkout, once it was built.
const SDK_IN_CHECKOUT: &str = "bindings/client-sdk/dist/2fapi.min.js";
const SDK_MAX: u64 = 4 << 20;
/// How long an invitation of the page is good, in seconds.
const INVITED_FOR: u64 = 600;

/// Nothing from anywhere else, no inline script or style; WebAssembly, and nothing else, is compiled.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'";

#[derive(Args, Debug)]
pub(super) struct DemoPageArgs {
    /// Serve a page to try it on, with an empty store in memory where visitors enrol themselves
    #[arg(long, conflicts_with_all = ["store", "behind_tls_proxy"])]
    demo: bool,
    /// The one-file build of the client SDK for the page [default: 2fapi.min.js beside this program, or
    /// where `make sdk` puts it below the current directory]
    #[arg(long, value_name = "FILE", requires = "demo", env = "TWOFAPI_DEMO_SDK")]
    demo_sdk: Option<PathBuf>,
}

/// What the page needs from disk.
pub(super) struct Page {
    sdk: &'static [u8],
}

impl DemoPageArgs {
    /// Whether what was said of it fits with a proxy, wherever that was said.
    ///
    /// # Errors
    /// Bad input when it would be reachable through one.
    pub(super) fn checked(&self, behind_proxy: bool) -> Result<(), Failure> {
        match self.demo && behind_proxy {
            true => Err(Failure::bad_input(
                "--demo lets whoever opens the page enrol: it has no place behind a proxy",
            )),
            false => Ok(()),
        }
    }

    /// The page, if one was asked for.
    ///
    /// # Errors
    /// Bad input when it would be reachable from elsewhere or the SDK is not there.
    pub(super) fn page(&self, on_loopback: bool) -> Result<Option<Page>, Failure> {
        if !self.demo {
            return Ok(None);
        }
        if !on_loopback {
            return Err(Failure::bad_input(
                "--demo lets whoever opens the page enrol: it listens on a loopback address only",
            ));
        }
        let path = self.demo_sdk.clone().or_else(sdk).ok_or_else(|| {
            Failure::bad_input(format!(
                "the page needs the client SDK, {SDK}, which is neither beside this program nor at \
                 {SDK_IN_CHECKOUT}: build it with `make sdk`, or say where it is with --demo-sdk FILE"
            ))
        })?;
        let sdk = read(&path).map_err(|error| {
            Failure::bad_input(format!("cannot read {}: {error}", path.display()))
        })?;
        // Once per process, and served until it ends.
        Ok(Some(Page { sdk: sdk.leak() }))
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > SDK_MAX {
        return Err(io::Error::other(format!("longer than {SDK_MAX} bytes")));
    }
    fs::read(path)
}

/// The client SDK where it is expected, if it is there.
pub(super) fn sdk() -> Option<PathBuf> {
    let beside = env::current_exe().ok().map(|path| path.with_file_name(SDK));
    let places = beside.into_iter().chain([PathBuf::from(SDK_IN_CHECKOUT)]);
    places.into_iter().find(|path| path.is_file())
}

#[derive(Clone)]
struct Demo {
    service: Arc<Service>,
    store: Arc<dyn Store>,
    clock: Arc<SystemClock>,
}

/// The page and its routes, to be merged with those of the service.
pub(super) fn router(
    page: Page,
    service: Arc<Service>,
    store: Arc<dyn Store>,
    clock: Arc<SystemClock>,
) -> Router {
    let set = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::overriding(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    Router::new()
        .route(
            "/",
            get(|| file("text/html; charset=utf-8", HTML.as_bytes())),
        )
        .route(
            "/demo/page.css",
            get(|| file("text/css; charset=utf-8", CSS.as_bytes())),
        )
        .route(
            "/demo/page.js",
            get(|| file("text/javascript; charset=utf-8", SCRIPT.as_bytes())),
        )
        .route(
            "/demo/2fapi.min.js",
            get(move || file("text/javascript; charset=utf-8", page.sdk)),
        )
        .route("/demo/invite", post(invited))
        .route("/demo/record", post(record))
        .layer(set("content-security-policy", POLICY))
        .layer(set("cross-origin-opener-policy", "same-origin"))
        .layer(set("referrer-policy", "no-referrer"))
        .layer(set("x-content-type-options", "nosniff"))
        .layer(set("cache-control", "no-store"))
        .with_state(Demo {
            service,
            store,
            clock,
        })
}

async fn file(content_type: &'static str, contents: &'static [u8]) -> Response {
    ([(header::CONTENT_TYPE, content_type)], contents).into_response()
}

impl Demo {
    /// Another site's page, opened in a browser on this machine, could send requests here, but not
    /// with this origin.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
        if origin == Some(self.service.audience().as_str().as_bytes()) {
            return Ok(());
        }
        Err(Error::Denied.into())
    }
}

/// Lets a visitor in; for real, this is the operator's to decide.
async fn invited(
    State(demo): State<Demo>,
    headers: HeaderMap,
    fields: Result<Fields, Problem>,
) -> Result<Json<Value>, Problem> {
    demo.check_origin(&headers)?;
    let mut fields = fields?;
    let client_id = fields.client_id()?;
    fields.end("client_id")?;
    let now = demo.clock.wall();
    let token = invite(&*demo.store, &client_id, now, INVITED_FOR).await?;
    Ok(Json(json!({ "token": token.expose() })))
}

/// All that the store has of a client.
async fn record(
    State(demo): State<Demo>,
    headers: HeaderMap,
    fields: Result<Fields, Problem>,
) -> Result<Json<Value>, Problem> {
    demo.check_origin(&headers)?;
    let mut fields = fields?;
    let client_id = fields.client_id()?;
    fields.end("client_id")?;
    let record = demo.store.look_up(&client_id).await.map_err(Error::from)?;
    let Some(record) = record else {
        return Ok(Json(
            json!({ "client_id": client_id.as_str(), "status": "not enrolled" }),
        ));
    };
    let others = record.credentials().iter().skip(1);
    let others: Vec<_> = others
        .map(|other| {
            json!({
                "name": other.name().as_str(),
                "commitment": hex::encode(other.commitment()),
            })
        })
        .collect();
    Ok(Json(json!({
        "client_id": client_id.as_str(),
        "commitment": hex::encode(record.first().commitment()),
        "commitment_version": record.version(),
        "status": record.status().as_str(),
        "others": others,
    })))
}
