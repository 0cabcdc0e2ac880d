//! The versions before and after a given one.

use std::fmt::{self, Write};

use super::random::Random;

/// A version as text between numbers: `1.4.0rc2` is 1 `.` 4 `.` 0 `rc` 2.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// What stands before each number, and the number.
    parts: Vec<(String, u64)>,
    /// What stands after the last number.
    tail: String,
    /// The development release, once every number is down to 0.
    dev: Option<u64>,
}

/// A longer run of digits is text: no project counts that far.
const MAX_DIGITS: usize = 9;

/// The largest number that a component comes back with when the one before it is counted down.
const MAX_REFILL: u64 = 400;

impl Version {
    /// Takes `text` apart. An empty one is `1.0.0`.
    pub(super) fn new(text: &str) -> Self {
        let (mut parts, mut before) = (Vec::new(), String::new());
        let mut rest = if text.is_empty() { "1.0.0" } else { text };
        while let Some(first) = rest.chars().next() {
            let is_digit = |c: char| c.is_ascii_digit() == first.is_ascii_digit();
            let end = rest.find(|c| !is_digit(c)).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            rest = after;
            match run.parse() {
                Ok(number) if run.len() <= MAX_DIGITS => {
                    parts.push((std::mem::take(&mut before), number));
                }
                _ => before.push_str(run),
            }
        }
        Self { parts, tail: before, dev: None }
    }

    /// Counts down to an earlier version. `left` is how many more are wanted: a component that
    /// starts anew does so high enough for about as many.
    pub(super) fn step_back(&mut self, left: u64, random: &mut Random) {
        if let Some(dev) = &mut self.dev {
            *dev = dev.saturating_sub(1);
            return;
        }
        let Some(at) = self.parts.iter().rposition(|&(_, number)| number > 0) else {
            self.dev = Some(left);
            return;
        };
        self.parts[at].1 -= 1;
        let number = self.parts[at].1;
        // Before the first candidate of a version comes a plain version, not a candidate.
        let later = self.parts.iter().skip(at + 1);
        let plain = later.take_while(|(before, _)| !has_letter(before)).count();
        if at + 1 + plain < self.parts.len() || at + 1 < self.parts.len() && has_letter(&self.tail)
        {
            self.parts.truncate(at + 1 + plain);
            self.tail.clear();
        }
        let most = (left * 3 / 2 / (number + 1) + 3).min(MAX_REFILL);
        for (_, number) in self.parts.iter_mut().skip(at + 1) {
            *number = random.below(most + 1);
        }
    }

    /// Counts up: a candidate becomes the version itself, and otherwise the last number grows, or
    /// now and then the one before it.
    pub(super) fn step_on(&mut self, random: &mut Random) {
        self.dev = None;
        let suffix = self.parts.iter().skip(1).position(|(before, _)| has_letter(before));
        if suffix.is_some() || has_letter(&self.tail) && !self.parts.is_empty() {
            self.parts.truncate(suffix.map_or(self.parts.len(), |at| at + 1));
            self.tail.clear();
            return;
        }
        match &mut *self.parts {
            [.., (_, minor), (_, patch)] if random.percent(12) => {
                *minor += 1;
                *patch = 0;
            }
            [.., (_, patch)] => *patch += 1,
            [] => self.parts.push((std::mem::take(&mut self.tail) + ".", 1)),
        }
    }
}

fn has_letter(text: &str) -> bool {
    text.contains(char::is_alphabetic)
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some versions from PyPI's early days hold a comma or a parenthesis.
        let plain = |c: char| c.is_ascii_alphanumeric() || ".!+".contains(c);
        let mut text = |text: &str| {
            text.chars().try_for_each(|c| f.write_char(if plain(c) { c } else { '_' }))
        };
        for (before, number) in &self.parts {
            text(before)?;
            text(&number.to_string())?;
        }
        text(&self.tail)?;
        self.dev.map_or(Ok(()), |dev| write!(f, ".dev{dev}"))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::random::Stream;
    use super::*;

    #[test]
    fn counts_down() {
        let rows =
            ["1.2", "0.1.0rc1", "2026.10.1", "0.0", "1.0(3)", "", "v0.1-alpha", "9999999999"];
        let mut all = String::new();
        for text in rows {
            let mut random = Random::new(1, Stream::Order, 0);
            let mut version = Version::new(text);
            let mut found = vec![version.to_string()];
            for left in (0..5).rev() {
                version.step_back(left, &mut random);
                found.push(version.to_string());
            }
            all += &(found.join(" ") + "\n");
        }
        expect![[r#"
            1.2 1.1 1.0 0.2 0.1 0.0
            0.1.0rc1 0.1.0rc0 0.0.2 0.0.1 0.0.0 0.0.0.dev0
            2026.10.1 2026.10.0 2026.9.1 2026.9.0 2026.8.3 2026.8.2
            0.0 0.0.dev4 0.0.dev3 0.0.dev2 0.0.dev1 0.0.dev0
            1.0_3_ 1.0_2_ 1.0_1_ 1.0_0_ 0.1_4_ 0.1_3_
            1.0.0 0.3.9 0.3.8 0.3.7 0.3.6 0.3.5
            v0.1_alpha v0.0_alpha v0.0_alpha.dev3 v0.0_alpha.dev2 v0.0_alpha.dev1 v0.0_alpha.dev0
            9999999999 9999999999.dev4 9999999999.dev3 9999999999.dev2 9999999999.dev1 9999999999.dev0
        "#]].assert_eq(&all);
    }

    #[test]
    fn counts_up() {
        let rows = [
            ("1.2", "1.3"),
            ("1.0rc3", "1.0"),
            ("0.4.dev7", "0.4"),
            ("9999999999", "9999999999.1"),
        ];
        for (text, expected) in rows {
            let mut version = Version::new(text);
            version.step_on(&mut Random::new(1, Stream::Order, 0));
            assert_eq!(version.to_string(), expected);
        }
    }
}
