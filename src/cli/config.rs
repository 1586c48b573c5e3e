//! Options from a TOML file: one table, named as on the command line. They become the defaults of the options, so the
//! command line wins over the environment, that over the file, and clap checks all three alike.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, FromArgMatches};

/// Parses a command line, with the file that it (or `JOBLEDGER_CONFIG`) names.
pub(super) fn parse<C: CommandFactory + FromArgMatches>(
    args: impl IntoIterator<Item = OsString>,
) -> Result<C, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut command = C::command();
    if let Some(path) = config_path(&args) {
        let wrong = |text: String| {
            C::command().error(ErrorKind::ValueValidation, format!("--config {}: {text}", path.display()))
        };
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
        command = with_defaults(command, &table).map_err(wrong)?;
    }
    C::from_arg_matches(&command.try_get_matches_from(args)?)
}

/// Where the file is: looked for before everything else is parsed, because it changes how that is done.
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

fn with_defaults(command: clap::Command, table: &toml::Table) -> Result<clap::Command, String> {
    let mut command = command;
    for (name, value) in table {
        let (texts, repeats) = match value {
            toml::Value::Array(values) => (values.iter().map(text).collect::<Option<Vec<_>>>(), true),
            value => (text(value).map(|text| vec![text]), false),
        };
        let texts = texts.ok_or_else(|| format!("`{name}`: expected a text, a number or true/false"))?;
        let long = name.replace('_', "-");
        let mut known = false;
        command = everywhere(command, &long, &texts, &mut known);
        if repeats && !repeatable(&command, &long) {
            return Err(format!("`{name}`: expected one value, found an array"));
        }
        if !known {
            return Err(format!("`{name}`: no command has an option --{long}"));
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

/// Whether `--long` may be given more than once, wherever it is known.
fn repeatable(command: &clap::Command, long: &str) -> bool {
    let mut own = command.get_arguments().filter(|arg| arg.get_long() == Some(long));
    own.all(|arg| matches!(arg.get_action(), ArgAction::Append))
        && command.get_subcommands().all(|sub| repeatable(sub, long))
}

/// Makes `texts` the default of every option `--long`, in every command that has it.
fn everywhere(command: clap::Command, long: &str, texts: &[String], known: &mut bool) -> clap::Command {
    let command = command.mut_args(|arg| {
        if arg.get_long() != Some(long) {
            return arg;
        }
        *known = true;
        arg.required(false).default_values(texts.to_vec())
    });
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| {
        let mut found = false;
        let command = command.mut_subcommand(name, |sub| everywhere(sub, long, texts, &mut found));
        *known |= found;
        command
    })
}
