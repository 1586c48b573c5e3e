//! Reads one stream of the command: copies it to the stream of `exec`, and passes whole lines on.

use std::io::{Read, Write};
use std::sync::mpsc::SyncSender;

use super::marks;
use super::run::Heard;

/// Most bytes of one read, and of a line that is passed on without its end.
const PIECE: usize = 64 * 1024;

/// A stream of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// The name in `job.hook_output`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// Reads `input` to its end. Lines that are reports are passed on as such, if `has_marks`. Returns early if the receiver is gone.
pub(super) fn follow(
    stream: Stream,
    mut input: impl Read,
    mut copy: impl Write,
    has_marks: bool,
    heard: &SyncSender<Heard>,
) {
    let mut bytes = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = match input.read(&mut piece) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            // A pipe that cannot be read has no more output.
            Err(_) => 0,
        };
        // The caller of `exec` may have closed the stream. The job goes on.
        let _ = copy.write_all(&piece[..read]).and_then(|()| copy.flush());
        bytes.extend_from_slice(&piece[..read]);
        let ready = if read == 0 { bytes.len() } else { whole(&bytes) };
        let text = String::from_utf8_lossy(&bytes[..ready]);
        if !pass_on(stream, &text, has_marks, heard) {
            return;
        }
        bytes.drain(..ready);
        if read == 0 {
            let _ = heard.send(Heard::StreamEnded);
            return;
        }
    }
}

/// How many bytes can be passed on: whole lines, or all whole characters of a line that is long already.
fn whole(bytes: &[u8]) -> usize {
    match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(newline) => newline + 1,
        None if bytes.len() < PIECE => 0,
        None => match std::str::from_utf8(&bytes[bytes.len() - 3..]) {
            // The last bytes may be the beginning of a character.
            Err(error) if error.error_len().is_none() => bytes.len() - 3 + error.valid_up_to(),
            _ => bytes.len(),
        },
    }
}

/// Sends the text, cut where a line is a report. Returns whether the receiver is there.
fn pass_on(stream: Stream, text: &str, has_marks: bool, heard: &SyncSender<Heard>) -> bool {
    let send = |text: &str| text.is_empty() || heard.send(Heard::Output(stream, text.to_owned())).is_ok();
    if !has_marks || !text.contains("::") {
        return send(text);
    }
    let mut output = String::new();
    for line in text.split_inclusive('\n') {
        match marks::read(line.trim_end_matches(['\r', '\n'])) {
            None => output.push_str(line),
            Some(mark) => {
                if !send(&output) || heard.send(Heard::Mark(mark)).is_err() {
                    return false;
                }
                output.clear();
            }
        }
    }
    send(&output)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn heard(input: &[u8]) -> Vec<Heard> {
        let (sender, receiver) = sync_channel(100);
        let mut copy = Vec::new();
        follow(Stream::Stdout, input, &mut copy, true, &sender);
        assert_eq!(copy, input);
        drop(sender);
        receiver.iter().collect()
    }

    #[test]
    fn lines_stay_whole_and_reports_are_cut_out() {
        let heard = heard(b"one\ntwo\n::note x\nthree\r\nfour");
        let kinds: Vec<String> = heard
            .iter()
            .map(|heard| match heard {
                Heard::Output(_, text) => text.clone(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(kinds[0], "one\ntwo\n");
        assert!(kinds[1].starts_with("Mark(Ok(Note"), "{kinds:?}");
        assert_eq!(kinds[2..], ["three\r\n", "four", "StreamEnded"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_characters_stay_whole() {
        let [Heard::Output(_, text), Heard::StreamEnded] = &heard(b"a\xffb\0\n")[..] else { panic!("one piece") };
        assert_eq!(text, "a\u{fffd}b\0\n");
        let long = "é".repeat(PIECE);
        let texts = heard(long.as_bytes());
        let joined: String =
            texts.iter().map(|heard| if let Heard::Output(_, text) = heard { text.as_str() } else { "" }).collect();
        assert_eq!(joined, long);
    }
}
