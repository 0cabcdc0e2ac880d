//! Times of the form `2026-11-29T00:00:00Z` as seconds.

/// Length of the form.
pub(super) const LEN_BYTES: usize = 20;

/// Seconds since 1970, if `text` is the one way to write them: a real date of the years 0000 to 9999, no leap second.
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    let form = b"dddd-dd-ddTdd:dd:ddZ";
    if text.len() != LEN_BYTES {
        return None;
    }
    for (&byte, &wanted) in text.iter().zip(form) {
        if if wanted == b'd' { !byte.is_ascii_digit() } else { byte != wanted } {
            return None;
        }
    }
    let number =
        |from: usize, to: usize| text[from..to].iter().fold(0, |n, d| n * 10 + i64::from(d - b'0'));
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    if !(1..=12).contains(&month) || day < 1 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_before(year, month) + day - 1;
    let next_month =
        if month == 12 { days_before(year + 1, 1) } else { days_before(year, month + 1) };
    (days < next_month).then_some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Appends the form; `None` outside the years 0000 to 9999.
pub(super) fn write(out: &mut Vec<u8>, seconds: i64) -> Option<()> {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    if !(days_before(0, 1)..days_before(10_000, 1)).contains(&days) {
        return None;
    }
    // 400 Gregorian years have 146,097 days, so this guess is at most one too high or too low.
    let mut year = 1970 + days * 400 / 146_097;
    while days < days_before(year, 1) {
        year -= 1;
    }
    while days >= days_before(year + 1, 1) {
        year += 1;
    }
    let mut month = 12;
    while days < days_before(year, month) {
        month -= 1;
    }
    let day = days - days_before(year, month) + 1;
    let mut digits = |value: i64, count: u32| {
        for place in (0..count).rev() {
            out.push(b'0' + u8::try_from(value / 10_i64.pow(place) % 10).unwrap_or(0));
        }
    };
    digits(year, 4);
    for value in [month, day, second / 3_600, second / 60 % 60, second % 60] {
        digits(value, 2);
    }
    // From the end, so that the places before stay where they are.
    let start = out.len() - 14;
    for (place, mark) in [(14, b'Z'), (12, b':'), (10, b':'), (8, b'T'), (6, b'-'), (4, b'-')] {
        out.insert(start + place, mark);
    }
    Some(())
}

/// Days from 1970-01-01 to the first of a month.
fn days_before(year: i64, month: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leaps = |y: i64| y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    // A leap day counts from March of its own year on.
    let this = if month > 2 { leaps(year) } else { leaps(year - 1) };
    (year - 1970) * 365 + this - leaps(1969)
        + BEFORE[usize::try_from(month - 1).unwrap_or(0).min(11)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, seconds: i64) {
        assert_eq!(parse(text.as_bytes()), Some(seconds), "{text}");
        let mut out = Vec::new();
        write(&mut out, seconds).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn known_times() {
        check("1970-01-01T00:00:00Z", 0);
        check("2000-02-29T23:59:59Z", 951_868_799);
        check("2026-11-29T00:00:00Z", 1_795_910_400);
        check("0000-01-01T00:00:00Z", -62_167_219_200);
        check("9999-12-31T23:59:59Z", 253_402_300_799);
    }

    #[test]
    fn each_day_of_a_cycle_survives() {
        let mut out = Vec::new();
        for day in 0..146_097 * 2 {
            out.clear();
            let seconds = (day - 146_097) * 86_400 + 12_345;
            write(&mut out, seconds).unwrap();
            assert_eq!(parse(&out), Some(seconds));
        }
    }

    #[test]
    fn what_is_no_time_is_no_time() {
        for text in [
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00z",
            "2026-01-01T00:00:00",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(write(&mut Vec::new(), 253_402_300_800), None);
        assert_eq!(write(&mut Vec::new(), i64::MIN), None);
    }
}
