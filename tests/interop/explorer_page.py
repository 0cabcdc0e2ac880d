#!/usr/bin/env python3
"""Moves the sliders of an explorer in a headless Chromium; its model is that of tests/it/report.rs.

    explorer_page.py URL

Fails with what is wrong.
"""

import sys

from browser import Browser
from report_page import TABLE, Reader, expect

BUSY = "document.getElementById('sections').getAttribute('aria-busy')"


def main():
    with Browser() as browser:
        reader = Reader(browser, None)
        browser.open(sys.argv[1])
        finding = "document.querySelector('#finding-1 h2')?.textContent"
        shown = lambda text: browser.wait_until(lambda: reader.value(finding) == text, f"not shown: {text}")
        line = "[...document.querySelectorAll('#finding-1 .plot svg path')].map(p => p.getAttribute('d')).join()"
        # Four doublings of the least.
        shown("From 1,000,000 targets, at 1 %")
        before = [reader.value(line), reader.texts("#finding-1")]
        expect(reader.shapes("#finding-1") > 4, "nothing is drawn")
        rows = reader.hover("#finding-1")
        reader.rows_are_true("#finding-1", rows)
        browser.hover(1, 1)
        browser.press("#targets", "\ue014\ue014\ue014")
        shown("From 8,000,000 targets, at 1 %")
        expect(reader.texts("#finding-1") != before[1], "the axes stay as they were")
        numbers = browser.run(TABLE, "#finding-1")
        expect("8,000,000" in numbers and "1,000,000" not in numbers, f"the table stays as it was: {numbers}")
        browser.press("#churn", "\ue014")
        shown("From 8,000,000 targets, at 1.5 %")
        browser.press("#targets", "\ue012\ue012\ue012")
        browser.press("#churn", "\ue012")
        shown("From 1,000,000 targets, at 1 %")
        expect(reader.texts("#finding-1") == before[1], "the same values are drawn in another way")
        reader.quiet("moving the sliders")
        # The end of the slider is refused: the page says so and keeps what it has.
        browser.press("#churn", "\ue010")
        status = "document.getElementById('status').textContent"
        browser.wait_until(lambda: "churn of 10 is refused" in reader.value(status), "the page hides an error")
        expect(reader.value(finding) == "From 1,000,000 targets, at 1 %", "the page drops what it had")
        browser.press("#churn", "\ue011")
        shown("From 1,000,000 targets, at 0 %")
        expect(reader.value(status) == "", "the error stays")
        # The answer for 2 % does not come, so it is given up for what is asked next.
        browser.press("#churn", "\ue014\ue014\ue014\ue014")
        browser.press("#targets", "\ue014")
        shown("From 2,000,000 targets, at 2 %")
        browser.wait_until(lambda: reader.value(BUSY) == "false", "the page waits for nothing")
        expect(reader.value(finding) == "From 2,000,000 targets, at 2 %", "a late answer is drawn")
        expect(reader.value(status) == "", "an answer that was given up is an error")
        browser.width(390, True)
        browser.wait_until(lambda: reader.value("document.querySelector('#finding-1 svg').clientWidth") < 390, "the plot stays wide")
        wide = reader.value("document.scrollingElement.scrollWidth")
        expect(wide <= 390, f"a phone scrolls sideways: {wide} pixels")


if __name__ == "__main__":
    main()
