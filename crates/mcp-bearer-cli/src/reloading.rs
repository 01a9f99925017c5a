//! Reads the configuration of a running server again.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mcp_bearer_gateway::GatewayError;

use crate::signals::HangUps;
use crate::ui::{Failure, note};

/// How often the file is checked for changes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A server whose configuration can be replaced.
pub(crate) trait Reloads {
    /// Serves with the configuration in this file, or continues with the old one.
    async fn reload_file(&self, path: &Path) -> Result<(), Failure>;

    /// Returns whether there is a new certificate.
    fn reload_certificate(&self) -> Result<bool, GatewayError>;

    fn reopen_audit_log(&self);
}

/// Reads the file again at each SIGHUP, and when it has changed.
pub(crate) async fn reload_when_changed(
    reloader: impl Reloads,
    file: Option<PathBuf>,
    mut hang_ups: HangUps,
) {
    let mut seen = file.as_deref().and_then(Version::of);
    let mut wrong = None;
    loop {
        let asked = tokio::select! {
            () = hang_ups.next() => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        if asked {
            reloader.reopen_audit_log();
        }
        reload_certificate(&reloader, &mut wrong);
        let Some(path) = &file else {
            if asked {
                note("warning: there is no --config to read again");
            }
            continue;
        };
        let now = Version::of(path);
        // A file that is being replaced may be absent for a moment.
        if asked || (now.is_some() && now != seen) {
            seen = now;
            reload(&reloader, path).await;
        }
    }
}

/// A new certificate, or the old one; what is wrong is reported once.
fn reload_certificate(reloader: &impl Reloads, wrong: &mut Option<String>) {
    match reloader.reload_certificate() {
        Ok(changed) => {
            if changed {
                note("note: clients see the new certificate now");
            }
            *wrong = None;
        }
        Err(error) => {
            let error = error.to_string();
            if wrong.as_ref() != Some(&error) {
                note(format_args!(
                    "warning: {error}; the old certificate is kept"
                ));
            }
            *wrong = Some(error);
        }
    }
}

/// The new configuration whole, or the old one.
async fn reload(reloader: &impl Reloads, path: &Path) {
    match reloader.reload_file(path).await {
        Ok(()) => note(format_args!("note: {} is served now", path.display())),
        Err(Failure::Problems(problems)) => {
            for problem in problems {
                note(format_args!("error: {problem}"));
            }
            note("warning: the old configuration is kept");
        }
        Err(Failure::Stdout(_)) => {}
    }
}

/// What shows that a file has changed.
#[derive(PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    length: u64,
}

impl Version {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
        })
    }
}
