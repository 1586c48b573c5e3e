//! Output as a terminal draws it: colours by classes, a carriage return that begins the line again. Titles, links and every other
//! sequence draw nothing.

use std::collections::VecDeque;

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};

/// Most lines that are kept: the newest.
const LINES: usize = 1000;
/// Most characters of a line. The rest of a longer line is not drawn.
const WIDTH: usize = 10_000;

/// A line of output.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The line's number in the whole output, from 1.
    pub number: usize,
    pub spans: Vec<Span>,
}

/// Characters of one style.
#[derive(Debug, PartialEq, Eq)]
pub struct Span {
    /// Names of classes, such as `fg-1 bold`; empty for plain text.
    pub class: String,
    pub text: String,
}

/// The drawn lines of a screen.
#[derive(Debug)]
pub struct Drawn {
    /// The newest lines.
    pub lines: Vec<Line>,
    /// The number of older lines, which are not kept.
    pub left_out: usize,
    /// Whether the last line has no end yet, so that more output continues it.
    pub open: bool,
    /// The classes of the next character.
    pub style: String,
}

/// Draws output line by line.
#[derive(Default)]
pub struct Terminal {
    parser: Parser<DefaultCharAccumulator>,
    screen: Screen,
}

#[derive(Default)]
struct Screen {
    lines: VecDeque<Line>,
    /// Lines that were finished, also those that are not kept.
    finished: usize,
    /// No line with this number or a higher one is kept.
    before: Option<usize>,
    spans: Vec<Span>,
    width: usize,
    /// A carriage return was the last character: the next one begins the line again.
    returned: bool,
    style: Style,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Style {
    foreground: Option<u16>,
    background: Option<u16>,
    bold: bool,
    faint: bool,
    italic: bool,
    underline: bool,
}

impl Terminal {
    /// Draws the next part of the output.
    pub fn write(&mut self, output: &str) {
        for byte in output.bytes() {
            self.parser.advance(&mut self.screen, byte);
        }
    }

    /// A terminal that keeps the lines before this number alone.
    pub fn before(line: Option<usize>) -> Terminal {
        Terminal { screen: Screen { before: line, ..Screen::default() }, ..Terminal::default() }
    }

    /// Returns the lines of the screen, after the last part.
    pub fn finish(mut self) -> Drawn {
        let open = !self.screen.spans.is_empty();
        if open {
            self.screen.end_line();
        }
        let left_out = self.screen.lines.front().map_or(0, |line| line.number - 1);
        Drawn { left_out, open, style: self.screen.style.class(), lines: self.screen.lines.into() }
    }
}

impl Screen {
    fn end_line(&mut self) {
        self.finished += 1;
        let spans = std::mem::take(&mut self.spans);
        if self.before.is_none_or(|before| self.finished < before) {
            self.lines.push_back(Line { number: self.finished, spans });
        }
        if self.lines.len() > LINES {
            self.lines.pop_front();
        }
        (self.width, self.returned) = (0, false);
    }
}

impl Perform for Screen {
    fn print(&mut self, drawn: char) {
        if std::mem::take(&mut self.returned) {
            self.spans.clear();
            self.width = 0;
        }
        self.width += 1;
        if self.width > WIDTH {
            return;
        }
        let class = self.style.class();
        match self.spans.last_mut().filter(|span| span.class == class) {
            Some(span) => push(&mut span.text, drawn),
            None => {
                let mut text = String::new();
                push(&mut text, drawn);
                self.spans.push(Span { class, text });
            }
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\n' => self.end_line(),
            b'\r' => self.returned = true,
            b'\t' => self.print('\t'),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, _intermediates: &[u8], _ignore: bool, action: u8) {
        if action == b'm' {
            self.style.select(params);
        }
    }
}

/// Adds a character. A character that changes the direction of text is shown as its number, because it hides what stands there.
fn push(text: &mut String, drawn: char) {
    match drawn {
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            text.extend(drawn.escape_unicode());
        }
        '\u{7f}'..='\u{9f}' => text.extend(drawn.escape_unicode()),
        _ => text.push(drawn),
    }
}

impl Style {
    /// Select Graphic Rendition (ECMA-48, section 8.3.117). Colours beyond the sixteen named ones draw as plain text.
    fn select(&mut self, params: &Params) {
        let mut params = params.iter();
        while let Some(param) = params.next() {
            match param.first().copied().unwrap_or(0) {
                0 => *self = Style::default(),
                1 => self.bold = true,
                2 => self.faint = true,
                3 => self.italic = true,
                4 => self.underline = true,
                22 => (self.bold, self.faint) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                n @ 30..=37 => self.foreground = Some(n - 30),
                n @ 90..=97 => self.foreground = Some(n - 90 + 8),
                39 => self.foreground = None,
                n @ 40..=47 => self.background = Some(n - 40),
                n @ 100..=107 => self.background = Some(n - 100 + 8),
                49 => self.background = None,
                n @ (38 | 48) => {
                    let colour = extended(param, &mut params);
                    match n {
                        38 => self.foreground = colour,
                        _ => self.background = colour,
                    }
                }
                _ => {}
            }
        }
    }

