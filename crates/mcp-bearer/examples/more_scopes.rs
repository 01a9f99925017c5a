//! A handler that requires more scopes than the layer in front of it:
//!
//! ```sh
//! cargo run -p mcp-bearer --features axum --example more_scopes
//! ```
//!
//! The layer requires `notes:read` of every request. Deleting also needs `notes:admin`, which one
//! handler states by a type and another one checks by hand. It prints two tokens and `curl`
//! commands.
#![allow(clippy::print_stdout, reason = "it prints what to paste")]

use std::error::Error;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Extension, Router};
use mcp_bearer::core::Scopes;
use mcp_bearer::http::{Bearer, Guard, RequiredScopes, Scoped};
use mcp_bearer::{BearerAuthLayer, BearerAuthProvider, RsaKeyPair, TokenRequest};
use tokio::net::TcpListener;

const ISSUER: &str = "https://idp.example.com/";

enum Admin {}

impl RequiredScopes for Admin {
    const SCOPES: &'static [&'static str] = &["notes:admin"];
}

/// The layer has checked all that is needed.
async fn read(Bearer(access): Bearer) -> String {
    format!("{} may read\n", access.subject().unwrap_or("?"))
}

/// By a type: the handler does not run without the scope.
async fn delete_all(access: Scoped<Admin>) -> String {
    format!(
        "{} has deleted everything\n",
        access.subject().unwrap_or("?")
    )
}

/// By hand: what is needed depends on the request.
async fn delete_one(
    Bearer(access): Bearer,
    Extension(guard): Extension<Guard>,
    State(admin): State<Scopes>,
    axum::extract::Path(note): axum::extract::Path<u32>,
) -> Response {
    if note < 100
        && let Err(rejection) = guard.require_scopes(&access, &admin)
    {
        // 403, with a challenge that names all the scopes; logged once.
        return guard.challenge(&rejection).into_response();
    }
    format!("{} has deleted {note}\n", access.subject().unwrap_or("?")).into_response()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let resource = format!("http://{}/notes", listener.local_addr()?);

    let keys = RsaKeyPair::generate()?;
    let provider = BearerAuthProvider::builder()
        .public_key(keys.public_key_pem())
        .issuer(ISSUER)
        .audience(&resource)
        .required_scopes(["notes:read"])
        .build()?;
    let auth = BearerAuthLayer::new(provider)
        .scopes_supported(["notes:read", "notes:admin"])
        .resource(&resource)?;
    let app = Router::new()
        .route("/notes", get(read).merge(delete(delete_all)))
        .route("/notes/{note}", delete(delete_one))
        // Not `layer`, which would answer unknown paths with 401.
        .route_layer(auth.clone())
        .merge(auth.metadata_route())
        .with_state("notes:admin".parse::<Scopes>()?);

    for (name, scopes) in [
        ("READER", vec!["notes:read"]),
        ("ADMIN", vec!["notes:read", "notes:admin"]),
    ] {
        let request = TokenRequest::new()
            .subject(name.to_lowercase())
            .issuer(ISSUER);
        let token = keys.create_token(&request.audience(&resource).scopes(scopes))?;
        println!("{name}={token}\n");
    }
    println!(r#"curl -si {resource} -H "Authorization: Bearer $READER""#);
    println!(r#"curl -si -X DELETE {resource} -H "Authorization: Bearer $READER"   # 403"#);
    println!(r#"curl -si -X DELETE {resource}/1 -H "Authorization: Bearer $READER" # 403"#);
    println!(r#"curl -si -X DELETE {resource} -H "Authorization: Bearer $ADMIN""#);
    axum::serve(listener, app).await?;
    Ok(())
}
