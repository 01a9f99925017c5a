//! The gateway with its checks or without them, for `scripts/bench-gateway`. Both come from this
//! one program, so that nothing else differs.
//!
//! Usage: `open_gateway guarded|open --config FILE`

use std::error::Error;
use std::path::Path;

use mcp_bearer_gateway::{Gateway, GatewayDraft};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

#[cfg(feature = "gateway-mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(all(feature = "gateway-jemalloc", not(feature = "gateway-mimalloc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (is_open, path) = match arguments.as_slice() {
        ["guarded", "--config", path] => (false, Path::new(path)),
        ["open", "--config", path] => (true, Path::new(path)),
        _ => return Err("usage: open_gateway guarded|open --config FILE".into()),
    };
    let config = GatewayDraft::read_toml(path)?.check()?;
    Runtime::new()?.block_on(async {
        let mut gateway = Gateway::bind(config.clone()).await?;
        if is_open {
            gateway = gateway.without_authentication(config)?;
        }
        let mut terminate = signal(SignalKind::terminate())?;
        gateway
            .run(async {
                terminate.recv().await;
            })
            .await;
        Ok(())
    })
}
