//! `mcp-bearer demo`: a real MCP server behind the bearer layer, with its own issuer, on loopback.
//!
//! It prints a good token for anyone at this terminal, so it never listens on an address that other
//! machines can reach. Its key signs for no other server.

mod server;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use mcp_bearer::config::{Entrance, Group, IssuerDraft, Keys, Setting, Value};
use mcp_bearer::core::Scopes;
use mcp_bearer::{
    Algorithm, BearerAuthLayer, BearerAuthProvider, Clock, JwksData, SigningKey, TokenCacheSize,
    TokenRequest, UnixTime,
};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use self::server::{ADMIN_SCOPE, ADMIN_TOOL, Issuer};
use crate::setting_flags::Flags;
use crate::signals::stopped;
use crate::signing;
use crate::ui::{Failure, Outcome, Output, json_string, note};

/// The scope that every request needs by default.
const SCOPE: &str = "mcp:read";

/// The lifetime of the printed token.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Start an MCP server behind bearer authentication, with a token to try it
///
/// Serves the tools `whoami` and `add` at /mcp for tokens with the scope mcp:read (or another), the
/// tool `delete_all` for those that have mcp:admin as well, its RFC 9728 metadata, and the metadata
/// and keys of its own issuer. Prints a token that lives an hour and commands to paste. Runs until
/// Ctrl-C or SIGTERM. The options of `verify` describe another issuer, whose tokens are also
/// accepted if they are made for the server's URL and hold the required scopes.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mcp-bearer demo
  # Sign more tokens for it, such as an expired one:
  mcp-bearer keygen --out keys
  mcp-bearer demo --private-key keys/private.pem
  mcp-bearer token --private-key keys/private.pem \\
      --issuer http://127.0.0.1:8000 \\
      --audience http://127.0.0.1:8000/mcp \\
      --scope mcp:read --expires-in -1h
  # Also accept the tokens of a real identity provider
  # (audience http://127.0.0.1:8000/mcp, scope mcp:read):
  mcp-bearer demo --also-issuer https://idp.example.com/
  # Whatever scopes its tokens have:
  mcp-bearer demo --also-issuer https://idp.example.com/ --no-scope

Environment:
  SSL_CERT_FILE   CAs to trust for https instead of the machine's, in PEM
  SSL_CERT_DIR    the same, a directory of such files")]
pub(crate) struct Demo {
    /// The loopback address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: String,

    /// What to print: text with commands to paste, or one line of JSON once connections are
    /// accepted
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Sign with this private key in PEM, such as private.pem of `keygen`, instead of a new one
    #[arg(long, value_name = "FILE")]
    private_key: Option<PathBuf>,

    /// Also accept the tokens of this issuer: another name of --discover
    #[arg(long, value_name = "ISSUER")]
    also_issuer: Option<String>,

    /// Accept tokens whatever their scopes, and print one without scopes. Otherwise they need
    /// mcp:read, or the scopes of --scope
    #[arg(long)]
    no_scope: bool,

    #[command(flatten)]
    flags: Flags,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Demo {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let mut problems = Vec::new();
        let address = loopback(&self.listen)
            .map_err(|problem| problems.push(problem))
            .ok();
        let keys = keys(self.private_key.as_deref())
            .map_err(|problem| problems.push(problem))
            .ok();
        if let Err(error) = Scopes::from_names(self.scopes()) {
            problems.push(format!("--scope: {error}"));
        }
        let mut given = self.flags.given();
        if self.no_scope && given.any(|setting| setting == Setting::RequiredScopes) {
            let why = "--scope and --no-scope contradict each other; choose one";
            problems.push(why.to_owned());
        }
        Failure::unless_empty(problems)?;
        let (Some(address), Some(keys)) = (address, keys) else {
            return Ok(Outcome::Done);
        };
        let runtime = Runtime::new()
            .map_err(|error| Failure::problem(format!("no async runtime: {error}")))?;
        runtime.block_on(self.serve(address, &keys))
    }

    /// The scopes that every request needs and the printed token has, without repetitions.
    fn scopes(&self) -> Vec<String> {
        let draft = self.flags.draft().issuers.pop();
        let mut given = draft.map(|draft| draft.required_scopes).unwrap_or_default();
        let mut seen = HashSet::new();
        given.retain(|scope| seen.insert(scope.clone()));
        if given.is_empty() && !self.no_scope {
            given.push(SCOPE.to_owned());
        }
        given
    }

