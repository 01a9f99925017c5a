//! The status page with made-up issuers and traffic, for the test in a browser
//! (`clients/page.py`).
//!
//! Prints one JSON line with the address, the file of the secret, and tokens to explain. It ends
//! with its standard input.

use std::path::PathBuf;

use mcp_bearer::testing::{TestIssuer, TokenFault};
use mcp_bearer::{Algorithm, BearerAuthProvider, SigningKey};
use mcp_bearer_gateway::testing::status_page;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const AUDIENCE: &str = "https://mcp.example.com/mcp";
const HOSTILE: &str =
    "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or("usage: status_page FOLDER")?;
    let (up, down) = (TestIssuer::start()?, TestIssuer::start()?);
    down.go_down();
    let issuer = |uri: String, name: &str| {
        let builder = BearerAuthProvider::builder().jwks_uri(uri).issuer(name);
        builder
            .audience(AUDIENCE)
            .algorithms([Algorithm::Rs256, Algorithm::Es256])
            .required_scopes(["mcp:read"])
    };
    let provider = BearerAuthProvider::for_issuers([
        issuer(up.jwks_uri(), up.url()),
        issuer(down.jwks_uri(), down.url()),
        BearerAuthProvider::builder()
            .jwks_json(hostile_keys()?)
            .issuer("https://idp.example.com/")
            .audience(AUDIENCE)
            .algorithms([Algorithm::Rs256, Algorithm::Es256]),
    ])?;
    provider.warm_up().await;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let secret_file = folder.join("status-secret");
    let good = up.token(AUDIENCE).scopes(["mcp:read"]).subject("alice");
    let line = json!({
        "url": format!("http://{}", listener.local_addr()?),
        "secret_file": secret_file,
        "hostile": HOSTILE,
        "tokens": {
            "good": good.sign()?,
            "expired": good.clone().fault(TokenFault::Expired).sign()?,
            "hostile": good.clone().subject(HOSTILE).claim("client_id", HOSTILE).sign()?,
        },
    });
    #[expect(clippy::print_stdout, reason = "the one line of its interface")]
    {
        println!("{line}");
    }
    let ended = async {
        let mut rest = Vec::new();
        let _ = tokio::io::stdin().read_to_end(&mut rest).await;
    };
    status_page(listener, &secret_file, provider, HOSTILE, ended).await?;
    Ok(())
}

/// A key with markup as its `kid`, and one that cannot be used.
fn hostile_keys() -> Result<String, Box<dyn std::error::Error>> {
    let key = SigningKey::generate(Algorithm::Es256)?;
    let usable = serde_json::to_value(key.public_jwk(Some(HOSTILE))?)?;
    let keys = [
        usable,
        json!({"kty": "AKP", "kid": "post-quantum", "alg": "ML-DSA-44"}),
    ];
    Ok(json!({ "keys": keys }).to_string())
}