    fn class(self) -> String {
        let colour = |name, colour: Option<u16>| colour.map(|colour| format!("{name}-{colour}"));
        let flag = |set: bool, name: &str| set.then(|| name.to_owned());
        let classes = [
            colour("fg", self.foreground),
            colour("bg", self.background),
            flag(self.bold, "bold"),
            flag(self.faint, "faint"),
            flag(self.italic, "italic"),
            flag(self.underline, "underline"),
        ];
        classes.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// The colour of `38` or `48`: its parts follow after colons, or as parameters of their own.
fn extended<'p>(param: &'p [u16], rest: &mut impl Iterator<Item = &'p [u16]>) -> Option<u16> {
    let mut parts = param[1..].iter().copied();
    let mut next = || parts.next().or_else(|| rest.next().and_then(|param| param.first().copied()));
    match next()? {
        5 => next().filter(|colour| *colour < 16),
        2 => {
            (0..3).for_each(|_| _ = next());
            None
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(output: &str) -> Vec<Vec<(String, String)>> {
        let mut terminal = Terminal::default();
        terminal.write(output);
        let lines = terminal.finish().lines;
        lines.into_iter().map(|line| line.spans.into_iter().map(|span| (span.class, span.text)).collect()).collect()
    }

    fn span(class: &str, text: &str) -> (String, String) {
        (class.to_owned(), text.to_owned())
    }

    #[test]
    fn colours_are_classes() {
        let lines = drawn("a \x1b[31;1mred\x1b[0m b\n\x1b[92mgreen\x1b[39m\x1b[48;5;4mblue\x1b[38;2;1;2;3mplain");
        assert_eq!(lines[0], [span("", "a "), span("fg-1 bold", "red"), span("", " b")]);
        assert_eq!(lines[1], [span("fg-10", "green"), span("bg-4", "blueplain")]);
    }

    #[test]
    fn a_carriage_return_begins_the_line_again() {
        assert_eq!(drawn("10 %\r20 %\r\nnext"), [vec![span("", "20 %")], vec![span("", "next")]]);
    }

    #[test]
    fn titles_links_and_bells_draw_nothing_and_markup_stays_text() {
        let lines = drawn("\x1b]0;title\x07\x1b]8;;http://evil\x1b\\<b>\x1b]8;;\x1b\\\x07\x1b[2J\u{202e}");
        assert_eq!(lines, [vec![span("", "<b>\\u{202e}")]]);
    }

    #[test]
    fn the_newest_lines_are_kept_with_their_numbers() {
        let mut terminal = Terminal::default();
        (1..=LINES + 5).for_each(|n| terminal.write(&format!("line {n}\n")));
        let Drawn { lines, left_out, open, .. } = terminal.finish();
        assert_eq!((lines.len(), left_out, lines[0].number, open), (LINES, 5, 6, false));
        assert_eq!(lines[0].spans[0].text, "line 6");
    }

    #[test]
    fn older_lines_end_before_the_line_that_is_named_and_keep_their_style() {
        let mut terminal = Terminal::before(Some(3));
        terminal.write("one\n\x1b[32mtwo\nthree\nfour");
        let drawn = terminal.finish();
        assert_eq!(drawn.lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((drawn.lines[1].spans[0].class.as_str(), drawn.style.as_str(), drawn.open), ("fg-2", "fg-2", true));
    }
}
