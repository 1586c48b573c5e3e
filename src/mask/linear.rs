//! The cost of masking, counted_len in bytes that are read: for any text at most a fixed multiple of its length.

use super::find::{keywords, secrets};
use super::rule::Rule;
use super::{Mask, OwnRule};

/// Maximum number of reads of one byte, on average.
const MAX_READS: usize = 100;
/// The length of a text before it is doubled, in bytes.
const LEN: usize = 1024;

fn work(text: &str) -> usize {
    secrets(text, &[true; Rule::COUNT]).1
}

/// `head`, then `unit` repeated until the text has `len` bytes.
fn repeated(head: &str, unit: &str, len: usize) -> String {
    let mut text = head.to_owned();
    while text.len() < len {
        text.push_str(unit);
    }
    text
}

/// Asserts that the text's cost stays under the bound, and that the double text costs about double.
fn assert_linear(head: &str, unit: &str) {
    let once = work(&repeated(head, unit, LEN));
    let twice = work(&repeated(head, unit, 2 * LEN));
    let cut = |text: &str| text[..text.floor_char_boundary(60)].to_owned();
    let (head, shown) = (cut(head), cut(unit));
    assert!(twice < MAX_READS * 2 * LEN, "{head:?} {shown:?}: {} a byte", twice / (2 * LEN));
    // The bounded look-back counts for more in a short text, so allow a little more than double; four times would be
    // quadratic.
    assert!(twice < once * 3 + LEN, "{head:?} {shown:?}: {once}, doubled {twice}");
}

#[test]
fn the_cost_of_each_keyword_is_the_same_for_few_and_many() {
    let endings = [
        "",
        " ",
        "\n",
        "=",
        ": ",
        "='",
        "=\"",
        "=\\\"",
        "=a1",
        " a1 ",
        ":a1@",
        "/",
        "@",
        "-",
        ".",
        "--",
        "-a",
        "x=abcdefgh\n",
        "=no;",
        " -p",
        "=&a=",
        "=/a",
        "=a,b",
        "\n  a",
        ":\na1b2c3\n",
        "\u{e9}",
        " by 'x' ",
        ":a:",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
    ];
    for keyword in keywords() {
        for ending in endings {
            assert_linear("", &format!("{keyword}{ending}"));
            assert_linear("", &format!("{ending}{keyword}"));
        }
    }
}

#[test]
fn keywords_before_a_long_text_cost_no_more() {
    for keyword in keywords() {
        for filler in ["A1", "=", "-", " ", "\n", "@", "'", "\\", "\\\"", "a:", "aB3/aB3+aB3=\n"] {
            assert_linear(keyword, filler);
            assert_linear(&format!("{keyword}=\""), filler);
            assert_linear(&repeated("", keyword, LEN / 2), filler);
            assert_linear(&repeated("", &format!("{keyword}:"), LEN / 2), filler);
            assert_linear(&repeated("", &format!("{keyword}='a "), LEN / 2), filler);
        }
    }
}

#[test]
fn pairs_of_keywords_cost_no_more() {
    let words = keywords();
    for (n, first) in words.iter().enumerate() {
        // Combine each word with twelve others; all pairs would take minutes.
        for second in words.iter().cycle().skip(n * 7).take(12) {
            assert_linear("", &format!("{first}a:{second}="));
            assert_linear("", &format!("{first}{second} "));
        }
    }
}

#[test]
fn texts_that_once_cost_quadratic_time_are_linear() {
    let key = "AbCd0123456789+/".repeat(4);
    for unit in [
        "password=abcdefgh\n",
        "://a:b",
        "://a:b@",
        "://a:/@!",
        "-----BEGIN PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\na: b\n",
        &format!("-----BEGIN PRIVATE KEY-----\n{key}\n"),
        "-----END PRIVATE KEY-----\n",
        &format!("{key}\n-----END PRIVATE KEY-----\n"),
        "bearer aaaaaaaaaaaaaaaaaaaa ",
        "eyJhbGciOiJI.eyJ",
        "-eyJaaaaaaaaaaaa",
        "token=/token=",
        "mysql curl zip ",
        "[masked:",
        "Cookie: a=1; b=2; ",
    ] {
        assert_linear("", unit);
        assert_linear("[masked:jwt]", unit);
    }
}

#[test]
fn rules_of_the_operator_read_a_bounded_part_for_each_secret() {
    let own = |pattern: &str| OwnRule { name: "own".into(), pattern: pattern.into() };
    for (pattern, unit) in [("a[^b]*b|a", "a"), ("(?s)x.*y|x", "x "), ("[a-z]+", "ab"), ("[a-z]+", "ab "), ("q", "ab")]
    {
        let mask = Mask::new("own", &[own(pattern)]).unwrap();
        let read = |len| mask.find(&repeated("", unit, len)).1;
        let (once, twice) = (read(64 * 1024), read(128 * 1024));
        assert!(twice <= once * 5 / 2, "{pattern}: {once}, doubled {twice}");
    }
}

#[test]
fn rules_of_the_operator_find_secrets_longer_than_a_window() {
    let mask = Mask::new("own", &[OwnRule { name: "own".into(), pattern: "k[a-z]{1000,}".into() }]).unwrap();
    for (before, len) in [(0, 1000), (7000, 4000), (8191, 100_000), (12_285, 30_000)] {
        let mut text = format!("{}k{} end", ".".repeat(before), "z".repeat(len));
        mask.text(&mut text, &mut Vec::new());
        assert_eq!(text, format!("{}[masked:own] end", ".".repeat(before)));
    }
}
