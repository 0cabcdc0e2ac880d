//! The file around a body: style, scripts and a policy that lets nothing else run or load.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

/// See `vendor/README.md`.
const LIBRARY: &str = include_str!("../vendor/echarts.min.js");
const STYLE: &str = include_str!("../assets/report.css");
/// What every page draws with; the page's own script follows in the same scope.
const PLOT_SCRIPTS: [&str; 3] = [
    include_str!("../assets/format.js"),
    include_str!("../assets/options.js"),
    include_str!("../assets/plot.js"),
];
/// The script of a report.
pub(crate) const REPORT_SCRIPT: &str = include_str!("../assets/report.js");
/// The script of an explorer.
pub(crate) const EXPLORER_SCRIPT: &str = include_str!("../assets/explorer.js");

/// What a page consists of.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    pub(crate) body: Markup,
    /// JSON from `json`.
    pub(crate) data: String,
    /// The script of the page.
    pub(crate) script: &'a str,
    /// Whether its script may ask the server that it came from.
    pub(crate) asks_server: bool,
}

impl Page<'_> {
    pub(crate) fn to_html(&self) -> String {
        let script =
            format!("(() => {{\n\"use strict\";\n{}{}}})();\n", PLOT_SCRIPTS.concat(), self.script);
        let hash = |script: &str| {
            format!("'sha256-{}'", BASE64.encode(digest(&SHA256, script.as_bytes()).as_ref()))
        };
        // Should a string ever get through as markup, it still could not run or load anything.
        let policy = format!(
            "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'; \
             script-src {} {}{}",
            hash(LIBRARY),
            hash(&script),
            if self.asks_server { "; connect-src 'self'" } else { "" },
        );
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    // An empty icon: without one a browser would ask a server for its own.
                    link rel="icon" href="data:,";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    (self.body)
                    script id="data" type="application/json" { (PreEscaped(&self.data)) }
                    script { (PreEscaped(LIBRARY)) }
                    script { (PreEscaped(&script)) }
                }
            }
        };
        page.into_string()
    }
}

/// JSON that can stand in a script element: nothing in it ends the element or opens a comment.
pub(crate) fn json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use aws_lc_rs::digest::{SHA256, digest};
    use data_encoding::HEXLOWER;

    use super::{LIBRARY, PLOT_SCRIPTS, json};

    #[test]
    fn vendored_files_are_those_of_the_table() {
        let vendor = Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor");
        let table = std::fs::read_to_string(vendor.join("README.md")).unwrap();
        let mut files = 0;
        for line in table.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let (name, listed) = (cells[1].trim_matches('`'), cells[4]);
            let found = std::fs::read(vendor.join(name)).unwrap();
            assert_eq!(HEXLOWER.encode(digest(&SHA256, &found).as_ref()), listed, "{name}");
            files += 1;
        }
        assert_eq!(files, 6);
    }

    #[test]
    fn no_script_ends_its_own_element() {
        for script in PLOT_SCRIPTS.iter().chain(&[LIBRARY]) {
            assert!(!script.contains("</script") && !script.contains("<!--"));
        }
        let bad = "</script><!-- & \u{2028}";
        let written = json(&bad);
        assert!(!written.contains(['<', '>', '&']), "{written}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), bad);
    }
}
