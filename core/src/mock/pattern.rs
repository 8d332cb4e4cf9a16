//! The small part of Java's regular expressions that topic patterns use.
//!
//! Literals, `.`, classes, groups, alternatives, repetitions, escapes, `\w \d \s` and the flags `(?ims)`, all matched
//! by backtracking.

use std::cell::Cell;

use super::names::namespace_of;

/// A topic pattern. It must match a topic's whole name without `persistent://`. It matches only within its own
/// namespace, which is `public/default` if the pattern has none. So `x.*` matches nothing, on a real broker as here;
/// `public/default/x.*` and `.*x.*` do.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    namespace: String,
    alternatives: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug)]
struct Piece {
    what: What,
    ignores_case: bool,
    least: usize,
    most: usize,
}

#[derive(Clone, Debug)]
enum What {
    Any,
    Literal(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
    Group(Vec<Vec<Piece>>),
}

impl Pattern {
    /// Parses a pattern. `Err` states what is wrong, or what this mock does not support.
    pub(super) fn parse(text: &str) -> Result<Pattern, String> {
        let name = text.split_once("://").map_or(text, |(_, name)| name);
        let namespace = match name.splitn(3, '/').collect::<Vec<_>>().as_slice() {
            [tenant, namespace, _] => format!("{tenant}/{namespace}"),
            _ => "public/default".to_owned(),
        };
        let mut parser = Parser { rest: name.chars().collect(), at: 0, depth: 0, ignores_case: false };
        let alternatives = parser.alternatives()?;
        match parser.peek() {
            None => Ok(Pattern { namespace, alternatives }),
            Some(_) => Err(format!("Unmatched closing ')' in {text}")),
        }
    }

    pub(super) fn matches(&self, topic: &str) -> bool {
        let Some(name) = topic.strip_prefix("persistent://").filter(|_| namespace_of(topic) == self.namespace) else {
            return false;
        };
        let text: Vec<char> = name.chars().collect();
        Matcher { steps: Cell::new(0) }.any(&self.alternatives, &text, &|rest| rest.is_empty())
    }
}

struct Parser {
    rest: Vec<char>,
    at: usize,
    depth: usize,
    ignores_case: bool,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let found = self.peek();
        self.at += 1;
        found
    }

    fn alternatives(&mut self) -> Result<Vec<Vec<Piece>>, String> {
        let mut found = vec![Vec::new()];
        while let Some(next) = self.peek().filter(|next| *next != ')') {
            self.at += 1;
            let what = match next {
                '|' => {
                    found.push(Vec::new());
                    continue;
                }
                '^' | '$' => continue,
                '(' if self.flags() => continue,
                '.' => What::Any,
                '(' => self.group()?,
                '[' => self.class()?,
                '\\' => escape(self.take().ok_or("a pattern cannot end in a backslash")?),
                '*' | '+' | '?' | '{' => return Err(format!("Dangling meta character '{next}'")),
                literal => What::Literal(literal),
            };
            let (least, most) = self.repetition()?;
            if let Some(sequence) = found.last_mut() {
                sequence.push(Piece { what, ignores_case: self.ignores_case, least, most });
            }
        }
        Ok(found)
    }

    /// Returns how often the previous item may occur: `*`, `+`, `?`, `{2}`, `{2,}`, `{2,5}`, or once.
    fn repetition(&mut self) -> Result<(usize, usize), String> {
        let counts = match self.peek() {
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('?') => (0, 1),
            Some('{') => {
                let rest = &self.rest[self.at + 1..];
                let length = rest.iter().position(|letter| *letter == '}').ok_or("Unclosed counted closure")?;
                let inner: String = rest[..length].iter().collect();
                self.at += length + 1;
                let (least, most) = inner.split_once(',').unwrap_or((&inner, &inner));
                let number = |text: &str| text.parse::<u16>().map(usize::from);
                match (number(least), most, number(most)) {
                    (Ok(least), "", _) => (least, usize::MAX),
                    (Ok(least), _, Ok(most)) if least <= most => (least, most),
                    _ => return Err("Illegal repetition range".to_owned()),
                }
            }
            _ => return Ok((1, 1)),
        };
        self.at += 1;
        // greedy or lazy makes no difference when the whole name must match
        self.at += usize::from(matches!(self.peek(), Some('?' | '+')));
        Ok(counts)
    }

    /// Reads the rest of flags such as `(?i)`, which apply up to the end of their group. Returns false, and reads
    /// nothing, if there are none. No name of a topic has more than one line, so `m` and `s` change nothing.
    fn flags(&mut self) -> bool {
        let rest = &self.rest[self.at..];
        let length = rest.iter().take_while(|letter| matches!(letter, '?' | 'i' | 'm' | 's')).count();
        if length < 2 || rest[0] != '?' || rest.get(length) != Some(&')') {
            return false;
        }
        self.ignores_case |= rest[..length].contains(&'i');
        self.at += length + 1;
        true
    }

    fn group(&mut self) -> Result<What, String> {
        let outside = self.ignores_case;
        self.depth += 1;
        if self.depth > 50 {
            return Err("groups are nested too deep".to_owned());
        }
        if self.rest[self.at..].starts_with(&['?', ':']) {
            self.at += 2;
        } else if self.peek() == Some('?') {
            return Err("this mock reads no look-arounds or named groups".to_owned());
        }
        let inner = self.alternatives()?;
        self.ignores_case = outside;
        self.depth -= 1;
        match self.take() {
            Some(')') => Ok(What::Group(inner)),
            _ => Err("Unclosed group".to_owned()),
        }
    }

