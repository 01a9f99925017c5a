//! The program `mcp-bearer`: try, make, inspect and verify bearer tokens for MCP servers.
//!
//! This file parses the command line, starts logging and turns a command's result into an exit
//! code. Each command has its own file; only `ui.rs` decides what is printed where. It imports
//! `mcp_bearer`, never the core.
#![forbid(unsafe_code)]

#[cfg(feature = "authz")]
mod authz;
mod check;
mod demo;
mod gateway;
mod human_time;
mod inspect;
mod jwks;
mod keygen;
mod pasted;
mod read_file;
mod reloading;
mod serving;
mod setting_flags;
mod signals;
mod signing;
mod token;
mod ui;
mod verify;

use std::io::stderr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::ui::{Colours, Failure, Outcome};

/// The static program would have musl's own allocator, which is slow.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bearer tokens for MCP servers: try them, make them, look into them, verify them.
#[derive(Parser)]
#[command(name = "mcp-bearer", version, propagate_version = true, after_help = ui::EXIT_CODES)]
struct Cli {
    /// What to log on stderr, such as `debug` or `mcp_bearer=trace`. Default: `warn`; for
    /// `demo`, `gateway` and `authz`, `info`
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "MCP_BEARER_LOG",
        hide_env_values = true
    )]
    log: Option<String>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Keygen(keygen::Keygen),
    Token(token::Token),
    Jwks(jwks::Jwks),
    Verify(verify::Verify),
    Check(check::Check),
    Gateway(Box<gateway::GatewayCommand>),
    #[cfg(feature = "authz")]
    Authz(authz::AuthzCommand),
    Inspect(inspect::Inspect),
}

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            let help = format!("mcp-bearer {} --help", cli.command.name());
            ui::exit(run(cli), &help)
        }
        Err(error) => ui::usage(&error),
    }
}

impl Command {
    const fn name(&self) -> &'static str {
        match self {
            Self::Demo(_) => "demo",
            Self::Keygen(_) => "keygen",
            Self::Token(_) => "token",
            Self::Jwks(_) => "jwks",
            Self::Verify(_) => "verify",
            Self::Check(_) => "check",
            Self::Gateway(_) => "gateway",
            #[cfg(feature = "authz")]
            Self::Authz(_) => "authz",
            Self::Inspect(_) => "inspect",
        }
    }
}

fn run(cli: Cli) -> Result<Outcome, Failure> {
    start_log(&cli)?;
    match cli.command {
        Command::Demo(demo) => demo.run(),
        Command::Keygen(keygen) => keygen.run(),
        Command::Token(token) => token.run(),
        Command::Jwks(jwks) => jwks.run(),
        Command::Verify(verify) => verify.run(),
        Command::Check(check) => check.run(),
        Command::Gateway(gateway) => gateway.run(),
        #[cfg(feature = "authz")]
        Command::Authz(authz) => authz.run(),
        Command::Inspect(inspect) => inspect.run(),
    }
}

fn start_log(cli: &Cli) -> Result<(), Failure> {
    let default = match cli.command {
        // The MCP library logs every request at INFO; ours logs what was accepted and what was
        // refused.
        Command::Demo(_) | Command::Gateway(_) => "info,rmcp=warn",
        #[cfg(feature = "authz")]
        Command::Authz(_) => "info",
        // The command reports on the keys itself.
        Command::Check(_) => "warn,mcp_bearer::keys=off",
        _ => "warn",
    };
    let text = cli.log.as_deref().unwrap_or(default);
    if text.trim().is_empty() {
        let why = "--log, MCP_BEARER_LOG: set to nothing; leave it out if it is not intended";
        return Err(Failure::problem(why));
    }
    let filter = EnvFilter::builder().parse(text).map_err(|error| {
        let hint =
            "name a level (error, warn, info, debug, trace) or pairs such as mcp_bearer=debug";
        Failure::problem(format!("--log, MCP_BEARER_LOG: {error}; {hint}"))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(Colours::of_stderr() == Colours::On)
        .log_internal_errors(false)
        .init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
