//! Stored text in HTML: no character of it is markup, and no character is invisible.

use std::fmt::{self, Display, Formatter, Write as _};

use askama::filters::HtmlSafe;

/// HTML that shows a stored text. Invisible characters, and those that turn the text around, are written as their code points.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markup(String);

impl Markup {
    /// The HTML of `text`.
    pub fn of(text: &str) -> Markup {
        let mut html = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                '\n' | '\t' => html.push(c),
                c if c.is_control() || is_invisible(c) => {
                    let _ = write!(html, "<i class=\"odd\">U+{:04X}</i>", u32::from(c));
                }
                c => html.push(c),
            }
        }
        Markup(html)
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Display for Markup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Templates write it as it is.
impl HtmlSafe for Markup {}

/// Whether a character is invisible or turns the text around: marks of direction, separators, tags.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stored_text_is_markup_or_hidden() {
        let hostile = "<script>alert('1')</script> & \"x\" \u{1b}[2J \u{202e}gnp.exe\u{0} é\n";
        let html = Markup::of(hostile).to_string();
        let odd = |code: &str| format!("<i class=\"odd\">U+{code}</i>");
        let expected = format!(
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot; {}[2J {}gnp.exe{} é\n",
            odd("001B"),
            odd("202E"),
            odd("0000")
        );
        assert_eq!(html, expected);
    }
}
