//! **For tests only** (feature `testing`): the status page with made-up traffic, for the test in a
//! browser.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mcp_bearer::BearerAuthProvider;
use tokio::net::TcpListener;

use crate::admin::{self, Admin};
use crate::config::AdminSettings;
use crate::decision::{Caller, Decision, Outcome, now};
use crate::metrics::Metrics;
use crate::observers::Observers;

/// Serves the page for this provider until `shutdown` ends, with an hour of traffic that nobody
/// sent. `hostile` is a text that must stay text.
///
/// # Errors
/// When the file of the secret cannot be used.
pub async fn status_page(
    listener: TcpListener,
    secret_file: &Path,
    provider: BearerAuthProvider,
    hostile: &str,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let observers = Metrics::new().map(|metrics| Arc::new(Observers::new(metrics, None)));
    let observers = observers.map_err(io::Error::other)?;
    fill(&observers, hostile);
    let settings = AdminSettings {
        listen: listener.local_addr()?,
        secret_file: secret_file.to_owned(),
    };
    let admin = Admin::new(&settings, observers, Arc::new(move || provider.clone()));
    let admin = admin.map_err(io::Error::other)?;
    admin::serve(listener, Arc::new(admin), shutdown).await;
    Ok(())
}

fn fill(observers: &Observers, hostile: &str) {
    let end = now();
    for ago in (0..60_u64).rev() {
        let at = end - Duration::from_secs(60 * ago);
        let wave = 40 + (ago * 7) % 31 + if ago < 20 { 30 } else { 0 };
        let kinds = [
            ((Outcome::Granted, "accepted"), wave),
            ((Outcome::Granted, "anonymous"), ago % 4),
            ((Outcome::Denied, "expired"), (ago * 5) % 7),
            ((Outcome::Denied, "missing_credential"), (ago * 3) % 5),
            (
                (Outcome::Denied, "insufficient_scope"),
                u64::from(ago.is_multiple_of(9)),
            ),
            (
                (Outcome::Failed, "upstream_unreachable"),
                if (14..19).contains(&ago) { 25 } else { 0 },
            ),
        ];
        for (kind, count) in kinds {
            observers.history.count(at, kind, count);
        }
    }
    let denials = [
        (
            "wrong_audience",
            "aud is \"https://other.example.com/mcp\", not \"https://mcp.example.com/mcp\"",
            401,
            true,
            "bob",
        ),
        (
            "insufficient_scope",
            "the scopes \"mcp:admin\" are needed, and the token has \"mcp:read\"",
            403,
            true,
            "alice",
        ),
        (
            "expired",
            "exp was 312 s ago, which is more than the leeway of 60 s",
            401,
            true,
            "alice",
        ),
        ("bad_signature", hostile, 401, false, hostile),
    ];
    for (number, (reason, detail, status, proven, subject)) in (1_u64..).zip(denials) {
        observers.history.keep(&Decision {
            at: end - Duration::from_secs(200 / number),
            outcome: Outcome::Denied,
            reason,
            detail: detail.to_owned(),
            status,
            caller: Caller {
                proven,
                issuer: Some("https://idp.example.com/".to_owned()),
                subject: Some(subject.to_owned()),
                client_id: Some("desktop-app".to_owned()),
                key_id: Some(if proven { "2026-11" } else { hostile }.to_owned()),
            },
            http_method: "POST".to_owned(),
            method: Some("tools/call".to_owned()),
            name: Some(if proven { "delete_all" } else { hostile }.to_owned()),
            peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 17)),
        });
    }
}
