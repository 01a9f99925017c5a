//! The signals that commands with a server handle.

use std::future::Future;
use std::pin::Pin;

use crate::ui::Failure;

/// It is done when the process is asked to stop.
pub(crate) type Stop = Pin<Box<dyn Future<Output = ()>>>;

/// The signals that a server with a configuration reacts to. They are watched from here on: until
/// then, SIGHUP ends the program.
pub(crate) struct Signals {
    pub(crate) stopped: Stop,
    pub(crate) hang_ups: HangUps,
}

/// To be called before anything else that a server does.
pub(crate) fn signals() -> Result<Signals, Failure> {
    let failed = |error| Failure::problem(format!("signals: {error}"));
    Ok(Signals {
        stopped: Box::pin(stopped().map_err(failed)?),
        hang_ups: hang_ups().map_err(failed)?,
    })
}

/// Resolves at Ctrl-C and SIGTERM, both of which are watched from the call on.
#[cfg(unix)]
pub(crate) fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Resolves at Ctrl-C.
#[cfg(not(unix))]
pub(crate) fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // If Ctrl-C cannot be watched, it ends the program by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// The SIGHUPs, which ask a program to read its configuration again.
pub(crate) struct HangUps(#[cfg(unix)] tokio::signal::unix::Signal);

#[cfg(unix)]
fn hang_ups() -> std::io::Result<HangUps> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(HangUps(signal(SignalKind::hangup())?))
}

#[cfg(not(unix))]
fn hang_ups() -> std::io::Result<HangUps> {
    Ok(HangUps())
}

impl HangUps {
    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if self.0.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}