    async fn serve(&self, address: SocketAddr, keys: &SigningKey) -> Result<Outcome, Failure> {
        let bound = |error| {
            Failure::problem(format!(
                "--listen: {address}: {error}; choose another port, or a free one with --listen 127.0.0.1:0"
            ))
        };
        let listener = TcpListener::bind(address).await.map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        let place = Place::new(address);

        let failed = |error: mcp_bearer::signing::KeyPairError| Failure::problem(error.to_string());
        let jwks = JwksData::new(vec![keys.public_jwk(None).map_err(failed)?]);
        let issuer = Issuer::new(&place.origin, &jwks);
        let provider = self.provider(&place, &jwks, keys.algorithm())?;
        let auth = BearerAuthLayer::new(provider)
            .resource_name("mcp-bearer demo")
            .resource(&place.url)?;
        let metadata_url = auth.metadata().url().to_owned();
        let rules = server::rules().map_err(|error| Failure::problem(error.to_string()))?;
        let app = server::router(&auth.operations(rules), &issuer, address);

        let now = Clock::system().now();
        let kid = jwks
            .keys
            .first()
            .and_then(|key| key.kid.clone())
            .unwrap_or_default();
        let request = TokenRequest::new()
            .issuer(&place.origin)
            .audience(&place.url)
            .subject("demo-user")
            .claim("client_id", "demo-client")
            .expires_in_seconds(i64::try_from(LIFETIME.as_secs()).unwrap_or_default())
            .issued_at(now)
            .kid(kid);
        let scopes = self.scopes();
        let request = if scopes.is_empty() {
            request
        } else {
            request.scopes(&scopes)
        };
        let token = keys.create_token(&request).map_err(failed)?;

        let stopped = stopped().map_err(|error| Failure::problem(format!("signals: {error}")))?;
        // The socket is already listening: clients are served as soon as the loop below runs.
        let shown = Shown {
            place: &place,
            metadata_url: &metadata_url,
            token: &token,
            scopes: &scopes,
            algorithm: keys.algorithm(),
            expires_at: now.saturating_add(LIFETIME),
        };
        self.print(&shown)?;
        tokio::select! {
            served = async { axum::serve(listener, app).await } => {
                served.map_err(|error| Failure::problem(format!("{address}: {error}")))?;
            }
            () = stopped => note("Stopped."),
        }
        Ok(Outcome::Done)
    }

    fn provider(
        &self,
        place: &Place,
        jwks: &JwksData,
        algorithm: Algorithm,
    ) -> Result<BearerAuthProvider, Failure> {
        let mut draft = self.flags.draft();
        if let Some(issuer) = &self.also_issuer {
            draft.set(Setting::Discover, Value::text(issuer));
        }
        // All other options describe another issuer.
        let mut given = self.flags.given();
        let described = given
            .any(|setting| setting.group() != Group::Server && setting != Setting::RequiredScopes);
        if !described && self.also_issuer.is_none() {
            draft.issuers.clear();
        }
        draft.resource.get_or_insert_with(|| place.url.clone());
        draft.cache = Some(TokenCacheSize::default());
        for other in &mut draft.issuers {
            let public = |algorithm: &Algorithm| !algorithm.is_symmetric();
            if other.secret.is_none() {
                let all = || Algorithm::ALL.into_iter().filter(public).collect();
                other.algorithms.get_or_insert_with(all);
            }
            other.required_scopes = self.scopes();
        }
        // The same set that it publishes, used directly, so that it fetches nothing from itself.
        let mut own = IssuerDraft::default();
        own.keys = serde_json::to_string(jwks).ok().map(Keys::JwksJson);
        own.issuers = Some(place.origin.as_str().into());
        own.audiences = Some(place.url.as_str().into());
        own.algorithms = Some(vec![algorithm]);
        own.required_scopes = self.scopes();
        draft.issuers.insert(0, own);
        let also = |setting| {
            let also = setting == Setting::Discover && self.also_issuer.is_some();
            also.then_some("--also-issuer")
        };
        let provider = draft.check();
        provider.map_err(|error| Failure::Problems(error.words_with(Entrance::Flag, also)))
    }

    fn print(&self, shown: &Shown<'_>) -> Result<(), Failure> {
        let mut output = Output::stdout();
        match self.format {
            Format::Json => output.line(shown.json())?,
            Format::Text => output.line(shown.text(self.private_key.as_deref()))?,
        }
        output.flush()
    }
}

