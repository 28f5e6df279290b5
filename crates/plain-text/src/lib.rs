//! Text from outside (a node's error, a provider's log, a name on chain) as a terminal or a log may show it: nothing
//! that moves the cursor, hides or reorders text, and no more of it than a person reads. Ordinary Unicode stays.
//!
//! Depends on nothing, so that whatever reads from a network can use it where the text comes in: [`line()`] for a piece
//! of a sentence, [`text`] for what has lines. [`shown`] is the last step before a text of our own, with all that was
//! put into it, leaves.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

/// Longest line of a text from outside, in characters.
pub const LONGEST_LINE: usize = 400;
/// Longest text from outside, in bytes: two of them and what is said about them fit into what is [`shown`].
pub const LONGEST_TEXT: usize = 6 * 1024;
/// Longest text that is shown at all, in bytes.
pub const LONGEST_SHOWN: usize = 16 * 1024;

/// A text from outside as one line of at most [`LONGEST_LINE`] characters; says when it was cut.
#[must_use]
pub fn line(from_outside: &str) -> String {
    let clean = clean(from_outside);
    let words = clean.trim().replace('\n', " ");
    cut_line(&words).into_owned()
}

/// A text from outside with its lines, each of at most [`LONGEST_LINE`] characters, [`LONGEST_TEXT`] bytes in all; says
/// when it was cut.
#[must_use]
pub fn text(from_outside: &str) -> String {
    let clean = clean(from_outside);
    let lines: Vec<Cow<'_, str>> = clean.trim_end().split('\n').map(cut_line).collect();
    cut_text(&lines.join("\n"), LONGEST_TEXT).into_owned()
}

/// A text of our own as it leaves: cleaned like one from outside, and at most [`LONGEST_SHOWN`] bytes. Lines may be of
/// any length, since what we write is wrapped by whoever shows it.
#[must_use]
pub fn shown(ours: &str) -> Cow<'_, str> {
    match clean(ours) {
        Cow::Borrowed(text) => cut_text(text, LONGEST_SHOWN),
        Cow::Owned(text) => Cow::Owned(cut_text(&text, LONGEST_SHOWN).into_owned()),
    }
}

/// Whether a text has nothing but characters that are seen, on one line: what may be recorded as an address or a name.
#[must_use]
pub fn is_plain(from_outside: &str) -> bool {
    !from_outside.chars().any(is_hostile)
}

fn is_hostile(c: char) -> bool {
    c.is_control() || is_invisible(c) || ends_line(c)
}

fn cut_line(line: &str) -> Cow<'_, str> {
    let length = line.chars().count();
    if length <= LONGEST_LINE {
        return Cow::Borrowed(line);
    }
    let mark = format!("... ({length} characters, cut)");
    let kept = line.chars().take(LONGEST_LINE - mark.len());
    Cow::Owned(kept.chain(mark.chars()).collect())
}

fn cut_text(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let mark = format!("\n... ({} bytes, cut)", text.len());
    let end = text.floor_char_boundary(limit - mark.len());
    Cow::Owned(format!("{}{mark}", text.get(..end).unwrap_or_default()))
}

/// Ends of lines become `\n`, escape sequences and invisible characters go, other controls become U+FFFD.
fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| is_hostile(c) && !matches!(c, '\n' | '\t')) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => clean.push(c),
            '\r' => {
                chars.next_if_eq(&'\n');
                clean.push('\n');
            }
            _ if ends_line(c) => clean.push('\n'),
            '\u{1b}' | '\u{90}' | '\u{98}' | '\u{9b}' | '\u{9d}'..='\u{9f}' => skip_sequence(c, &mut chars),
            _ if c.is_control() => clean.push(char::REPLACEMENT_CHARACTER),
            _ if is_invisible(c) => {}
            _ => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// Vertical tab, form feed, next line, and Unicode's separators of lines and paragraphs.