    fn class(&mut self) -> Result<What, String> {
        let negated = self.peek() == Some('^');
        self.at += usize::from(negated);
        let mut ranges = Vec::new();
        loop {
            let low = match self.take().ok_or("Unclosed character class")? {
                ']' if !ranges.is_empty() => return Ok(What::Class { negated, ranges }),
                '\\' => match escape(self.take().ok_or("Unclosed character class")?) {
                    What::Class { ranges: more, negated: false } => {
                        ranges.extend(more);
                        continue;
                    }
                    What::Literal(literal) => literal,
                    _ => return Err("this mock reads no negated class within a class".to_owned()),
                },
                other => other,
            };
            let is_range = self.peek() == Some('-') && self.rest.get(self.at + 1).is_some_and(|next| *next != ']');
            let high = if is_range {
                self.at += 1;
                self.take().unwrap_or(low)
            } else {
                low
            };
            ranges.push((low, high));
        }
    }
}

fn escape(letter: char) -> What {
    let ranges = match letter.to_ascii_lowercase() {
        'd' => vec![('0', '9')],
        'w' => vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')],
        's' => vec![(' ', ' '), ('\t', '\r')],
        _ => return What::Literal(letter),
    };
    What::Class { negated: letter.is_ascii_uppercase(), ranges }
}

/// The maximum number of steps, beyond which there is no match: no pattern of a client may hang the mock.
const MAX_STEPS: usize = 100_000;

/// The maximum repetitions of a group, which limits the depth of recursion.
const MAX_REPEATS: usize = 250;

/// What must match after the current item.
type Then<'a> = &'a dyn Fn(&[char]) -> bool;

struct Matcher {
    steps: Cell<usize>,
}

impl Matcher {
    fn any(&self, alternatives: &[Vec<Piece>], text: &[char], then: Then<'_>) -> bool {
        alternatives.iter().any(|sequence| self.all(sequence, text, then))
    }

    fn all(&self, sequence: &[Piece], text: &[char], then: Then<'_>) -> bool {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MAX_STEPS {
            return false;
        }
        let Some((piece, rest)) = sequence.split_first() else { return then(text) };
        if let What::Group(inner) = &piece.what {
            return self.group(piece, inner, 0, rest, text, then);
        }
        let possible = text.iter().take(piece.most).take_while(|letter| fits(piece, **letter)).count();
        (piece.least..=possible).rev().any(|count| self.all(rest, &text[count..], then))
    }

    fn group(
        &self,
        piece: &Piece,
        inner: &[Vec<Piece>],
        done: usize,
        rest: &[Piece],
        text: &[char],
        then: Then<'_>,
    ) -> bool {
        let once_more = done < piece.most.min(MAX_REPEATS)
            && self.any(inner, text, &|left| {
                let moved = left.len() < text.len() || done < piece.least;
                moved && self.group(piece, inner, done + 1, rest, left, then)
            });
        once_more || (done >= piece.least && self.all(rest, text, then))
    }
}

fn fits(piece: &Piece, letter: char) -> bool {
    let any_case = |fits: &dyn Fn(char) -> bool| {
        let folded = [letter.to_ascii_lowercase(), letter.to_ascii_uppercase()];
        fits(letter) || (piece.ignores_case && folded.into_iter().any(fits))
    };
    match &piece.what {
        What::Any => true,
        What::Literal(literal) => any_case(&|letter| *literal == letter),
        What::Class { negated, ranges } => {
            any_case(&|letter| ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter))) != *negated
        }
        What::Group(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names_of_their_namespace() {
        let cases = [
            ("persistent://public/default/x.*", "xyz", true),
            ("public/default/x.*", "xyz", true),
            (".*x.*", "xyz", true),
            ("x.*", "xyz", false),
            ("acme/default/x.*", "xyz", false),
            ("public/default/x.*", "ax", false),
            ("public/default/(a|b)-[0-9]+", "b-42", true),
            ("public/default/(a|b)-[0-9]+", "b-", false),
            ("public/default/(ab)*c", "ababc", true),
            (r"public/default/a\.b\d?", "a.b", true),
            ("public/default/a{2}b{1,}c{0,2}", "aabbb", true),
            ("public/default/a{2}", "a", false),
            ("public/default/[^x]y", "xy", false),
            ("public/default/(?i)x-[a-c]", "X-B", true),
            ("public/default/(?ims)[^x]y", "XY", false),
            ("public/default/x(?i)y", "Xy", false),
            ("public/default/((?i)x)y", "XY", false),
            ("public/default/((?i)x)y", "Xy", true),
        ];
        for (pattern, topic, expected) in cases {
            assert_eq!(
                Pattern::parse(pattern).unwrap().matches(&format!("persistent://public/default/{topic}")),
                expected,
                "{pattern} {topic}"
            );
        }
    }

    #[test]
    fn bad_patterns_are_refused_and_hard_ones_end() {
        for bad in ["(", ")", "[a", "a{2", "a{3,2}", "(*", "a\\", "(?=x)", "(?x)a", "(?", "(?i"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert!(!Pattern::parse(".*").unwrap().matches("non-persistent://public/default/x"));
        let hard = Pattern::parse("public/default/(a*)*(a*)*(a*)*b").unwrap();
        assert!(!hard.matches(&format!("persistent://public/default/{}", "a".repeat(60))));
    }
}
