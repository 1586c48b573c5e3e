//! Options from a TOML file: one table, with the names of the command line. The file sets the defaults of the options. So the
//! command line wins over the environment, the environment wins over the file, and clap checks all three.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{BoolishValueParser, Resettable};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, CommandFactory, FromArgMatches};

use super::exec::JOB_VARIABLES;

/// The beginning of each environment variable of the program.
const PREFIX: &str = "JOBLEDGER_";
/// The least Jaro-Winkler similarity (0 to 1) of two names at which a warning suggests one for the other.
const ALIKE: f64 = 0.9;

/// Parses a command line, and the file that `--config` or `JOBLEDGER_CONFIG` names. An empty environment variable counts as
/// unset.
pub(super) fn parse<C: CommandFactory + FromArgMatches>(
    args: impl IntoIterator<Item = OsString>,
) -> Result<C, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut command = with_every_arg(C::command(), &mut |arg| {
        let empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        let arg = if empty { arg.env(Resettable::Reset) } else { arg };
        if matches!(arg.get_action(), ArgAction::SetTrue) { arg.value_parser(BoolishValueParser::new()) } else { arg }
    });
    let path = config_path(&args);
    if let Some(path) = &path {
        let wrong = |text: String| {
            C::command().error(ErrorKind::ValueValidation, format!("--config {}: {text}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
        command = with_defaults(command, &table).map_err(|error| wrong(error.to_string()))?;
    }
    let matches = command.try_get_matches_from(&args).map_err(|error| told_where(error, &C::command(), &args))?;
    C::from_arg_matches(&matches)
}

/// Warnings about environment variables that have the prefix of the program but set no option.
pub(super) fn unknown_variables<C: CommandFactory>() -> Vec<String> {
    let known = variables(&C::command());
    let set = std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().filter(|_| !value.is_empty()));
    let unknown = set.filter(|name| {
        name.starts_with(PREFIX) && !name.starts_with(JOB_VARIABLES) && !known.values().any(|known| known == name)
    });
    let told = |name: String| {
        let alike = known.values().map(|known| (strsim::jaro_winkler(&name, known), known));
        match alike.max_by(|(a, _), (b, _)| a.total_cmp(b)) {
            Some((alike, known)) if alike >= ALIKE => {
                format!("no option is set by the environment variable `{name}`; did you mean `{known}`?")
            }
            _ => format!("no option is set by the environment variable `{name}`"),
        }
    };
    unknown.map(told).collect()
}

/// The environment variable of each option, in every command.
fn variables(command: &clap::Command) -> BTreeMap<String, String> {
    let own = command.get_arguments().filter_map(|arg| {
        let name = arg.get_env()?.to_str()?;
        Some((arg.get_long()?.to_owned(), name.to_owned()))
    });
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

/// Names the environment variable that a wrong value comes from, if the command line does not have the option.
fn told_where(mut error: clap::Error, command: &clap::Command, args: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else { return error };
    let Some(long) = arg.split([' ', '=']).next().and_then(|arg| arg.strip_prefix("--")).map(str::to_owned) else {
        return error;
    };
    let given = |arg: &OsString| {
        let rest = arg.to_str().and_then(|arg| arg.strip_prefix("--")).and_then(|arg| arg.strip_prefix(&long));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    if let Some(name) = variables(command).get(&long)
        && std::env::var_os(name).is_some_and(|value| !value.is_empty())
        && !args.iter().any(given)
    {
        let tip = format!("the value comes from the environment variable {name}");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Finds the path of the file before clap parses the options, because the file changes their defaults.
fn config_path(args: &[OsString]) -> Option<PathBuf> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--config" {
            return args.next().map(PathBuf::from);
        }
        if let Some(path) = arg.to_str().and_then(|arg| arg.strip_prefix("--config=")) {
            return Some(path.into());
        }
    }
    std::env::var_os("JOBLEDGER_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// An entry of the file that is no option.
#[derive(Debug, thiserror::Error)]
enum BadEntry {
    #[error("`{name}`: expected a text in quotes, found {found}")]
    NotAText { name: String, found: String },
    #[error("`{0}`: expected a text, a number or true/false")]
    NotAValue(String),
    #[error("`{0}`: expected one value, found an array")]
    Many(String),
    #[error("`{name}`: no command has an option --{long}")]
    Unknown { name: String, long: String },
}

fn with_defaults(command: clap::Command, table: &toml::Table) -> Result<clap::Command, BadEntry> {
    let mut command = command;
    for (name, value) in table {
        let long = name.replace('_', "-");
        if let Some(found) = not_a_text(value)
            && has_texts(&command, &long)
        {
            return Err(BadEntry::NotAText { name: name.clone(), found });
        }
        let (texts, repeats) = match value {
            toml::Value::Array(values) => (values.iter().map(text).collect::<Option<Vec<_>>>(), true),
            value => (text(value).map(|text| vec![text]), false),
        };
        let texts = texts.ok_or_else(|| BadEntry::NotAValue(name.clone()))?;
        let mut known = false;
        command = everywhere(command, &long, &texts, &mut known);
        if repeats && !repeatable(&command, &long) {
            return Err(BadEntry::Many(name.clone()));
        }
        if !known {
            return Err(BadEntry::Unknown { name: name.clone(), long });
        }
    }
    Ok(command)
}

/// A value as it would be written on the command line.
fn text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(_) | toml::Value::Boolean(_) | toml::Value::Float(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The type and value of an entry, or of the first one in an array, that is no text.
fn not_a_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(_) => None,
        toml::Value::Array(values) => values.iter().find_map(not_a_text),
        value => Some(format!("{} `{value}`", if value.is_integer() { "the integer" } else { value.type_str() })),
    }
}

/// Whether `--long` takes paths or other texts, which a number must not stand for.
fn has_texts(command: &clap::Command, long: &str) -> bool {
    let texts = [TypeId::of::<PathBuf>(), TypeId::of::<OsString>(), TypeId::of::<String>()];
    let is_text = |arg: &Arg| texts.iter().any(|text| arg.get_value_parser().type_id() == *text);
    command.get_arguments().any(|arg| arg.get_long() == Some(long) && is_text(arg))
        || command.get_subcommands().any(|sub| has_texts(sub, long))
}

/// Whether `--long` may repeat in every command that has it.
fn repeatable(command: &clap::Command, long: &str) -> bool {
    let mut own = command.get_arguments().filter(|arg| arg.get_long() == Some(long));
    own.all(|arg| matches!(arg.get_action(), ArgAction::Append))
        && command.get_subcommands().all(|sub| repeatable(sub, long))
}

/// Makes `texts` the default of every option `--long`, in every command that has it.
fn everywhere(command: clap::Command, long: &str, texts: &[String], known: &mut bool) -> clap::Command {
    with_every_arg(command, &mut |arg| {
        if arg.get_long() != Some(long) {
            return arg;
        }
        *known = true;
        arg.required(false).default_values(texts.to_vec())
    })
}

/// Changes the arguments of a command and of those below it.
fn with_every_arg(command: clap::Command, change: &mut dyn FnMut(Arg) -> Arg) -> clap::Command {
    let command = command.mut_args(&mut *change);
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |sub| with_every_arg(sub, change)))
}
