//! [`GatewayError`].

use mcp_bearer::ConfigError;

use crate::stack;

/// Why a gateway, or external authorization, does not start or keeps its old configuration.
#[derive(Debug)]
#[non_exhaustive]
pub enum GatewayError {
    /// The configuration, with every problem.
    Config(ConfigError),
    /// Anything else, as a sentence.
    Other(String),
}

impl From<ConfigError> for GatewayError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<stack::Error> for GatewayError {
    fn from(error: stack::Error) -> Self {
        match error {
            stack::Error::Config(error) => Self::Config(error),
            stack::Error::Other(text) => Self::Other(text),
        }
    }
}

impl std::fmt::Display for GatewayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for GatewayError {}