/// The names of what is served.
struct Place {
    origin: String,
    url: String,
}

impl Place {
    fn new(address: SocketAddr) -> Self {
        let origin = format!("http://{address}");
        Self {
            url: format!("{origin}/mcp"),
            origin,
        }
    }
}

/// What is printed.
struct Shown<'a> {
    place: &'a Place,
    metadata_url: &'a str,
    token: &'a str,
    scopes: &'a [String],
    algorithm: Algorithm,
    expires_at: UnixTime,
}

impl Shown<'_> {
    fn json(&self) -> String {
        format!(
            r#"{{"url":{},"metadata_url":{},"token":{},"expires_at":{}}}"#,
            json_string(&self.place.url),
            json_string(self.metadata_url),
            json_string(self.token),
            self.expires_at.as_secs(),
        )
    }

    fn text(&self, private_key: Option<&Path>) -> String {
        let Place { origin, url } = self.place;
        let (metadata, token, jwks) = (self.metadata_url, self.token, server::JWKS_PATH);
        let expires = SystemTime::UNIX_EPOCH
            .checked_add(self.expires_at.into())
            .map_or_else(String::new, |at| {
                humantime::format_rfc3339_seconds(at).to_string()
            });
        let options: String = self
            .scopes
            .iter()
            .map(|scope| format!(" --scope {}", shell_word(scope)))
            .collect();
        // What verify accepts by default.
        let algorithm = match self.algorithm {
            Algorithm::Rs256 => String::new(),
            other => format!(" --algorithm {other}"),
        };
        let needs = match self.scopes {
            [] => "no scope".to_owned(),
            scopes => format!("scope {}", scopes.join(" ")),
        };
        let more = match private_key {
            Some(path) => {
                let path = shell_word(&path.display().to_string());
                format!(
                    "mcp-bearer token --private-key {path} --issuer {origin} --audience {url}{options} --expires-in -1h"
                )
            }
            None => {
                let options = match self.scopes {
                    [] => " --no-scope",
                    _ => options.as_str(),
                };
                format!(
                    "mcp-bearer keygen --out keys && mcp-bearer demo --private-key keys/private.pem{options}"
                )
            }
        };
        format!(
            "\
MCP server  {url}
Metadata    {metadata}
Issuer      {origin}
Needs       {needs}

# A token that lives until {expires}:
TOKEN={token}

# A function that calls a tool
call() {{ curl -sS -w '\\n' {url} \"${{@:2}}\" -H \"Authorization: Bearer $TOKEN\" \\
  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\
  -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H \"Mcp-Name: $1\" \\
  -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"'$1'\",\"_meta\":{{
    \"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",
    \"io.modelcontextprotocol/clientCapabilities\":{{}}}}}}}}'; }}

# Who am I?
call whoami

# A tool that needs {ADMIN_SCOPE} as well: 403, and the scopes to ask for
call {ADMIN_TOOL} -i

# Without a token: 401, and where to get one
curl -sSi {url} -X POST

# What the token has to pass, step by step
echo $TOKEN | mcp-bearer verify --jwks-uri {origin}{jwks} \\
  --issuer {origin} --audience {url}{options}{algorithm} --explain

# Other tokens, such as expired ones: with a key of your own
{more}

Ctrl-C stops it."
        )
    }
}

/// A word in shell syntax.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| {
        format!("--listen: {text:?} is not an address with a port; write it like 127.0.0.1:8000 or [::1]:8000")
    })?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!(
        "--listen: {address}: the demo serves only this machine, because anyone may paste its token; use 127.0.0.1:{} or [::1]:{}",
        address.port(),
        address.port()
    ))
}

fn keys(path: Option<&Path>) -> Result<SigningKey, String> {
    match path {
        None => SigningKey::generate(Algorithm::Rs256).map_err(|error| error.to_string()),
        Some(path) => signing::private_key(path, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback() {
        for good in ["127.0.0.1:8000", "127.9.9.9:0", "[::1]:8000"] {
            assert!(loopback(good).is_ok(), "{good}");
        }
        for bad in [
            "0.0.0.0:8000",
            "[::]:0",
            "192.168.1.1:80",
            "127.0.0.1",
            "8000",
            "",
        ] {
            assert!(loopback(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_for_a_shell() {
        assert_eq!(shell_word("keys/private.pem"), "keys/private.pem");
        assert_eq!(shell_word("my key's.pem"), r"'my key'\''s.pem'");
    }
}
