//! How a number is written for people: three significant digits and a unit that fits. `assets/format.js` writes the same,
//! to which a browser is held in `tests/it/report.rs`.

use serde::Serialize;

/// What a number counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A pure number of things.
    #[default]
    Count,
    /// Bytes, in powers of 1,000.
    Bytes,
    /// Seconds.
    Seconds,
    /// Years.
    Years,
    /// How many times something else.
    Ratio,
    /// Hundredths.
    Percent,
    /// Bits a second, in powers of 1,000.
    BitsPerSecond,
}

/// From the first number on, values are divided by the second and followed by the text. Largest first.
type Steps = &'static [(f64, f64, &'static str)];

const COUNT: Steps =
    &[(1e12, 1e12, " trillion"), (1e9, 1e9, " billion"), (1e7, 1e6, " million"), (0.0, 1.0, "")];
const BYTES: Steps = &[
    (1e18, 1e18, " EB"),
    (1e15, 1e15, " PB"),
    (1e12, 1e12, " TB"),
    (1e9, 1e9, " GB"),
    (1e6, 1e6, " MB"),
    (1e3, 1e3, " kB"),
    (0.0, 1.0, " B"),
];
const SECONDS: Steps = &[
    (172_800.0, 86_400.0, " d"),
    (7_200.0, 3_600.0, " h"),
    (120.0, 60.0, " min"),
    (1.0, 1.0, " s"),
    (1e-3, 1e-3, " ms"),
    (0.0, 1e-6, " µs"),
];
const YEARS: Steps = &[(0.0, 1.0, " years")];
const RATIO: Steps = &[(0.0, 1.0, " ×")];
const PERCENT: Steps = &[(0.0, 1.0, " %")];
const BITS_PER_SECOND: Steps = &[
    (1e12, 1e12, " Tbit/s"),
    (1e9, 1e9, " Gbit/s"),
    (1e6, 1e6, " Mbit/s"),
    (1e3, 1e3, " kbit/s"),
    (0.0, 1.0, " bit/s"),
];

impl Unit {
    /// `value` with three significant digits and its unit: `428 kB`.
    ///
    /// ```
    /// use tufold_report::Unit;
    ///
    /// assert_eq!(Unit::Bytes.short(427_837.0), "428 kB");
    /// assert_eq!(Unit::Count.short(2_273_539.0), "2,273,539");
    /// assert_eq!(Unit::Ratio.short(1.1422), "1.14 ×");
    /// ```
    pub fn short(self, value: f64) -> String {
        if !value.is_finite() {
            return "—".to_owned();
        }
        let size = value.abs();
        let steps = self.steps();
        let step = steps.iter().find(|step| size >= step.0 && size > 0.0);
        let (_, divisor, suffix) = step.unwrap_or(if self == Self::Seconds {
            &(0.0, 1.0, " s")
        } else {
            &steps[steps.len() - 1]
        });
        let sign = if value < 0.0 { "−" } else { "" };
        format!("{sign}{}{suffix}", digits(size / divisor, 3))
    }

    /// `value` with every digit before the point, six in all at least, and without its unit: `427,837`.
    pub fn full(self, value: f64) -> String {
        if !value.is_finite() {
            return "—".to_owned();
        }
        let sign = if value < 0.0 { "−" } else { "" };
        format!("{sign}{}", digits(value.abs(), 6))
    }

    /// What a column or an axis says of the unit: `bytes`; nothing for a count.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
            Self::Years => "years",
            Self::Ratio => "×",
            Self::Percent => "%",
            Self::BitsPerSecond => "bit/s",
        }
    }

    fn steps(self) -> Steps {
        match self {
            Self::Count => COUNT,
            Self::Bytes => BYTES,
            Self::Seconds => SECONDS,
            Self::Years => YEARS,
            Self::Ratio => RATIO,
            Self::Percent => PERCENT,
            Self::BitsPerSecond => BITS_PER_SECOND,
        }
    }
}

/// So many significant digits, or all that stand before the point; no zeros at the end.
fn digits(size: f64, significant: i32) -> String {
    let mut decimals = significant - 1;
    let mut scaled = size;
    while scaled >= 10.0 && decimals > 0 {
        scaled /= 10.0;
        decimals -= 1;
    }
    while scaled > 0.0 && scaled < 1.0 && decimals < 12 {
        scaled *= 10.0;
        decimals += 1;
    }
    // Rounded by hand: format! rounds ties to even, JavaScript does not.
    let shift = 10f64.powi(decimals);
    let rounded = (size * shift).round() / shift;
    let text = format!("{rounded:.*}", usize::try_from(decimals).unwrap_or(0));
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    grouped(&text)
}

/// Commas between thousands, from 1,000 on.
fn grouped(text: &str) -> String {
    let (whole, rest) = text.find('.').map_or((text, ""), |point| text.split_at(point));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::Unit;

    #[track_caller]
    fn check(unit: Unit, value: f64, short: &str, full: &str) {
        assert_eq!((unit.short(value).as_str(), unit.full(value).as_str()), (short, full));
    }

    #[test]
    fn writes_numbers_for_people_and_in_full() {
        check(Unit::Bytes, 0.0, "0 B", "0");
        check(Unit::Bytes, 999.0, "999 B", "999");
        check(Unit::Bytes, 1_000.0, "1 kB", "1,000");
        check(Unit::Bytes, 1_125.0, "1.13 kB", "1,125");
        check(Unit::Bytes, 427_837.0, "428 kB", "427,837");
        check(Unit::Bytes, 124.9, "125 B", "124.9");
        check(Unit::Bytes, 5_235_081.0, "5.24 MB", "5,235,081");
        check(Unit::Bytes, -5e9, "−5 GB", "−5,000,000,000");
        check(Unit::Count, 9_999_999.0, "9,999,999", "9,999,999");
        check(Unit::Count, 12_340_000.0, "12.3 million", "12,340,000");
        check(Unit::Count, 4_294_967_296.0, "4.29 billion", "4,294,967,296");
        check(Unit::Ratio, 1.1422, "1.14 ×", "1.1422");
        check(Unit::Ratio, 1.532_906_451_989, "1.53 ×", "1.53291");
        check(Unit::Bytes, 5_235_081.4, "5.24 MB", "5,235,081");
        check(Unit::Percent, 0.0037, "0.0037 %", "0.0037");
        check(Unit::Seconds, 0.0, "0 s", "0");
        check(Unit::Seconds, 0.0123, "12.3 ms", "0.0123");
        check(Unit::Seconds, 16_413.6, "4.56 h", "16,413.6");
        check(Unit::BitsPerSecond, 95e6, "95 Mbit/s", "95,000,000");
        check(Unit::Years, 2.5, "2.5 years", "2.5");
        check(Unit::Bytes, f64::NAN, "—", "—");
    }
}
