//! Lines of a command that are reports: `::progress`, `::item` and `::note`.

use serde_json::{Map, Number, Value, json};

/// A report that a command makes by a line of its output.
#[derive(Debug, PartialEq)]
pub(super) enum Mark {
    /// The data of a `job.progress`.
    Progress(Map<String, Value>),
    /// The data of a `job.item_result`.
    Item(Value),
    /// The data of a `job.noted`.
    Note(Value),
}

/// Why a line is no report, although it begins as one.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum BadMark {
    #[error("expected `name=value`, found `{0}`")]
    NotAPair(String),
    #[error("expected one of {expected}, found `{found}`")]
    Name { expected: &'static str, found: String },
    #[error("`{0}`: expected a number, found `{1}`")]
    NotANumber(String, String),
    #[error("expected a closing quote")]
    OpenQuote,
    #[error("expected at least one `name=value`")]
    Nothing,
    #[error("expected `::item NAME STATUS`")]
    NoItem,
    #[error("expected a text after `::note`")]
    NoText,
}

/// The members of `::progress`: the name in a line, the name in the event, and whether it is a number.
const PROGRESS: [(&str, &str, bool); 8] = [
    ("progress", "progress", true),
    ("records_processed", "records_processed", true),
    ("total_records", "total_records", true),
    ("records_created", "records_created", true),
    ("records_updated", "records_updated", true),
    ("records_deleted", "records_deleted", true),
    ("step", "current_step", false),
    ("message", "message", false),
];

/// Reads a line without its newline. `None` if the line is output: it begins with none of the three words.
pub(super) fn read(line: &str) -> Option<Result<Mark, BadMark>> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "::progress" => Some(progress(rest)),
        "::item" => Some(item(rest)),
        "::note" => Some(note(rest)),
        _ => None,
    }
}

fn progress(text: &str) -> Result<Mark, BadMark> {
    let mut data = Map::new();
    for word in words(text)? {
        let (name, value) = word.split_once('=').ok_or_else(|| BadMark::NotAPair(word.clone()))?;
        let known = PROGRESS.iter().find(|(known, ..)| *known == name);
        let expected = "progress, records_processed, total_records, records_created, records_updated, records_deleted, step, message";
        let (_, member, is_number) = known.ok_or_else(|| BadMark::Name { expected, found: name.to_owned() })?;
        let value = if *is_number { number(name, value)? } else { Value::from(value) };
        data.insert((*member).to_owned(), value);
    }
    if data.is_empty() { Err(BadMark::Nothing) } else { Ok(Mark::Progress(data)) }
}

fn number(name: &str, text: &str) -> Result<Value, BadMark> {
    let number: Result<Number, _> = serde_json::from_str(text);
    number.map(Value::from).map_err(|_| BadMark::NotANumber(name.to_owned(), text.to_owned()))
}

fn item(text: &str) -> Result<Mark, BadMark> {
    let mut words = words(text)?.into_iter();
    let (Some(item), Some(status)) = (words.next(), words.next()) else { return Err(BadMark::NoItem) };
    let mut data = json!({ "item": item, "status": status });
    for word in words {
        match word.split_once('=') {
            Some(("message", message)) => data["message"] = message.into(),
            Some((name, _)) => return Err(BadMark::Name { expected: "message", found: name.to_owned() }),
            None => return Err(BadMark::NotAPair(word)),
        }
    }
    Ok(Mark::Item(data))
}

fn note(text: &str) -> Result<Mark, BadMark> {
    match text.trim() {
        "" => Err(BadMark::NoText),
        text => Ok(Mark::Note(json!({ "text": text }))),
    }
}

/// Splits at spaces. Double quotes keep spaces together; inside them a backslash takes the next character as it is.
fn words(text: &str) -> Result<Vec<String>, BadMark> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(words);
        }
        let mut word = String::new();
        while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
            match c {
                '"' => quoted(&mut chars, &mut word)?,
                c => word.push(c),
            }
        }
        words.push(word);
    }
}

/// Reads up to the closing quote.
fn quoted(chars: &mut impl Iterator<Item = char>, word: &mut String) -> Result<(), BadMark> {
    loop {
        match chars.next().ok_or(BadMark::OpenQuote)? {
            '"' => return Ok(()),
            '\\' => word.push(chars.next().ok_or(BadMark::OpenQuote)?),
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(line: &str) -> Value {
        match read(line).unwrap().unwrap() {
            Mark::Progress(data) => data.into(),
            Mark::Item(data) | Mark::Note(data) => data,
        }
    }

    #[test]
    fn the_three_words_are_reports() {
        assert_eq!(
            data(r#"::progress records_processed=650  total_records=1000 step="Processing \"all\" accounts""#),
            json!({"records_processed": 650, "total_records": 1000, "current_step": "Processing \"all\" accounts"})
        );
        assert_eq!(data("::progress progress=12.5 message=half"), json!({"progress": 12.5, "message": "half"}));
        assert_eq!(
            data(r#"::item hoop_ro completed message="created, granted""#),
            json!({"item": "hoop_ro", "status": "completed", "message": "created, granted"})
        );
        assert_eq!(data(r#"::item "two words" failed"#), json!({"item": "two words", "status": "failed"}));
        assert_eq!(data("::note asked the vendor"), json!({"text": "asked the vendor"}));
    }

    #[test]
    fn every_other_line_is_output() {
        for line in ["", "progress", ":: progress", "::progressing", "::set-output a=b", " ::note x", "::"] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn a_wrong_report_says_what_was_expected() {
        for (line, expected) in [
            ("::progress", "expected at least one `name=value`"),
            ("::progress 50", "expected `name=value`, found `50`"),
            ("::progress progress=half", "`progress`: expected a number, found `half`"),
            ("::progress step=\"open", "expected a closing quote"),
            ("::item one", "expected `::item NAME STATUS`"),
            ("::item one completed colour=red", "expected one of message, found `colour`"),
            ("::note  ", "expected a text after `::note`"),
        ] {
            assert_eq!(read(line).unwrap().unwrap_err().to_string(), expected, "{line}");
        }
    }
}
