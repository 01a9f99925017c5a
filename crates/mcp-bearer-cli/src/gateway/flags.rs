//! The options of `gateway`: every setting of the library and of the gateway. What no option gives
//! comes from variables.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use mcp_bearer::ConfigError;
use mcp_bearer::config::{Entrance, ServerDraft, Setting, Shape, Value, Variables};
use mcp_bearer_gateway::{GatewayDraft, GatewaySetting};

use crate::setting_flags::{arg, arg_of, value_of, with_layer};

/// Those that were given.
#[derive(Clone, Debug)]
pub(crate) struct Flags {
    about_tokens: Vec<(Setting, Value)>,
    own: Vec<(GatewaySetting, Value)>,
}

impl Flags {
    /// The name of one that was given.
    pub(crate) fn any(&self) -> Option<String> {
        let about_tokens = self.about_tokens.first();
        let about_tokens = about_tokens.and_then(|(setting, _)| setting.name(Entrance::Flag));
        let own = self.own.first().map(|(setting, _)| setting.flag());
        about_tokens.map(str::to_owned).or(own)
    }

    /// The name of one that was given, also by a variable.
    pub(crate) fn any_or_variable(&self) -> Result<Option<String>, ConfigError> {
        if let Some(name) = self.any() {
            return Ok(Some(name));
        }
        let (variables, own) = Variables::of_environment_beside(&variables())?;
        let about_tokens = variables.values.first();
        let about_tokens = about_tokens.and_then(|(setting, _)| setting.name(variables.family));
        let own = own.into_iter().next().map(|(name, _)| name);
        Ok(own.or_else(|| about_tokens.map(str::to_owned)))
    }

    /// The configuration by options and variables; an option takes precedence over its variable.
    pub(crate) fn draft(self) -> Result<GatewayDraft, ConfigError> {
        let (mut variables, own) = Variables::of_environment_beside(&variables())?;
        let is_given = |setting| self.about_tokens.iter().any(|(other, _)| *other == setting);
        variables.values.retain(|(setting, _)| !is_given(*setting));
        // Errors use the names that the operator used.
        let entrance = match self.any() {
            None if !variables.values.is_empty() => Entrance::Variable,
            _ => Entrance::Flag,
        };
        let mut server = ServerDraft::from_entrance(entrance);
        variables.fill(&mut server);
        for (setting, value) in self.about_tokens {
            server.set(setting, value);
        }
        let mut draft = GatewayDraft::new(server, entrance);
        for (name, value) in own {
            let mut all = of_gateway();
            if let Some(setting) = all.find(|setting| setting.variable() == name) {
                draft.set(setting, value);
            }
        }
        for (setting, value) in self.own {
            draft.set(setting, value);
        }
        Ok(draft)
    }
}

/// The gateway's own variables.
fn variables() -> Vec<(String, Shape)> {
    of_gateway()
        .map(|setting| (setting.variable(), setting.shape()))
        .collect()
}

fn of_gateway() -> impl Iterator<Item = GatewaySetting> {
    let all = GatewaySetting::ALL.iter().copied();
    all.filter(|setting| setting.is_of_gateway())
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let own = of_gateway().map(|setting| {
            let about = setting.about().trim_end_matches('.');
            let about = match setting.default_value() {
                "" => about.to_owned(),
                default => format!("{about} [default: {default}]"),
            };
            arg_of(setting.flag(), &about, setting.shape()).help_heading("Gateway")
        });
        let about_tokens = with_layer().map(|(setting, name)| arg(setting, name));
        command.args(own).args(about_tokens)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let about_tokens = with_layer().filter_map(|(setting, name)| {
            Some((setting, value_of(name, setting.shape(), matches)?))
        });
        let own = of_gateway().filter_map(|setting| {
            Some((
                setting,
                value_of(&setting.flag(), setting.shape(), matches)?,
            ))
        });
        Ok(Self {
            about_tokens: about_tokens.collect(),
            own: own.collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
