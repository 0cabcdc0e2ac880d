//! Which content coding a client takes (RFC 9110, 12.5.3).

use hyper::HeaderMap;
use hyper::header::ACCEPT_ENCODING;

/// How a body is coded, the best first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Coding {
    /// zstd with an earlier version as dictionary (RFC 9842).
    Dcz,
    /// zstd (RFC 8878).
    Zstd,
    /// gzip (RFC 1952).
    Gzip,
    /// As it is.
    Identity,
}

impl Coding {
    const ALL: [Self; 4] = [Self::Dcz, Self::Zstd, Self::Gzip, Self::Identity];

    /// The value of `Content-Encoding`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dcz => "dcz",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }
}

/// What a client takes, in thousandths.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Accepted {
    weights: [u16; 4],
}

impl Accepted {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut stated = [None; 4];
        let mut any = None;
        let values = headers.get_all(ACCEPT_ENCODING).iter();
        for item in values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')) {
            let mut parts = item.split(';');
            let name = parts.next().unwrap_or("").trim();
            let weight = parts.find_map(weight).unwrap_or(Some(1000));
            // A weight that is none says nothing.
            let Some(weight) = weight else { continue };
            let is = |coding: &Coding| name.eq_ignore_ascii_case(coding.name());
            let coding = Coding::ALL.iter().position(is);
            match coding.or(name.eq_ignore_ascii_case("x-gzip").then_some(2)) {
                Some(at) => stated[at] = Some(weight),
                None if name == "*" => any = Some(weight),
                None => {}
            }
        }
        // What is not stated is not taken, but for the file as it is, which is the last choice then.
        let [dcz, zstd, gzip, identity] = stated;
        let of = |stated: Option<u16>| stated.or(any).unwrap_or(0);
        let identity = identity.unwrap_or(if any == Some(0) { 0 } else { 1 });
        Self { weights: [dcz.unwrap_or(0), of(zstd), of(gzip), identity] }
    }

    /// The client's favourite among these; `None` if it takes none of them.
    pub(crate) fn best(self, offered: &[Coding]) -> Option<Coding> {
        let weight = |coding: Coding| self.weights[coding as usize];
        let taken = offered.iter().copied().filter(|coding| weight(*coding) > 0);
        taken.max_by_key(|coding| (weight(*coding), std::cmp::Reverse(*coding)))
    }
}

/// `None` if the parameter is no weight, `Some(None)` if it is a bad one.
fn weight(parameter: &str) -> Option<Option<u16>> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, part) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let good = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let part: Option<u16> = good.then(|| format!("{part:0<3}").parse().ok()).flatten();
    Some(match (whole, part) {
        ("0", Some(part)) => Some(part),
        ("1", Some(0)) => Some(1000),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_what_the_client_likes_best() {
        const FILE: &[Coding] = &[Coding::Zstd, Coding::Gzip, Coding::Identity];
        const ALL: &[Coding] = &Coding::ALL;
        for (header, offered, best) in [
            (None, FILE, Some("identity")),
            (Some(""), FILE, Some("identity")),
            (Some("gzip"), FILE, Some("gzip")),
            (Some("x-gzip"), FILE, Some("gzip")),
            (Some("GZip, ZSTD"), FILE, Some("zstd")),
            (Some("gzip, deflate, br, zstd, dcb, dcz"), FILE, Some("zstd")),
            (Some("gzip, deflate, br, zstd, dcb, dcz"), ALL, Some("dcz")),
            (Some("zstd;q=0.5, gzip;q=0.9"), FILE, Some("gzip")),
            (Some("zstd;q=0, gzip"), FILE, Some("gzip")),
            (Some("zstd;q=0.001"), FILE, Some("zstd")),
            (Some("identity, zstd;q=0.5"), FILE, Some("identity")),
            (Some("identity;q=0.1, zstd ; Q = 0.5"), FILE, Some("zstd")),
            (Some("*"), ALL, Some("zstd")),
            (Some("*;q=0"), FILE, None),
            (Some("*;q=0, gzip"), FILE, Some("gzip")),
            (Some("identity;q=0"), &[Coding::Identity][..], None),
            (Some("identity;q=0, *"), FILE, Some("zstd")),
            (Some("zstd;q=2, gzip;q=x, *;q=0.1234"), FILE, Some("identity")),
            (Some("br"), FILE, Some("identity")),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(ACCEPT_ENCODING, header.parse().unwrap());
            }
            let found = Accepted::read(&headers).best(offered).map(Coding::name);
            assert_eq!(found, best, "{header:?}");
        }
    }
}