const fn ends_line(c: char) -> bool {
    matches!(c, '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Skips the rest of an escape sequence (ECMA-48) that `first` began, with `ESC` or in its one-character form. What
/// breaks the sequence's form ends it.
fn skip_sequence(first: char, chars: &mut Peekable<Chars<'_>>) {
    let introducer = match first {
        '\u{1b}' => {
            while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            chars.next_if(|c| matches!(c, '0'..='~'))
        }
        '\u{90}' => Some('P'),
        '\u{98}' => Some('X'),
        '\u{9b}' => Some('['),
        '\u{9d}' => Some(']'),
        _ => Some('_'),
    };
    match introducer {
        Some('[') => {
            while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
            chars.next_if(|c| matches!(c, '@'..='~'));
        }
        // A string for the terminal, up to its terminator or the end of the line.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = chars.next_if(|c| !matches!(c, '\n' | '\r')) {
                match c {
                    '\u{7}' | '\u{9c}' => return,
                    '\u{1b}' => {
                        chars.next_if_eq(&'\\');
                        return;
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// What is not seen or turns what is: Unicode's `Default_Ignorable_Code_Point` (bidi controls, zero-width characters,
/// soft hyphens, fillers, tags), annotation marks, and the object replacement. The two selectors that choose between a
/// sign's text and picture form stay: they are part of ordinary emoji.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn terminals_are_not_told_what_to_do() {
        for (hostile, plain) in [
            ("\u{1b}[2J\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;https://example.com\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{9b}31mred \u{9d}0;title\u{9c}after", "red after"),
            ("\u{1b}Pdevice\u{1b}\\a\u{1b}_app\u{1b}\\b\u{1b}^pm\u{1b}\\c\u{1b}Xsos\u{1b}\\d", "abcd"),
            ("\u{1b}(0set\u{1b}c\u{1b}", "set"),
            // Cut off, or no sequence at all: the next line stays.
            ("\u{1b}]0;no end\nnext", "\nnext"),
            ("\u{1b}[31é", "é"),
            ("one\r\ntwo\rthree\u{2028}four\u{85}five", "one\ntwo\nthree\nfour\nfive"),
            ("a\u{8}\u{8}\u{0}b\u{7f}", "a\u{fffd}\u{fffd}\u{fffd}b\u{fffd}"),
            ("abc\u{202e}fed\u{2066}x\u{2069}", "abcfedx"),
            ("pay\u{200b}pal\u{feff}\u{ad} \u{e0041}\u{e0042}", "paypal "),
        ] {
            assert_eq!(clean(hostile), plain, "{hostile:?}");
        }
    }

    #[test]
    fn ordinary_text_stays() {
        assert!(
            !is_plain("a\nb") && !is_plain("a\u{202e}") && !is_plain("a\u{1b}") && is_plain("é x.example")
        );
        for kept in [
            "",
            "a\tb\nc",
            "Größe: 5 µs – „naïve“ café",
            "日本語 한국어 العربية עברית हिन्दी ไทย",
            "❤️ 👍🏽 🇩🇪 ✓ → ½ €",
            "e\u{301}",
        ] {
            assert_eq!(shown(kept), kept);
            assert!(matches!(shown(kept), Cow::Borrowed(_)));
        }
        assert_eq!(text("one\n  two\n"), "one\n  two");
        assert_eq!(line(" one\n  two\n"), "one   two");
    }

    #[test]
    fn what_is_cut_says_so() {
        let long = line(&"é".repeat(401));
        assert_eq!(long.chars().count(), LONGEST_LINE);
        assert!(long.starts_with("éé") && long.ends_with("... (401 characters, cut)"), "{long}");
        assert_eq!(line(&"é".repeat(400)), "é".repeat(400));
        let many = text(&"line\n".repeat(10_000));
        assert!(many.len() <= LONGEST_TEXT && many.ends_with("... (49999 bytes, cut)"), "{many}");
        let ours = shown_of(20_000);
        assert!(ours.len() <= LONGEST_SHOWN && ours.ends_with("... (20000 bytes, cut)"), "{ours}");
        assert_eq!(shown_of(LONGEST_SHOWN).len(), LONGEST_SHOWN);
    }

    fn shown_of(length: usize) -> String {
        shown(&"x".repeat(length)).into_owned()
    }

    /// Ordinary characters, and between them what is to go.
    fn anything() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<String>(),
            any::<Vec<char>>().prop_map(|chars| chars.into_iter().collect()),
            "\u{1b}[\\[\\]PX^_(]?[0-9;]{0,4}[a-zA-Z\u{7}]?",
            "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2060}-\u{206f}\u{e0000}-\u{e00ff}]{0,8}",
            "[a-z ]{0,600}\n",
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn nothing_hostile_comes_through(input in anything()) {
            let (as_text, as_line, as_shown) = (text(&input), line(&input), shown(&input));
            for output in [&as_text, &as_line, as_shown.as_ref()] {
                prop_assert!(output.chars().all(|c| !is_hostile(c) || matches!(c, '\n' | '\t')), "{output:?}");
            }
            prop_assert!(as_text.len() <= LONGEST_TEXT && as_shown.len() <= LONGEST_SHOWN);
            prop_assert!(as_text.lines().all(|line| line.chars().count() <= LONGEST_LINE));
            prop_assert!(!as_line.contains('\n') && as_line.chars().count() <= LONGEST_LINE);
            // What is plain already stays as it is, so that cleaning at every step costs nothing.
            prop_assert_eq!(text(&as_text), as_text.as_str());
            prop_assert_eq!(line(&as_line), as_line.as_str());
            prop_assert_eq!(shown(&as_shown), as_shown.as_ref());
            prop_assert_eq!(shown(&as_text), as_text.as_str());
        }

        /// By Unicode's own categories: letters, digits, punctuation, symbols and blanks are never touched.
        #[test]
        fn ordinary_unicode_comes_through(
            input in "[\\p{L}\\p{N}\\p{P}\\p{S}\\p{Zs}\\p{Mc}\n&&[^\u{115f}\u{1160}\u{3164}\u{ffa0}\u{fffc}]]{0,300}"
        ) {
            prop_assert_eq!(shown(&input), input.as_str());
        }
    }
}
