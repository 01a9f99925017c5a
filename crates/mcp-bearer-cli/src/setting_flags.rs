//! The options that describe an issuer and its server: one per setting of the library that has a
//! name on the command line. The library reports what is missing, so that all problems are reported
//! at once.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use mcp_bearer::config::{Entrance, Group, ServerDraft, Setting, Shape, Value};

/// Those that were given.
#[derive(Clone, Debug)]
pub(crate) struct Flags(Vec<(Setting, Value)>);

impl Flags {
    /// One issuer, as far as it was described.
    pub(crate) fn draft(&self) -> ServerDraft {
        let mut draft = ServerDraft::from_entrance(Entrance::Flag);
        for (setting, value) in &self.0 {
            draft.set(*setting, value.clone());
        }
        draft
    }

    /// The settings that were given.
    pub(crate) fn given(&self) -> impl Iterator<Item = Setting> {
        self.0.iter().map(|(setting, _)| *setting)
    }

    /// The names of all sources of keys.
    pub(crate) fn of_keys() -> impl Iterator<Item = &'static str> {
        let all = all().filter(|(setting, _)| setting.group() == Group::Keys);
        all.map(|(_, name)| name)
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(all().map(|(setting, name)| arg(setting, name)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |(setting, name)| Some((setting, value(setting, name, matches)?));
        Ok(Self(all().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Those of commands that verify tokens, without a layer in front of a server.
fn all() -> impl Iterator<Item = (Setting, &'static str)> {
    with_layer().filter(|(setting, _)| setting.group() != Group::Layer)
}

/// Every setting that has an option.
pub(crate) fn with_layer() -> impl Iterator<Item = (Setting, &'static str)> {
    let named = |setting: &Setting| Some((*setting, setting.name(Entrance::Flag)?));
    Setting::ALL.iter().filter_map(named)
}

pub(crate) fn arg(setting: Setting, name: &'static str) -> Arg {
    let heading = match setting.group() {
        Group::Keys => "Keys (one of public keys, a secret, or both)",
        Group::Decisions => "Issuer and audience",
        Group::Fetching => "Fetching keys",
        Group::Server => "Server",
        _ => "Rules",
    };
    arg_of(name, setting.about(), setting.shape()).help_heading(heading)
}

/// An option by the shape of its values.
pub(crate) fn arg_of(name: impl Into<String>, about: &str, shape: Shape) -> Arg {
    let (name, about) = (name.into(), about.trim_end_matches('.').to_owned());
    let arg = Arg::new(name.clone()).long(name.trim_start_matches('-').to_owned());
    match shape {
        Shape::Switch => arg.help(about).action(ArgAction::SetTrue),
        Shape::Path => arg
            .help(about)
            .value_name("FILE")
            .value_parser(value_parser!(OsString)),
        Shape::Texts(what) | Shape::Pairs(what) => arg
            .help(format!("{about}. Can be given several times"))
            .value_name(what)
            .action(ArgAction::Append),
        Shape::Text(what) | Shape::Number(what) => arg.help(about).value_name(what),
        _ => arg.help(about).value_name("DURATION"),
    }
}

fn value(setting: Setting, name: &str, matches: &ArgMatches) -> Option<Value> {
    value_of(name, setting.shape(), matches)
}

/// The value of an option that was given.
pub(crate) fn value_of(name: &str, shape: Shape, matches: &ArgMatches) -> Option<Value> {
    match shape {
        Shape::Switch => matches.get_flag(name).then_some(Value::Switch(true)),
        Shape::Path => {
            let path = matches.get_one::<OsString>(name)?;
            Some(Value::Path(path.into()))
        }
        Shape::Texts(_) | Shape::Pairs(_) => {
            let texts = matches.get_many(name)?.cloned().collect();
            Some(Value::Texts(texts))
        }
        _ => matches.get_one::<String>(name).map(Value::text),
    }
}

#[cfg(test)]
mod tests;
